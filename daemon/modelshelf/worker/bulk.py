"""Bulk: what a disk's worker reads when nobody waits for it, in chunks, by a reader of its own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from modelshelf.domain.task import Lane, Priority
from modelshelf.errors import ReaderDied, ReaderLost, TransientError
from modelshelf.logs import get_log
from modelshelf.steps.step import Failed, Interrupted
from modelshelf.worker.chunk_run import ChunkRun

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from modelshelf.domain.task import Task
    from modelshelf.steps.step import Outcome
    from modelshelf.worker.hall import Hall
    from modelshelf.worker.reader import Reader

log = get_log(__name__)

PAUSE_SECONDS = 5.0
"""After no reader could be had."""


class DiskBulk:
    """Takes turns for one worker: what has a row first, then chunks, and what is only to be verified last."""

    def __init__(
        self, hall: Hall, device: str, work_off: Callable[[list[Task]], bool], is_dismissed: Callable[[], bool]
    ) -> None:
        """`work_off` has tasks performed and recorded, False where it was cut off."""
        self.device = device
        self.work_off = work_off
        self.failed_files = 0
        self._hall = hall
        self._is_dismissed = is_dismissed
        self._reader: Reader | None = None
        self._run: ChunkRun | None = None
        self._none_before = -math.inf

    @property
    def is_dismissed(self) -> bool:
        """Whether it is to be given back at the next occasion."""
        return self._is_dismissed()

    @property
    def is_reading(self) -> bool:
        """Whether there is a reader, who does nothing between turns."""
        return self._reader is not None

    @property
    def is_without_reader(self) -> bool:
        """Whether none could be had, a moment ago."""
        return self._hall.clock.monotonic() < self._none_before

    def turn(self, now: datetime, folder_ids: Collection[str]) -> bool:
        """Work off one batch of tasks, or one chunk; False where nothing was due or may be read now."""
        self.put_down()
        free = self._hall.leave.free(folder_ids, now)
        if not free or self.is_without_reader:
            return False
        return (
            self._turn_tasks(now, free, Priority.VERIFY + 1)
            or self._turn_chunk(now, free)
            or self._turn_tasks(now, free, Priority.VERIFY)
        )

    def _turn_tasks(self, now: datetime, free: Collection[str], least: int) -> bool:
        tasks = self._hall.store.journal.claim_bulk(now, free, least=least)
        return self.work_off(tasks)

    def _turn_chunk(self, now: datetime, free: Collection[str]) -> bool:
        chunks = self._hall.store.chunks
        chunks.plan(self.device, free, self._hall.chunk_limits, now)
        chunk = chunks.next(self.device, free, now)
        if chunk is None:
            return False
        self._run = ChunkRun(self._hall, self, chunk)
        try:
            self._run.work_off()
        finally:
            self.put_down()
        return True

    def put_down(self) -> None:
        """See that the chunk worked off last is recorded as ended; one that stayed in hand would never be read to its end."""
        if self._run is not None:
            self._run.put_down()
            self._run = None

    def owes_elsewhere(self) -> bool:
        """Tell whether there is something to read now in a folder of the device that has leave."""
        now, folder_ids = self._hall.clock.now(), self._hall.lanes.folders_on(self.device)
        return self._hall.store.journal.owes_bulk(now, self._hall.leave.free(folder_ids, now))

    def idle_seconds(self, now: datetime, folder_ids: Collection[str]) -> float | None:
        """Give after how long there may be something to read, should no bell ring before; None for never."""
        free = self._hall.leave.free(folder_ids, now)
        due_at = self._hall.store.journal.next_bulk_at(free) if free else None
        seconds = [] if due_at is None else [(due_at - now).total_seconds()]
        change_at = self._hall.leave.next_change(now) if len(free) < len(folder_ids) else None
        if change_at is not None:
            seconds.append((change_at - now).total_seconds())
        if self.is_without_reader:
            return max([self._none_before - self._hall.clock.monotonic(), *seconds[:1]])
        return min(seconds, default=None)

    def reader(self, check: Callable[[], None]) -> Reader:
        """Give who reads, ready to; Interrupted where nobody can just now, which is no fault of any file.

        `check` is called while that is seen to, and what it raises passes through.
        """
        if self._reader is None:
            self._reader = self._hall.new_reader()
        try:
            self._reader.open(check)
        except ReaderLost as error:
            log.warning("reader_not_started", device=self.device, reason=str(error))
            self._none_before = self._hall.clock.monotonic() + PAUSE_SECONDS
            raise Interrupted from error
        return self._reader

    def close(self) -> None:
        """Let the reader go."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def let_drops_by(self) -> None:
        """Do what somebody waits for, here and now; a journal that refuses it costs the file in hand nothing."""
        now, folder_ids = self._hall.clock.now(), self._hall.lanes.folders_on(self.device)
        try:
            self.work_off(self._hall.store.journal.claim(Lane.DISK, now, folder_ids, least=Priority.DROP))
        except TransientError as error:
            log.warning("journal_not_written", reason=str(error))

    def note(self, task: Task, done_bytes: int, held_reason: str | None) -> None:
        """Take note of how far a file was read, and why it is not read on."""
        if self._run is not None:
            self._run.note(task, done_bytes, held_reason)

    def sifted(self, outcomes: Sequence[Outcome[Any]]) -> list[Outcome[Any]]:
        """Leave out the files that ended a reader for the first time: they are read once more, by a fresh one, and last."""
        return [each for each in outcomes if not self._is_spared(each)]

    def _is_spared(self, outcome: Outcome[Any]) -> bool:
        task, in_vain = outcome.task, self._hall.read_in_vain
        error = outcome.error if isinstance(outcome, Failed) else None
        if isinstance(error, ReaderDied | ReaderLost) and task.subject not in in_vain:
            in_vain.add(task.subject)
            log.warning("reader_died", kind=task.kind, subject=task.subject, reason=str(error))
            return True
        in_vain.discard(task.subject)
        self.failed_files += error is not None
        return False
