"""Which tasks concern one file: what `modelshelf why` shows as still to come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.task import ORDER, Subject
from modelshelf.store.task_rows import task_from

if TYPE_CHECKING:
    from modelshelf.domain.task import Task
    from modelshelf.store.database import Database

_SUBJECTS = """SELECT f.folder_id, f.directory, f.name, f.content_id, v.model_id FROM files f
    LEFT JOIN contents c ON c.id = f.content_id LEFT JOIN versions v ON v.id = c.version_id WHERE f.id = ?"""
_TASKS = "SELECT * FROM tasks WHERE kind = ? AND subject = ?"


def tasks_of_file(database: Database, file_id: int) -> list[Task]:
    """Give the tasks of the file, its content, its model, and the folder tasks that reach its path."""
    row = database.row(_SUBJECTS, (file_id,))
    if row is None:
        return []
    subjects = {
        Subject.FILE: file_id,
        Subject.CONTENT: row["content_id"],
        Subject.MODEL: row["model_id"],
        Subject.FOLDER: row["folder_id"],
    }
    found = [
        task_from(task)
        for kind, order in ORDER.items()
        if (subject := subjects[order.subject]) is not None
        for task in database.rows(_TASKS, (kind, str(subject)))
    ]
    reached = _path_and_above(row["directory"], row["name"])
    return [task for task in found if ORDER[task.kind].subject is not Subject.FOLDER or task.path in reached]


def _path_and_above(directory: bytes, name: bytes) -> set[bytes]:
    parts = [*directory.split(b"/"), name] if directory else [name]
    return {b"/".join(parts[:count]) for count in range(len(parts) + 1)}
