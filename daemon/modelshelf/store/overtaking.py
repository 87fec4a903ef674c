"""Overtaking: which reading need not wait until a large file that is being read is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelshelf.domain.task import Task
    from modelshelf.store.candidate import Candidate
    from modelshelf.store.database import Database

FAR_SMALLER = 8
"""As urgent as what is being read, a file goes ahead if so many of it fit into the rest."""


class Overtaking:
    """Compares what waits with what is left of a read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def goes_ahead(self, candidate: Candidate, reading: Task, left_bytes: int) -> bool:
        """Tell whether `candidate` is more urgent than `reading` and smaller than its rest, or as urgent and far smaller."""
        if candidate.priority < reading.priority:
            return False
        factor = 1 if candidate.priority > reading.priority else FAR_SMALLER
        return factor * self._size_bytes(candidate) <= left_bytes

    def _size_bytes(self, candidate: Candidate) -> int:
        row = self._database.row("SELECT size_bytes FROM files WHERE id = ?", (int(candidate.subject),))
        return 0 if row is None else int(row["size_bytes"])
