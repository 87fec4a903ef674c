"""`modelshelf failures`: what went wrong, by kind, and when it is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.showing import json_option, show_heading, show_json, show_line, show_table
from modelshelf.cli.subjects import subject_text, task_json
from modelshelf.cli.wording import count_text, moment_json, path_json, when_text
from modelshelf.clock import SystemClock
from modelshelf.domain.display import readable
from modelshelf.domain.failure import FailureKind
from modelshelf.domain.task import TaskKind, TaskState

if TYPE_CHECKING:
    from datetime import datetime

    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.domain.task import Task
    from modelshelf.store.failures import Unseen
    from modelshelf.store.reports import BrokenFile
    from modelshelf.store.store import Store

HEADINGS = {
    FailureKind.HASH: "Hashing",
    FailureKind.API: "Civitai",
    FailureKind.ACCESS: "Access to files and folders",
    FailureKind.INVALID_FORMAT: "Invalid format",
    FailureKind.BATCH: "Batches",
    FailureKind.CACHE: "Cache",
    FailureKind.INTERNAL: "Bugs of modelshelf",
}
COLUMNS = ("id", "step", "what", "since", "reason", "next try")


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that failed: as a row for eyes, and as JSON."""

    kind: FailureKind
    row: tuple[str, ...]
    document: JsonObject


@click.command()
@click.option("--kind", type=click.Choice([kind.value for kind in FailureKind]), help="Only failures of this kind.")
@json_option
@global_options
@click.pass_obj
def failures(opening: Opening, kind: str | None, *, is_json: bool) -> None:
    """Show what failed and why, and when it is tried again.

    What has an id can be tried again at once by `modelshelf retry`. Broken files need another download.
    """
    with opening.reading() as store:
        found = [each for each in gather(store, SystemClock().now()) if kind in {None, each.kind}]
    if is_json:
        show_json({"failures": [{"kind": each.kind.value, **each.document} for each in found]})
        return
    if not found:
        show_line("No failures.")
    for each_kind, heading in HEADINGS.items():
        rows = [each.row for each in found if each.kind is each_kind]
        if rows:
            show_heading(f"{heading}: {count_text(len(rows), 'failure', 'failures')}")
            show_table(COLUMNS, rows)


def gather(store: Store, now: datetime) -> list[Failure]:
    """Give every failure: tasks given up or waiting for another try, what scans cannot see, and files that are broken."""
    from modelshelf.store.reports import Reports  # noqa: PLC0415 -- sqlite_utils comes with its package

    tasks = [_of_task(store, task, now) for task in store.journal.failures()]
    unseen = [_of_unseen(each, now) for each in store.failures.all()]
    return tasks + unseen + [_of_broken(file, now) for file in Reports(store.database).broken()]


def kind_of(task: Task) -> FailureKind:
    """Give the kind of failure of a task; one without a kind is a bug of ours."""
    return FailureKind(task.failure_kind) if task.failure_kind in set(FailureKind) else FailureKind.INTERNAL


def _of_task(store: Store, task: Task, now: datetime) -> Failure:
    next_try = when_text(task.due_at, now) if task.state is TaskState.QUEUED else "given up"
    row = (
        str(task.id),
        task.kind.value,
        subject_text(store, task),
        when_text(task.failed_at, now),
        f"{readable(task.last_error or 'unknown')} ({count_text(task.attempts, 'try', 'tries')})",
        next_try,
    )
    return Failure(kind_of(task), row, task_json(store, task))


def _of_unseen(unseen: Unseen, now: datetime) -> Failure:
    where = f"{unseen.folder_id}: {readable(unseen.path) or '(the folder itself)'}"
    step, since, reason = TaskKind.SCAN_FOLDER.value, when_text(unseen.failed_at, now), readable(unseen.reason)
    document: JsonObject = {
        "task_id": None,
        "step": step,
        "subject": "folder",
        "subject_id": unseen.folder_id,
        "folder": unseen.folder_id,
        **path_json(unseen.path),
        "state": "unseen",
        "attempts": None,
        "failure_kind": FailureKind.ACCESS.value,
        "reason": unseen.reason,
        "failed_at": moment_json(unseen.failed_at),
        "next_try_at": None,
    }
    return Failure(FailureKind.ACCESS, ("-", step, where, since, reason, "next scan"), document)


def _of_broken(file: BrokenFile, now: datetime) -> Failure:
    where = f"{file.folder_id}: {readable(file.path)}"
    row = (
        "-",
        TaskKind.INSPECT_FILE.value,
        where,
        when_text(file.found_at, now),
        readable(file.reason),
        "when it changes",
    )
    document: JsonObject = {
        "task_id": None,
        "step": TaskKind.INSPECT_FILE.value,
        "subject": "file",
        "subject_id": str(file.file_id),
        "folder": file.folder_id,
        **path_json(file.path),
        "state": file.verdict,
        "attempts": None,
        "failure_kind": FailureKind.INVALID_FORMAT.value,
        "reason": file.reason,
        "failed_at": moment_json(file.found_at),
        "next_try_at": None,
    }
    return Failure(FailureKind.INVALID_FORMAT, row, document)
