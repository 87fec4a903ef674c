"""A row of the table `tasks` as a Task, and the question which tasks of a kind belong to a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.task import ORDER, Subject, Task, TaskKind, TaskState
from modelshelf.store.columns import from_epoch, from_epoch_or_none

if TYPE_CHECKING:
    import sqlite3

FOLDER_OF: dict[Subject, str] = {
    Subject.FOLDER: ":subject",
    Subject.FILE: "coalesce((SELECT folder_id FROM files WHERE id = CAST(:subject AS INTEGER)), '')",
    Subject.CONTENT: "''",
    Subject.MODEL: "''",
}
"""What a new task has as `folder_id`. Contents and models have no folder; a file that is no more has none."""

KINDS_OF_FILES = ", ".join(f"'{kind}'" for kind, order in ORDER.items() if order.subject is Subject.FILE)
"""The kinds whose subject is a file, as SQL's `IN (...)` takes them."""

KINDS_READ_APART = ", ".join(f"'{kind}'" for kind, order in ORDER.items() if order.is_read_apart)
"""Likewise the kinds that are never given up because the daemon died."""

BELONGS: dict[Subject, str] = {
    Subject.FOLDER: "t.folder_id = :folder",
    Subject.FILE: "t.folder_id = :folder",
    Subject.CONTENT: """EXISTS (
        SELECT 1 FROM files f WHERE f.content_id = CAST(t.subject AS INTEGER)
            AND f.folder_id = :folder AND f.missing_since IS NULL)""",
    Subject.MODEL: """EXISTS (
        SELECT 1 FROM versions v CROSS JOIN contents c ON c.version_id = v.id CROSS JOIN files f ON f.content_id = c.id
        WHERE v.model_id = CAST(t.subject AS INTEGER) AND f.folder_id = :folder AND f.missing_since IS NULL)""",
}
"""Whether a task is owed for one folder."""


def task_from(row: sqlite3.Row) -> Task:
    """Give the Task of a row."""
    return Task(
        id=row["id"],
        kind=TaskKind(row["kind"]),
        subject=row["subject"],
        path=bytes(row["path"]),
        state=TaskState(row["state"]),
        priority=row["priority"],
        queued_at=from_epoch(row["queued_at"]),
        due_at=from_epoch(row["due_at"]),
        attempts=row["attempts"],
        crashes=row["crashes"],
        run_id=row["run_id"],
        is_forced=bool(row["is_forced"]),
        last_error=row["last_error"],
        failure_kind=row["failure_kind"],
        failed_at=from_epoch_or_none(row["failed_at"]),
    )
