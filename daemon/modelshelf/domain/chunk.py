"""A Chunk: files of one folder that are read deep together, and how far that has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

STALLED_AFTER = timedelta(seconds=60)
"""A chunk that is read says so every few seconds; one that was not heard for so long hangs, or its disk does."""

OUTPUTS = "outputs"
"""The directory below the state's in which the whole output of a reader that died is kept, a file each."""


class ChunkState(StrEnum):
    """Where a chunk stands. `done` means settled: single files of it may have failed, and are counted."""

    PLANNED = "planned"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """How large a chunk may be; a single file above the bytes is a chunk of its own.

    `share` is that of all bytes that are owed on the device: where no chunk has more than a sixtieth, four workers are done
    within 5 % of the time that is possible at best (three of them wait for the last chunk at most). `seconds` is what a chunk
    may take at the speed measured there. Neither makes chunks smaller than `least_bytes`.

    `is_fast_start`: by count and bytes alone, one chunk at a time in the order of the paths, so that the first is read at
    once. After `analysis_seconds` what was looked at so far is planned, the rest later.
    """

    size_bytes: int = 100_000_000_000
    files: int = 5_000
    share: float = 1 / 60
    seconds: float = 900.0
    least_bytes: int = 128_000_000
    is_fast_start: bool = False
    analysis_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A row of the journal. `directory` is relative to the folder and holds all its files, at whatever depth.

    `done_files` and `done_bytes` are settled, `failed_files` among them. `attempts` counts how often the daemon died with it
    in hand. `busy_seconds` leaves out the time that it was held, `earlier_bytes` were done before it was last begun. `reason`
    says why it is held, or why it failed. `file_ids` are forgotten once it is done, `file_count` stays.
    """

    id: int
    folder_id: str
    device: str
    directory: bytes
    file_ids: tuple[int, ...]
    file_count: int
    size_bytes: int
    worth: int
    state: ChunkState
    planned_at: datetime
    attempts: int = 0
    started_at: datetime | None = None
    heard_at: datetime | None = None
    ended_at: datetime | None = None
    busy_seconds: float = 0.0
    earlier_bytes: int = 0
    done_files: int = 0
    done_bytes: int = 0
    failed_files: int = 0
    reason: str | None = None

    @property
    def bytes_per_second(self) -> float | None:
        """How fast it is or was read, None before there is anything to tell."""
        return (self.done_bytes - self.earlier_bytes) / self.busy_seconds if self.busy_seconds > 0 else None

    def is_stalled(self, now: datetime) -> bool:
        """Tell whether it should be read and nothing was heard of it for a minute; one that is held is not stalled."""
        if self.state is not ChunkState.RUNNING or self.heard_at is None or self.reason is not None:
            return False
        return now - self.heard_at >= STALLED_AFTER
