"""`modelshelf mute`: newer versions that nobody wants to hear of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from modelshelf.cli.opening import NothingRecorded, Opening, global_options
from modelshelf.cli.showing import json_option, show_json, show_line
from modelshelf.cli.why import find_files
from modelshelf.clock import SystemClock
from modelshelf.domain.display import readable
from modelshelf.domain.task import NewTask, Priority, TaskKind
from modelshelf.errors import UsageError

if TYPE_CHECKING:
    from modelshelf.store.store import Store

_MODEL = re.compile(r"(?:https?://\S*/models/)?(\d{1,18})(?:[/?#]\S*)?")


@click.command()
@click.argument("target", metavar="MODEL_OR_FILE")
@click.option("--version", "version_id", type=click.IntRange(min=1), metavar="ID", help="Only this version.")
@click.option("--clear", "is_cleared", is_flag=True, help="Tell of them again.")
@json_option
@global_options
@click.pass_obj
def mute(opening: Opening, /, target: str, *, version_id: int | None, is_cleared: bool, is_json: bool) -> None:
    """Tell no more of newer versions of a model: its id or its page's address on Civitai, or a file of it.

    What is muted still stands in `modelshelf why`. With --version only that one is meant, and a later one is told of.
    """
    if not opening.store_path.exists():
        raise NothingRecorded("nothing is recorded yet: there is no model of which anything could be told")
    with opening.writing() as store:
        model_id = _model_id(opening, store, target, is_cleared=is_cleared)
        change = store.updates.unmute if is_cleared else store.updates.mute
        is_news = change(model_id, version_id)
        if is_news:
            _owe_pages(store, model_id)
    if not is_news and is_cleared:
        raise UsageError(f"{_named(model_id, version_id)} is not muted")
    _report(opening, model_id, version_id, is_muted=not is_cleared, is_json=is_json)


def _model_id(opening: Opening, store: Store, target: str, *, is_cleared: bool) -> int:
    """Give the model that is meant; one that was muted may have gone from the shelf by now."""
    match = _MODEL.fullmatch(target.strip())
    if match is not None:
        model_id = int(match[1])
        if is_cleared or store.remote.versions_on_shelf(model_id):
            return model_id
        raise UsageError(f"no file here is known to be of model {model_id}")
    content_ids = {file.content_id for file in find_files(opening, store, target) if file.content_id is not None}
    contents = [content for each in content_ids if (content := store.contents.get(each))]
    versions = {content.version_id for content in contents if content.version_id is not None}
    models = {model for each in versions if (model := store.remote.model_of_version(each)) is not None}
    if len(models) != 1:
        told = f"files of {len(models)} models are meant" if models else "its model on Civitai is not known"
        raise UsageError(f"{readable(target)}: {told}")
    return models.pop()


def _owe_pages(store: Store, model_id: int) -> None:
    pages = [
        NewTask(TaskKind.RENDER_PAGE, str(file.id), priority=Priority.PERSON) for file in store.files.of_model(model_id)
    ]
    store.journal.add(pages, SystemClock().now())


def _named(model_id: int, version_id: int | None) -> str:
    return f"model {model_id}" if version_id is None else f"version {version_id} of model {model_id}"


def _report(opening: Opening, model_id: int, version_id: int | None, *, is_muted: bool, is_json: bool) -> None:
    from modelshelf.watching.poke import poke  # noqa: PLC0415 -- only after the work is owed

    is_heard = poke(opening.state_directory)
    if is_json:
        show_json({"model_id": model_id, "version_id": version_id, "is_muted": is_muted, "is_daemon_running": is_heard})
    elif version_id is not None:
        show_line(
            f"Version {version_id} of model {model_id} is {'not told of any more' if is_muted else 'told of again'}."
        )
    else:
        show_line(f"Newer versions of model {model_id} are {'not told of any more' if is_muted else 'told of again'}.")
