"""Chunks: what is to be read deep, cut into groups that take minutes, and how far each of them has come."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, cast

from modelshelf.domain.chunk import STALLED_AFTER, Chunk, ChunkState
from modelshelf.domain.chunking import cut, priority_of
from modelshelf.store.chunk_planning import OWED, all_owed, first_chunk, newcomers, owed_files
from modelshelf.store.columns import (
    big,
    from_big,
    from_epoch,
    from_epoch_or_none,
    id_list,
    pack,
    text,
    to_epoch,
    unpack,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime

    from modelshelf.domain.chunk import ChunkLimits
    from modelshelf.domain.chunking import ChunkPlan
    from modelshelf.store.database import Database, Parameters

KEPT = 1_000
"""So many chunks that ended are remembered at most."""

_MEASURED = 50
"""So many chunks of a device tell how fast it is read."""

_IN_FOLDERS = "folder_id IN (SELECT value FROM json_each(:folders))"
_INSERT = """INSERT INTO chunks
        (folder_id, device, directory, file_count, size_bytes, worth, newest_file_id, planned_at, file_ids)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_STANDING = """SELECT max(newest_file_id) AS newest_id, max(worth) FILTER (WHERE state = 'planned') AS worth
    FROM chunks WHERE folder_id = ?"""
_BEST = f"""SELECT * FROM chunks WHERE id = (SELECT id FROM chunks WHERE state = 'planned' AND {_IN_FOLDERS}
    ORDER BY worth DESC, size_bytes DESC, id LIMIT 1)"""  # noqa: S608 - constants only
_UNREAD = f"""SELECT id, size_bytes FROM files
    WHERE id IN (SELECT value FROM json_each(?)) AND folder_id = ? AND {OWED}
    ORDER BY priority DESC, size_bytes, id"""  # noqa: S608 - likewise
_START = """UPDATE chunks SET state = 'running', device = ?1, started_at = ?2, heard_at = ?2, reason = NULL,
        done_files = ?3, done_bytes = ?4, earlier_bytes = ?4, busy_seconds = 0
    WHERE id = ?5 AND state = 'planned' RETURNING *"""
_BUSY = f"""busy_seconds + CASE WHEN reason IS NULL
    THEN max(0, min(:now - heard_at, {STALLED_AFTER.total_seconds()})) ELSE 0 END"""
_NOTE = f"""UPDATE chunks SET busy_seconds = {_BUSY}, heard_at = :now, done_files = :files, done_bytes = :bytes,
        failed_files = :failed, reason = :reason
    WHERE id = :id AND state = 'running'"""  # noqa: S608 - likewise
_END = f"""UPDATE chunks SET busy_seconds = {_BUSY}, heard_at = :now, state = :state, reason = :reason,
        ended_at = iif(:is_over, :now, NULL), file_ids = iif(:is_over, x'', file_ids)
    WHERE id = :id AND state = 'running'"""  # noqa: S608 - likewise
_READ = "state = 'planned' AND folder_id IN (SELECT id FROM folders WHERE owed_files <= 0)"
_HAS_READ = f"SELECT EXISTS (SELECT 1 FROM chunks WHERE {_READ})"  # noqa: S608 - likewise
_END_READ = f"""UPDATE chunks SET state = 'done', ended_at = :now, file_ids = x'', done_files = file_count,
        done_bytes = size_bytes, earlier_bytes = size_bytes, busy_seconds = 0
    WHERE {_READ}"""  # noqa: S608 - likewise
_SPEED = """SELECT total(done_bytes - earlier_bytes) / total(busy_seconds) AS speed FROM (
    SELECT * FROM chunks WHERE device = ? AND ended_at IS NOT NULL AND busy_seconds > 0 ORDER BY ended_at DESC LIMIT ?)"""
_RECOVER = "UPDATE chunks SET state = 'planned', attempts = attempts + 1, reason = NULL WHERE state = 'running'"
_PRUNE = """DELETE FROM chunks WHERE ended_at < ? OR ended_at IS NOT NULL AND id NOT IN (
        SELECT id FROM chunks WHERE ended_at IS NOT NULL ORDER BY ended_at DESC, id DESC LIMIT ?)
    OR state = 'planned' AND folder_id NOT IN (SELECT id FROM folders WHERE is_configured = 1)"""


