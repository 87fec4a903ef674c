"""Verifications: when each file was last read and held its own bytes, and which are the longest unread."""

from __future__ import annotations

import heapq
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.task import Priority, TaskKind
from modelshelf.store.columns import from_big, from_epoch_or_none, id_list, to_epoch

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from modelshelf.store.database import Database

PAGE = 1000

_IS_READ = "scan_phase = 1 AND content_id IS NOT NULL AND missing_since IS NULL AND vouched_by IS NULL"
"""As the index `files_to_verify` has it. What another program told of a file was never read here: there is nothing to compare."""

_COLUMNS = "SELECT id, folder_id, size_bytes, verified_at FROM files"
_OLDEST = f"""{_COLUMNS} INDEXED BY files_to_verify WHERE folder_id = :folder AND {_IS_READ}
    AND verified_at <= :before AND (verified_at, size_bytes, id) > (:verified_at, :size, :id)
    ORDER BY verified_at, size_bytes, id LIMIT :limit"""
_AT = f"{_COLUMNS} WHERE folder_id = ? AND directory = ? AND name = ? AND {_IS_READ}"
_BELOW = f"""{_COLUMNS} WHERE folder_id = :folder AND {_IS_READ}
        AND (:top = x'' OR directory = :top OR directory >= :first AND directory < :beyond)
    ORDER BY directory, name"""
_SUSPECTED = """SELECT f.id, f.folder_id, f.size_bytes, f.verified_at
    FROM rot r INDEXED BY rot_standing JOIN files f ON f.id = r.file_id
    WHERE r.ended_at IS NULL AND f.missing_since IS NULL AND f.folder_id IN (SELECT value FROM json_each(?)) ORDER BY r.id"""
_ASKED = f"""SELECT count(*) AS count FROM tasks WHERE kind = '{TaskKind.VERIFY_FILE}' AND priority >= {Priority.DROP:d}
    AND folder_id IN (SELECT value FROM json_each(?)) AND (state = 'running' OR state = 'queued' AND due_at <= ?)"""  # noqa: S608 - constants
_DROP = """DELETE FROM tasks WHERE kind = ? AND priority = ? AND state = 'queued' AND attempts = 0
    AND folder_id IN (SELECT value FROM json_each(?))"""


@dataclass(frozen=True, slots=True)
class Unverified:
    """A file that may be read again. `verified_at` is an epoch, 0 for never; of one that is doubted, its negative."""

    file_id: int
    folder_id: str
    size_bytes: int
    verified_at: float


class Verifications:
    """Reads by one index, page by page, so that a night's share of a million files is found without looking at the rest."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, file_id: int, now: datetime) -> None:
        """Keep that a file was read and held its own bytes."""
        self._database.execute("UPDATE files SET verified_at = ? WHERE id = ?", (to_epoch(now), file_id))

    def doubt(self, file_id: int) -> None:
        """Have a file verified among the first, whenever it was last."""
        self._database.execute("UPDATE files SET verified_at = -abs(verified_at) WHERE id = ?", (file_id,))

    def last_of(self, file_id: int) -> datetime | None:
        """Give when a file was last read and held its own bytes, None for never."""
        row = self._database.row("SELECT abs(verified_at) AS verified_at FROM files WHERE id = ?", (file_id,))
        return from_epoch_or_none(row["verified_at"] or None) if row is not None else None

    def oldest(self, folder_ids: Collection[str], before: datetime) -> Iterator[Unverified]:
        """Give the files that were last read before this time, over all these folders the longest unread first."""
        lines = [self._oldest_of(folder_id, to_epoch(before)) for folder_id in sorted(folder_ids)]
        return heapq.merge(*lines, key=lambda each: each.verified_at)

    def _oldest_of(self, folder_id: str, before: float) -> Iterator[Unverified]:
        after: dict[str, object] = {"verified_at": -math.inf, "size": 0, "id": 0}
        while True:
            rows = self._database.rows(_OLDEST, {"folder": folder_id, "before": before, "limit": PAGE, **after})
            yield from map(_unverified_from, rows)
            if len(rows) < PAGE:
                return
            after = {"verified_at": rows[-1]["verified_at"], "size": rows[-1]["size_bytes"], "id": rows[-1]["id"]}

    def within(self, folder_id: str, path: bytes) -> list[Unverified]:
        """Give every file that can be read again: the one at `path`, or all in that directory; empty is the whole folder."""
        at = self._database.rows(_AT, (folder_id, *os.path.split(path))) if path else []
        limits = {"first": path + b"/", "beyond": path + b"0"}
        below = self._database.rows(_BELOW, {"folder": folder_id, "top": path, **limits})
        return [_unverified_from(row) for row in at + below]

    def suspected(self, folder_ids: Collection[str]) -> list[Unverified]:
        """Give the files whose rot stands."""
        return [_unverified_from(row) for row in self._database.rows(_SUSPECTED, (id_list(folder_ids),))]

    def asked_for(self, folder_ids: Collection[str], now: datetime) -> int:
        """Count the files that a person wants verified now; what failed, and waits for its next try, does not count."""
        return int(self._database.rows(_ASKED, (id_list(folder_ids), to_epoch(now)))[0]["count"])

    def drop_waiting(self, folder_ids: Collection[str]) -> int:
        """Owe no more what an earlier night had no time for, since each night chooses anew; gives how many."""
        parameters = (TaskKind.VERIFY_FILE, Priority.VERIFY, id_list(folder_ids))
        return self._database.execute(_DROP, parameters).rowcount


def _unverified_from(row: sqlite3.Row) -> Unverified:
    return Unverified(row["id"], row["folder_id"], from_big(row["size_bytes"]), row["verified_at"])
