"""One chunk worked off: its files a few at a time, each batch inspected, hashed and recorded before the next is begun."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from modelshelf.domain.chunk import ChunkState
from modelshelf.domain.task import Priority, TaskKind
from modelshelf.errors import TransientError
from modelshelf.logs import get_log
from modelshelf.steps.step import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modelshelf.domain.chunk import Chunk
    from modelshelf.domain.task import Task
    from modelshelf.worker.hall import Hall

log = get_log(__name__)

BATCH_FILES = 32
BATCH_BYTES = 256 * 1024 * 1024
"""So much is read before it is recorded: what a kill may cost, and for how long a window that closes is not heeded."""

NOTE_SECONDS = 5.0
"""How often a chunk says that it lives."""


class Worked(Protocol):
    """Who works it off."""

    work_off: Callable[[list[Task]], bool]
    failed_files: int

    @property
    def device(self) -> str:
        """The device that is read."""

    @property
    def is_dismissed(self) -> bool:
        """Whether it is to be given back at the next occasion."""

    @property
    def is_without_reader(self) -> bool:
        """Whether nobody can read just now."""


class ChunkRun:
    """Runs until the chunk is read or has to be put down; `put_down` records which of them it was."""

    def __init__(self, hall: Hall, worked: Worked, chunk: Chunk) -> None:
        self._hall = hall
        self._worked = worked
        self._chunk = chunk
        self._done_files = chunk.done_files
        self._done_bytes = chunk.done_bytes
        self._reading: dict[int, int] = {}
        self._held_reason: str | None = None
        self._is_told = True
        self._noted_at = hall.clock.monotonic()
        self._end: tuple[ChunkState, str | None] = (ChunkState.PLANNED, "cut off")
        worked.failed_files = 0

    def work_off(self) -> None:
        """Read what of it is owed still, batch by batch; what ended a reader is read once more at the end."""
        self._hall.speeds.begin(self._worked.device)
        try:
            reason = self._read_all()
        finally:
            self._hall.speeds.end(self._worked.device)
        self._end = (ChunkState.DONE, None) if reason is None else (ChunkState.PLANNED, reason)

    def put_down(self) -> None:
        """Record that it is done, or waits again, and why."""
        state, reason = self._end
        chunks, now = self._hall.store.chunks, self._hall.clock.now()
        with suppress(Interrupted), self._hall.transaction():
            self._keep(None)
            chunks.end(self._chunk.id, state, now, reason)

    def _read_all(self) -> str | None:
        """Give why it is put down before its end, None at its end."""
        for batch in self._batches():
            began_at = self._hall.clock.monotonic()
            self._read(batch)
            if (reason := self._hindrance()) is not None:
                return reason
            self._count(batch, self._hall.clock.monotonic() - began_at)
        self._read_again()
        return self._hindrance()

    def _batches(self) -> Iterator[dict[int, int]]:
        """Give the files that are owed, with their sizes."""
        batch: dict[int, int] = {}
        for file_id in self._hall.store.chunks.unread(self._chunk):
            file = self._hall.store.files.get(file_id)
            size_bytes = file.fingerprint.size_bytes if file is not None else 0
            if batch and (len(batch) >= BATCH_FILES or sum(batch.values()) + size_bytes > BATCH_BYTES):
                yield batch
                batch = {}
            batch[file_id] = size_bytes
        if batch:
            yield batch

    def _read(self, batch: dict[int, int]) -> None:
        journal = self._hall.store.journal
        for kind in (TaskKind.INSPECT_FILE, TaskKind.HASH_FILE):
            self._worked.work_off(journal.claim_files(kind, batch))

    def _count(self, batch: dict[int, int], seconds: float) -> None:
        device, now = self._worked.device, self._hall.clock.now()
        if self._hall.leave.allowance(device, now) is None:
            self._hall.speeds.note(device, sum(batch.values()), seconds)
        self._reading.clear()
        self._done_files += len(batch)
        self._done_bytes += sum(batch.values())
        self._tell(None)

    def _read_again(self) -> None:
        """Read the files that ended a reader; whichever do so again are given up by the worker."""
        suspects = {str(each) for each in self._chunk.file_ids}
        while suspects & self._hall.read_in_vain and self._hindrance() is None:
            left = len(suspects & self._hall.read_in_vain)
            now, folder_ids = self._hall.clock.now(), [self._chunk.folder_id]
            self._worked.work_off(self._hall.store.journal.claim_bulk(now, folder_ids, least=Priority.VERIFY))
            if len(suspects & self._hall.read_in_vain) >= left:
                return

    def _hindrance(self) -> str | None:
        """Give why nothing more of it may be read now."""
        hall, folder_id = self._hall, self._chunk.folder_id
        if hall.stopping.is_set() or self._worked.is_dismissed:
            return "cut off"
        if self._worked.is_without_reader:
            return "there is nobody to read it"
        if folder_id not in hall.lanes.folders_on(self._worked.device):
            return "its folder is away"
        return hall.leave.held([folder_id], hall.clock.now()).get(folder_id)

    def note(self, task: Task, done_bytes: int, held_reason: str | None) -> None:
        """Take note of how far the file in hand was read; the journal is told every few seconds, and at once what holds it."""
        self._reading[task.id] = done_bytes
        is_late = self._hall.clock.monotonic() - self._noted_at >= NOTE_SECONDS
        if (is_late and (held_reason is None or not self._is_told)) or held_reason != self._held_reason:
            self._tell(held_reason)

    def _tell(self, held_reason: str | None) -> None:
        """Say how far it has come; where the journal refuses that it is said again later, and costs the file in hand nothing."""
        self._held_reason = held_reason
        self._noted_at = self._hall.clock.monotonic()
        self._is_told = False
        try:
            self._keep(held_reason)
            self._is_told = True
        except TransientError as error:
            log.warning("journal_not_written", reason=str(error))

    def _keep(self, held_reason: str | None) -> None:
        self._hall.store.chunks.note(
            self._chunk.id,
            self._hall.clock.now(),
            done_files=self._done_files,
            done_bytes=min(self._done_bytes + sum(self._reading.values()), self._chunk.size_bytes),
            failed_files=self._worked.failed_files,
            held_reason=held_reason,
        )