class Chunks:
    """The chunks of all devices. They are a plan over files that say for themselves whether they are owed.

    So a chunk that is lost costs nothing but its plan, and one whose files were read meanwhile is done at once.
    """

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._planning = threading.Lock()

    def plan(self, device: str, folder_ids: Collection[str], limits: ChunkLimits, now: datetime) -> int:
        """Cut what is owed in these folders of one device and stands in no chunk; gives how many chunks that made.

        Call it before `next`: where a folder has chunks waiting, only what is new or worth more is looked for, and nothing is
        written where there is nothing. Files are read in pages and cut with no transaction open; then all is kept in one.
        """
        with self._planning:
            began_at = self._monotonic()
            plans = self._plans(device, folder_ids, limits, lambda: self._is_over(began_at, limits))
            rows = [(*_columns_of(device, plan), to_epoch(now), pack(plan.file_ids)) for plan in plans]
            if rows:
                self._keep(rows)
            return len(rows)

    def next(self, device: str, folder_ids: Collection[str], now: datetime) -> Chunk | None:
        """Take the chunk worth most in these folders, of equals the largest, and mark it running; None where none waits.

        One whose files are all read or gone by now is done without being given.
        """
        parameters = {"folders": id_list(folder_ids)}
        with self._planning:  # or one that is taken while others are planned would count as neither planned nor running
            while (row := self._database.row(_BEST, parameters)) is not None:
                chunk = self._begin(_chunk_from(row), device, now)
                if chunk is not None and chunk.done_files < chunk.file_count:
                    return chunk
                if chunk is not None:
                    self.end(chunk.id, ChunkState.DONE, now)
        return None

    def unread(self, chunk: Chunk) -> list[int]:
        """Give the files of a chunk that are owed still, in the order in which to read them: the small ones first."""
        return [file_id for file_id, _ in self._unread(chunk)]

    def note(
        self,
        chunk_id: int,
        now: datetime,
        *,
        done_files: int,
        done_bytes: int,
        failed_files: int = 0,
        held_reason: str | None = None,
    ) -> None:
        """Keep how far a running chunk has come, which says too that it lives; `held_reason`: why it is not read just now.

        While it is held nothing need be said of it, and the time does not count.
        """
        reason = None if held_reason is None else text(held_reason)
        counts = {"files": done_files, "bytes": big(done_bytes), "failed": failed_files}
        self._database.execute(_NOTE, {"id": chunk_id, "now": to_epoch(now), "reason": reason, **counts})

    def end(self, chunk_id: int, state: ChunkState, now: datetime, reason: str | None = None) -> None:
        """Keep that a running chunk is done or failed, or give it back as `PLANNED`, and why.

        What is owed still of one that ended is planned anew.
        """
        values = {"state": state, "is_over": state is not ChunkState.PLANNED, "now": to_epoch(now)}
        self._database.execute(_END, {"id": chunk_id, "reason": None if reason is None else text(reason), **values})

    def end_read(self, now: datetime) -> int:
        """End those that wait in folders where nothing is owed any more: somebody had it read at once. Gives how many."""
        if not self._database.rows(_HAS_READ)[0][0]:
            return 0
        return self._database.execute(_END_READ, {"now": to_epoch(now)}).rowcount

    def running(self) -> list[Chunk]:
        """Give the chunks that are in hand, the first begun first."""
        return self._all("SELECT * FROM chunks WHERE state = 'running' ORDER BY started_at, id")

    def planned(self, limit: int) -> list[Chunk]:
        """Give the chunks that wait, in the order in which they will be taken."""
        return self._all(
            "SELECT * FROM chunks WHERE state = 'planned' ORDER BY worth DESC, size_bytes DESC, id LIMIT ?", (limit,)
        )

    def latest(self, limit: int) -> list[Chunk]:
        """Give the chunks that ended, the last first."""
        return self._all(
            "SELECT * FROM chunks WHERE ended_at IS NOT NULL ORDER BY ended_at DESC, id DESC LIMIT ?", (limit,)
        )

    def count(self, state: ChunkState) -> int:
        """Count the chunks in this state."""
        return int(self._database.rows("SELECT count(*) FROM chunks WHERE state = ?", (state,))[0][0])

    def last_heard_at(self) -> datetime | None:
        """Tell when any chunk was last heard of, None where none was ever begun."""
        return from_epoch_or_none(self._database.rows("SELECT max(heard_at) AS heard_at FROM chunks")[0]["heard_at"])

    def bytes_per_second(self, device: str) -> float | None:
        """Give how fast one reader read this device lately, None before it was measured."""
        speed: float | None = self._database.rows(_SPEED, (device, _MEASURED))[0]["speed"]
        return speed or None

    def recover(self) -> int:
        """At start: plan again what was running when the daemon died, count it, tell how many there were."""
        return self._database.execute(_RECOVER).rowcount

    def prune(self, before: datetime) -> int:
        """Forget those that ended before this time or before the last thousand, and plans for folders no longer configured."""
        return self._database.execute(_PRUNE, (to_epoch(before), KEPT)).rowcount

    def _keep(self, rows: Iterable[tuple[object, ...]]) -> None:
        with self._database.transaction():
            for row in rows:
                self._database.execute(_INSERT, row)

    def _is_over(self, began_at: float, limits: ChunkLimits) -> bool:
        return limits.analysis_seconds is not None and self._monotonic() - began_at >= limits.analysis_seconds

    def _plans(
        self, device: str, folder_ids: Collection[str], limits: ChunkLimits, is_over: Callable[[], bool]
    ) -> list[ChunkPlan]:
        taken = {file_id for chunk in self.running() for file_id in chunk.file_ids}
        if limits.is_fast_start:
            free = [each for each in folder_ids if self._standing(each)["worth"] is None]
            found = (first_chunk(self._database, each, taken, limits) for each in free)
            return [plan for plan in found if plan is not None]
        ids = [each for folder_id in folder_ids for each in self._unplanned(folder_id) if each not in taken]
        return cut(owed_files(self._database, ids, is_over), limits, self.bytes_per_second(device)) if ids else []

    def _unplanned(self, folder_id: str) -> Collection[int]:
        standing = self._standing(folder_id)
        if standing["worth"] is None:
            return all_owed(self._database, folder_id)
        return newcomers(self._database, folder_id, standing["newest_id"], priority_of(standing["worth"]))

    def _standing(self, folder_id: str) -> sqlite3.Row:
        return self._database.rows(_STANDING, (folder_id,))[0]

    def _begin(self, chunk: Chunk, device: str, now: datetime) -> Chunk | None:
        """Mark it running, with what of it is done already; None where another worker has it by now."""
        unread = self._unread(chunk)
        done_bytes = max(0, chunk.size_bytes - sum(size_bytes for _, size_bytes in unread))
        done = (chunk.file_count - len(unread), big(done_bytes))
        row = self._database.rows(_START, (device, to_epoch(now), *done, chunk.id))
        return _chunk_from(row[0]) if row else None

    def _unread(self, chunk: Chunk) -> list[tuple[int, int]]:
        rows = self._database.rows(_UNREAD, (id_list(chunk.file_ids), chunk.folder_id))
        return [(row["id"], from_big(row["size_bytes"])) for row in rows]

    def _all(self, sql: str, parameters: Parameters = ()) -> list[Chunk]:
        return [_chunk_from(row) for row in self._database.rows(sql, parameters)]


def _columns_of(device: str, plan: ChunkPlan) -> tuple[object, ...]:
    ids = plan.file_ids
    return (plan.folder_id, device, plan.directory, len(ids), big(plan.size_bytes), plan.worth, max(ids))


def _chunk_from(row: sqlite3.Row) -> Chunk:
    ids = cast("list[int]", unpack(row["file_ids"])) if row["file_ids"] else []
    return Chunk(
        id=row["id"],
        folder_id=row["folder_id"],
        device=row["device"],
        directory=row["directory"],
        file_ids=tuple(ids),
        file_count=row["file_count"],
        size_bytes=from_big(row["size_bytes"]),
        worth=row["worth"],
        state=ChunkState(row["state"]),
        planned_at=from_epoch(row["planned_at"]),
        attempts=row["attempts"],
        started_at=from_epoch_or_none(row["started_at"]),
        heard_at=from_epoch_or_none(row["heard_at"]),
        ended_at=from_epoch_or_none(row["ended_at"]),
        busy_seconds=row["busy_seconds"],
        earlier_bytes=from_big(row["earlier_bytes"]),
        done_files=row["done_files"],
        done_bytes=from_big(row["done_bytes"]),
        failed_files=row["failed_files"],
        reason=row["reason"],
    )
