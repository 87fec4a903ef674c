"""`modelshelf pin`: which version on Civitai a file is, by a person's word."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from modelshelf.cli.deciding import decided, deciding, demand_one_wish, owe_again, owe_lookup, report
from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.showing import json_option
from modelshelf.domain.decision import PIN
from modelshelf.domain.display import readable
from modelshelf.domain.fact import Source
from modelshelf.domain.task import TaskKind
from modelshelf.errors import UsageError

if TYPE_CHECKING:
    from modelshelf.cli.deciding import Meant
    from modelshelf.store.store import Store

_VERSION = re.compile(r"(?:https?://\S*[?&]modelVersionId=|https?://\S*/model-versions/)?([1-9]\d{0,17})(?:[&#/]\S*)?")
_LARGEST_ID = 2**31 - 1


@click.command()
@click.argument("target", metavar="FILE")
@click.argument("version", metavar="[VERSION_ID]", required=False)
@click.option("--clear", "is_cleared", is_flag=True, help="Let the hashes decide again.")
@json_option
@global_options
@click.pass_obj
def pin(opening: Opening, target: str, version: str | None, *, is_cleared: bool, is_json: bool) -> None:
    """Say which version on Civitai FILE is, whatever its hashes say: its id, or its page's address with modelVersionId in it.

    Its record is fetched, and fetched again by this id from then on. It holds for these very bytes, wherever they lie, until
    --clear takes it back.
    """
    demand_one_wish(has_value=version is not None, is_cleared=is_cleared, value_name="a VERSION_ID")
    version_id = None if version is None else _version_id(version)
    with deciding(opening, target) as (store, meant):
        if version_id is None:
            _unpin(store, meant)
            said = f"{meant.name} is again what its hashes say."
        else:
            _pin(store, meant, version_id)
            when = " when Civitai may be asked; the configuration says offline" if opening.config.is_offline else ""
            said = f"{meant.name} is version {version_id}; its record is fetched{when}."
    report(opening, meant, said, {"pinned_version_id": version_id}, is_json=is_json)


def _version_id(word: str) -> int:
    match = _VERSION.fullmatch(word.strip())
    if match is None:
        raise UsageError(
            f"{readable(word)} is no version's id; on Civitai it stands in a version's address as modelVersionId=..."
        )
    version_id = int(match[1])
    if version_id > _LARGEST_ID:
        raise UsageError(f"{version_id} is more than any version's id")
    return version_id


def _pin(store: Store, meant: Meant, version_id: int) -> None:
    if store.decisions.is_ignored(meant.content.id):
        raise UsageError(f"{meant.name} is ignored, so its record cannot be fetched; modelshelf ignore --clear first")
    with store.database.transaction(is_durable=True):
        store.decisions.keep(meant.content.id, decided(PIN, version_id))
        owe_lookup(store, meant)


def _unpin(store: Store, meant: Meant) -> None:
    if not store.decisions.take_back(meant.content.id, PIN):
        raise UsageError(f"{meant.name} is not pinned")
    with store.database.transaction():
        believe_hashes(store, meant.content.id)
        owe_again(store, meant, TaskKind.WRITE_SIDECARS, TaskKind.FETCH_PREVIEWS)
        owe_lookup(store, meant)


def believe_hashes(store: Store, content_id: int) -> None:
    """Take back what Civitai says of the pinned version, and have it say what it said before of the one of the hashes."""
    from modelshelf.civitai.payload import parse_version  # noqa: PLC0415 -- only for who unpins
    from modelshelf.steps.describe import known_model, remote_facts  # noqa: PLC0415 -- likewise

    content = store.contents.get(content_id)
    body = store.remote.version_body(content.version_id) if content and content.version_id is not None else None
    version = parse_version(body) if body is not None else None
    facts = remote_facts(version, known_model(store, version.model_id)) if version else []
    store.facts.replace_of_content(content_id, Source.CIVITAI_API, facts)
