"""A row of the table `tasks` as a Task, and the question which tasks of a kind belong to a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.task import Subject, Task, TaskKind, TaskState
from modelshelf.store.columns import from_epoch, from_epoch_or_none

if TYPE_CHECKING:
    import sqlite3

IS_ALLOWED: dict[Subject, str] = {
    Subject.FOLDER: "(:folders IS NULL OR t.subject IN (SELECT value FROM json_each(:folders)))",
    Subject.FILE: """(:folders IS NULL OR NOT EXISTS (
        SELECT 1 FROM files f WHERE f.id = CAST(t.subject AS INTEGER)
            AND f.folder_id NOT IN (SELECT value FROM json_each(:folders))))""",
    Subject.CONTENT: "TRUE",
    Subject.MODEL: "TRUE",
}
"""Whether a task may be claimed for the folders named. Contents and models have no folder; a file that is no more has none."""

BELONGS: dict[Subject, str] = {
    Subject.FOLDER: "t.subject = :folder",
    Subject.FILE: """EXISTS (
        SELECT 1 FROM files f WHERE f.id = CAST(t.subject AS INTEGER) AND f.folder_id = :folder)""",
    Subject.CONTENT: """EXISTS (
        SELECT 1 FROM files f WHERE f.content_id = CAST(t.subject AS INTEGER)
            AND f.folder_id = :folder AND f.missing_since IS NULL)""",
    Subject.MODEL: """EXISTS (
        SELECT 1 FROM versions v JOIN contents c ON c.version_id = v.id JOIN files f ON f.content_id = c.id
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
