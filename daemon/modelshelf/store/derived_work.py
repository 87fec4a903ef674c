"""Derived work: reading that is owed though no task stands for it, because a file says so itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.task import Priority, TaskKind
from modelshelf.store.candidate import Candidate
from modelshelf.store.columns import id_list

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Iterator

    from modelshelf.store.database import Database, Parameters

IS_INSPECTED = {TaskKind.INSPECT_FILE: 0, TaskKind.HASH_FILE: 1}
"""The kinds that come from files with `scan_phase` 0, by what their flag says."""

_FOLDERS = """SELECT id FROM folders
    WHERE is_configured = 1 AND (:folders IS NULL OR id IN (SELECT value FROM json_each(:folders))) ORDER BY id"""
_FILES = """SELECT id, priority, last_changed_at, run_id, size_bytes FROM files
    WHERE folder_id = ? AND is_inspected = ?
        AND scan_phase = 0 AND missing_since IS NULL AND waiting_reason IS NULL AND has_task = 0 AND priority >= ?
    ORDER BY priority DESC, size_bytes LIMIT ?"""
_THESE = """SELECT id, priority, last_changed_at, run_id, size_bytes FROM files NOT INDEXED
    WHERE id IN (SELECT value FROM json_each(?)) AND is_inspected = ?
        AND scan_phase = 0 AND missing_since IS NULL AND waiting_reason IS NULL AND has_task = 0"""
_COUNT_FILES = """SELECT count(*) FROM files
    WHERE folder_id = ? AND is_inspected = ?
        AND scan_phase = 0 AND missing_since IS NULL AND waiting_reason IS NULL AND has_task = 0"""


class DerivedWork:
    """Reads derived work by partial indexes alone, so half a million files that wait cost a claim nothing.

    Files are asked for folder by folder, for a folder that is offline must not be read past. Folders no longer configured
    owe nothing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(
        self, kind: TaskKind, folders: Collection[str] | None, limit: int, held: Collection[str] = frozenset()
    ) -> list[Candidate]:
        """Give the most urgent derived work of a kind; none for a kind that has no derived work, or in bulk of `held` folders."""
        if kind not in IS_INSPECTED:
            return []
        found: list[Candidate] = []
        for folder_id in self._folders(folders):
            least = Priority.DROP if folder_id in held else Priority.VERIFY
            found += _candidates(kind, self._database.rows(_FILES, (folder_id, IS_INSPECTED[kind], least, limit)))
        return sorted(found, key=lambda each: each.place_in_batch)[:limit]

    def of_files(self, kind: TaskKind, file_ids: Collection[int]) -> list[Candidate]:
        """Give the derived work of a kind that these files owe."""
        found = _candidates(kind, self._database.rows(_THESE, (id_list(file_ids), IS_INSPECTED[kind])))
        return sorted(found, key=lambda each: each.place_in_batch)

    def next_due_at(
        self, kind: TaskKind, folders: Collection[str] | None, held: Collection[str] = frozenset()
    ) -> float | None:
        """Give when derived work is due: 0, the epoch, for files; None where there is none."""
        return 0.0 if self.due(kind, folders, 1, held) else None

    def count(self, kind: TaskKind, folder_id: str | None) -> int:
        """Count the derived work of a kind for one folder or for all."""
        if kind in IS_INSPECTED:
            folders = None if folder_id is None else [folder_id]
            return sum(self._number(_COUNT_FILES, (each, IS_INSPECTED[kind])) for each in self._folders(folders))
        return 0

    def _folders(self, folders: Collection[str] | None) -> list[str]:
        allowed = None if folders is None else id_list(folders)
        return [row["id"] for row in self._database.rows(_FOLDERS, {"folders": allowed})]

    def _number(self, sql: str, parameters: Parameters) -> int:
        row = self._database.row(sql, parameters)
        return int(row[0]) if row is not None else 0


def _candidates(kind: TaskKind, rows: Iterable[sqlite3.Row]) -> Iterator[Candidate]:
    for row in rows:
        yield Candidate(
            kind,
            str(row["id"]),
            row["priority"],
            row["last_changed_at"],
            run_id=row["run_id"],
            size_bytes=row["size_bytes"],
        )
