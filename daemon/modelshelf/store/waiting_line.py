"""The waiting line: tasks that have a row and are queued, but for those suspected of killing the daemon."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from modelshelf.domain.task import ORDER
from modelshelf.store.candidate import Candidate
from modelshelf.store.suspects import CRASHES_UNTIL_ALONE
from modelshelf.store.task_rows import BELONGS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from modelshelf.domain.task import TaskKind
    from modelshelf.store.database import Database

_WAITING = (
    f"tasks INDEXED BY tasks_by_urgency WHERE kind = :kind AND state = 'queued' AND crashes < {CRASHES_UNTIL_ALONE}"
)
_HEADS = f"""WITH RECURSIVE head (folder_id, priority, due_at) AS (
        SELECT '', -2147483648, NULL
        UNION ALL
        SELECT t.folder_id, t.priority, t.due_at FROM head JOIN tasks t ON t.id = coalesce(
            (SELECT id FROM {_WAITING} AND folder_id = head.folder_id AND priority > head.priority
                ORDER BY priority, due_at LIMIT 1),
            (SELECT id FROM {_WAITING} AND folder_id > head.folder_id
                ORDER BY folder_id, priority, due_at LIMIT 1))
    )
    SELECT folder_id, priority, due_at FROM head WHERE due_at IS NOT NULL"""  # noqa: S608 - constants only
"""Hops from one folder and priority to the next by the index, never past what waits between: one seek for each."""
_DUE = f"""SELECT id, subject, due_at, run_id FROM {_WAITING}
    AND folder_id = :folder AND priority = :priority AND due_at <= :now
    ORDER BY due_at LIMIT :limit"""  # noqa: S608 - constants only
_COUNT = {
    subject: f"""SELECT
        (SELECT count(*) FROM tasks t INDEXED BY tasks_by_urgency
            WHERE t.kind = :kind AND t.state = 'queued' AND t.crashes < {CRASHES_UNTIL_ALONE}
            AND t.due_at <= :until AND {belongs})
        + (SELECT count(*) FROM tasks t INDEXED BY tasks_suspected
            WHERE t.kind = :kind AND t.state = 'queued' AND t.crashes >= {CRASHES_UNTIL_ALONE}
            AND t.due_at <= :until AND {belongs})
        + (SELECT count(*) FROM tasks t WHERE t.kind = :kind AND t.state = 'running' AND {belongs})"""  # noqa: S608 - likewise
    for subject, belongs in BELONGS.items()
}
_COUNT_ALL = """SELECT
    (SELECT count(*) FROM tasks WHERE kind = :kind AND state = 'queued' AND due_at <= :until)
    + (SELECT count(*) FROM tasks WHERE kind = :kind AND state = 'running')"""


@dataclass(frozen=True, slots=True)
class Head:
    """Who is due first among the tasks of one folder and priority; the folder is empty for what has none."""

    folder_id: str
    priority: int
    due_at: float


def _admit_all(_: Head) -> bool:
    return True


class WaitingLine:
    """Reads the queued rows of one kind at a time: a line per folder and priority, each in the order of its due times.

    So neither what is not due yet nor what lies in a folder that cannot be reached is ever read past.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(
        self,
        kind: TaskKind,
        now: float,
        folders: Collection[str] | None,
        limit: int,
        *,
        admits: Callable[[Head], bool] = _admit_all,
    ) -> list[Candidate]:
        """Give the most urgent tasks that are due, of these folders or of none; None for all. `admits` tells which lines."""
        found: list[Candidate] = []
        heads = sorted(
            (head for head in self._heads(kind, folders) if head.due_at <= now and admits(head)),
            key=lambda head: head.priority,
            reverse=True,
        )
        for _, level in groupby(heads, key=lambda head: head.priority):
            if len(found) >= limit:
                break
            equals = [candidate for head in level for candidate in self._line(kind, head, now, limit)]
            found += sorted(equals, key=lambda candidate: candidate.due_at)
        return found[:limit]

    def levels(self, kind: TaskKind) -> dict[int, float]:
        """Give for each priority when its first task is due, for a kind whose tasks belong to no folder."""
        return {head.priority: head.due_at for head in self._heads(kind, None)}

    def level(self, kind: TaskKind, priority: int, now: float, limit: int) -> list[Candidate]:
        """Give the tasks of one priority that are due, for a kind whose tasks belong to no folder, the longest due first."""
        return list(self._line(kind, Head("", priority, now), now, limit))

    def count_level(self, kind: TaskKind, priority: int, until: float, most: int) -> int:
        """Count the tasks that `level` would give, but no further than `most`."""
        parameters = {"kind": kind, "folder": "", "priority": priority, "now": until, "limit": most}
        row = self._database.row(f"SELECT count(*) FROM ({_DUE})", parameters)  # noqa: S608 - constants only
        return int(row[0]) if row is not None else 0

    def next_due_at(
        self, kind: TaskKind, folders: Collection[str] | None, *, admits: Callable[[Head], bool] = _admit_all
    ) -> float | None:
        """Give when the next task is due, None where none waits."""
        return min((head.due_at for head in self._heads(kind, folders) if admits(head)), default=None)

    def count(self, kind: TaskKind, folder_id: str | None, until: float) -> int:
        """Count what runs and what is due by `until`, suspects too, for one folder or for all."""
        sql = _COUNT_ALL if folder_id is None else _COUNT[ORDER[kind].subject]
        row = self._database.row(sql, {"kind": kind, "folder": folder_id, "until": until})
        return int(row[0]) if row is not None else 0

    def _heads(self, kind: TaskKind, folders: Collection[str] | None) -> Iterator[Head]:
        for row in self._database.rows(_HEADS, {"kind": kind}):
            if folders is None or not row["folder_id"] or row["folder_id"] in folders:
                yield Head(row["folder_id"], row["priority"], row["due_at"])

    def _line(self, kind: TaskKind, head: Head, now: float, limit: int) -> Iterator[Candidate]:
        parameters = {"kind": kind, "folder": head.folder_id, "priority": head.priority, "now": now, "limit": limit}
        for row in self._database.rows(_DUE, parameters):
            yield Candidate(kind, row["subject"], head.priority, row["due_at"], row["run_id"], row["id"])
