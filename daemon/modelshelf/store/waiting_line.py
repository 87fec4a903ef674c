"""The waiting line: tasks that have a row and are queued."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.task import ORDER
from modelshelf.store.candidate import Candidate
from modelshelf.store.task_rows import BELONGS, IS_ALLOWED

if TYPE_CHECKING:
    from modelshelf.domain.task import TaskKind
    from modelshelf.store.database import Database

_DUE = {
    subject: f"""SELECT t.id, t.subject, t.priority, t.due_at, t.crashes, t.run_id FROM tasks t INDEXED BY tasks_by_urgency
        WHERE t.kind = :kind AND t.state = 'queued' AND t.due_at <= :now AND {is_allowed}
        ORDER BY t.priority DESC, t.due_at LIMIT :limit"""  # noqa: S608 - constants only
    for subject, is_allowed in IS_ALLOWED.items()
}
_NEXT = {
    subject: f"""SELECT t.due_at FROM tasks t
        WHERE t.kind = :kind AND t.state = 'queued' AND {is_allowed} ORDER BY t.due_at LIMIT 1"""  # noqa: S608 - likewise
    for subject, is_allowed in IS_ALLOWED.items()
}
_COUNT = {
    subject: f"""SELECT
        (SELECT count(*) FROM tasks t WHERE t.kind = :kind AND t.state = 'queued' AND t.due_at <= :until AND {belongs})
        + (SELECT count(*) FROM tasks t WHERE t.kind = :kind AND t.state = 'running' AND {belongs})"""  # noqa: S608 - likewise
    for subject, belongs in BELONGS.items()
}
_COUNT_ALL = """SELECT
    (SELECT count(*) FROM tasks WHERE kind = :kind AND state = 'queued' AND due_at <= :until)
    + (SELECT count(*) FROM tasks WHERE kind = :kind AND state = 'running')"""


class WaitingLine:
    """Reads the queued rows of one kind at a time, each by an index of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, kind: TaskKind, now: float, folders: str | None, limit: int) -> list[Candidate]:
        """Give the most urgent tasks that are due; `folders` is a JSON list of the ids allowed, None for all.

        Read in order of urgency, past those that are not due yet; so first it is asked, by time, whether any is due.
        """
        first = self.next_due_at(kind, None)
        if first is None or first > now:
            return []
        found = self._database.rows(
            _DUE[ORDER[kind].subject], {"kind": kind, "now": now, "folders": folders, "limit": limit}
        )
        return [
            Candidate(kind, row["subject"], row["priority"], row["due_at"], row["crashes"], row["run_id"], row["id"])
            for row in found
        ]

    def next_due_at(self, kind: TaskKind, folders: str | None) -> float | None:
        """Give when the next task is due, None where none waits."""
        row = self._database.row(_NEXT[ORDER[kind].subject], {"kind": kind, "folders": folders})
        return None if row is None else float(row["due_at"])

    def count(self, kind: TaskKind, folder_id: str | None, until: float) -> int:
        """Count what runs and what is due by `until`, for one folder or for all."""
        sql = _COUNT_ALL if folder_id is None else _COUNT[ORDER[kind].subject]
        row = self._database.row(sql, {"kind": kind, "folder": folder_id, "until": until})
        return int(row[0]) if row is not None else 0
