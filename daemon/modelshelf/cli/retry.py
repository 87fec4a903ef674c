"""`modelshelf retry`: what failed is owed again, at once and with a clean record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelshelf.cli.failures import kind_of
from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.showing import json_option, show_json, show_line
from modelshelf.cli.wording import count_text
from modelshelf.clock import SystemClock
from modelshelf.domain.failure import FailureKind
from modelshelf.domain.task import ORDER, Lane, Priority
from modelshelf.errors import UsageError

if TYPE_CHECKING:
    from modelshelf.store.store import Store


@click.command()
@click.argument("task_ids", nargs=-1, type=int)
@click.option("--kind", type=click.Choice([kind.value for kind in FailureKind]), help="All failures of this kind.")
@click.option("--all", "is_all", is_flag=True, help="All failures.")
@json_option
@global_options
@click.pass_obj
def retry(opening: Opening, task_ids: tuple[int, ...], kind: str | None, *, is_all: bool, is_json: bool) -> None:
    """Try again at once what failed: TASK_IDS as `modelshelf failures` shows them, a --kind, or --all.

    Broken files are read once more with `--kind invalid_format` or `--all`; Civitai is asked again for what it did not know
    with `--kind api` or `--all`, and where it refused the key or the region, too.
    """
    if sum((bool(task_ids), kind is not None, is_all)) != 1:
        raise click.UsageError("Name ids, or a --kind, or --all.")
    with opening.writing() as store:
        is_asking = _is_asking(store, task_ids) if task_ids else kind in {None, FailureKind.API}
        brought = _bring_back(store, task_ids, FailureKind(kind) if kind else None)
    from modelshelf.watching.poke import ASK_CIVITAI, WAKE, poke  # noqa: PLC0415 -- only after the work is owed

    is_heard = poke(opening.state_directory, ASK_CIVITAI if is_asking else WAKE)
    if is_json:
        show_json({"brought_back": brought, "is_daemon_running": is_heard})
        return
    show_line(
        f"{count_text(brought, 'thing is', 'things are')} tried again{'' if is_heard else ' when the daemon runs'}."
    )


def _is_asking(store: Store, task_ids: tuple[int, ...]) -> bool:
    """Tell whether one of these tasks asks Civitai."""
    return any(task.id in task_ids and ORDER[task.kind].lane is Lane.NETWORK for task in store.journal.failures())


def _bring_back(store: Store, task_ids: tuple[int, ...], kind: FailureKind | None) -> int:
    from modelshelf.store.reports import Reports  # noqa: PLC0415 -- sqlite_utils comes with its package

    failed = {task.id: task for task in store.journal.failures()}
    unknown = [task_id for task_id in task_ids if task_id not in failed]
    if unknown:
        raise UsageError(f"no failure has the id {', '.join(map(str, unknown))}; see modelshelf failures")
    chosen = [task.id for task in failed.values() if not kind or kind_of(task) is kind]
    broken = Reports(store.database).broken() if not task_ids and kind in {None, FailureKind.INVALID_FORMAT} else []
    now, is_asked = SystemClock().now(), not task_ids and kind in {None, FailureKind.API}
    with store.database.transaction():
        store.files.reset_deep([file.file_id for file in broken], Priority.PERSON)
        asked = store.contents.ask_again(now) + store.remote.ask_again(now) if is_asked else 0
        return len(broken) + asked + store.journal.bring_back(task_ids or chosen, now)
