"""Progress of bulk work: how fast it goes, since when it stands still, and when it may be done."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

STALLED_AFTER = timedelta(seconds=60)
"""Without a byte for so long work stands still, whatever it says of itself."""

MEMORY_SECONDS = 900.0
"""How far back an average reaches: what is older counts for a third, and for less and less."""

LONGEST = timedelta(days=30)
"""Nobody is told a time left that is longer: it would be wrong."""

MOST_SPANS = 1000
"""So many openings and closings of windows are looked ahead; there are no more of them in `LONGEST` that a person would write."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many files were read in full, how many are owed, and their bytes; what is missing or not whole counts for neither."""

    read_files: int = 0
    read_bytes: int = 0
    owed_files: int = 0
    owed_bytes: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Give both together."""
        return Tally(
            self.read_files + other.read_files,
            self.read_bytes + other.read_bytes,
            self.owed_files + other.owed_files,
            self.owed_bytes + other.owed_bytes,
        )

    @property
    def files(self) -> int:
        """All files, read or owed."""
        return self.read_files + self.owed_files

    @property
    def size_bytes(self) -> int:
        """All bytes, read or owed."""
        return self.read_bytes + self.owed_bytes


class Speed:
    """Bytes a second as a moving average. Time in which nothing may be read is not noted."""

    def __init__(self) -> None:
        self._bytes = 0.0
        self._seconds = 0.0

    def note(self, gained_bytes: int, seconds: float) -> None:
        """Take in what was read since the last time; nothing that goes backwards counts."""
        fading = math.exp(-max(0.0, seconds) / MEMORY_SECONDS)
        self._bytes = self._bytes * fading + max(0, gained_bytes)
        self._seconds = self._seconds * fading + max(0.0, seconds)

    @property
    def bytes_per_second(self) -> float | None:
        """The average, None where nothing was read yet."""
        return self._bytes / self._seconds if self._bytes > 0 and self._seconds > 0 else None


def stalled_since(moved_at: datetime | None, now: datetime) -> datetime | None:
    """Give since when no byte came, None where that is not long ago."""
    return moved_at if moved_at is not None and now - moved_at >= STALLED_AFTER else None


def time_for(size_bytes: float, bytes_per_second: float | None) -> timedelta | None:
    """Give how long so many bytes take, and never more than a calendar can hold; None where nobody can tell."""
    if size_bytes <= 0:
        return timedelta(0)
    if not bytes_per_second:
        return None
    return timedelta(seconds=min(size_bytes / bytes_per_second, 100 * LONGEST.total_seconds()))


@dataclass(frozen=True, slots=True)
class Forecast:
    """When work may be done: None beyond `LONGEST`. `spans`: in so many stretches, where it has leave at times only."""

    finish_at: datetime | None
    spans: int = 1


def forecast(
    work: timedelta,
    now: datetime,
    is_held: Callable[[datetime], bool],
    next_change: Callable[[datetime], datetime | None],
) -> Forecast:
    """Lay `work` into the times in which it has leave, as the calendar stands, from `now` on."""
    moment, left, spans, was_held = now, work, 0, True
    for _ in range(MOST_SPANS):
        held = is_held(moment)
        spans += was_held and not held
        was_held = held
        change = next_change(moment)
        if not held and (change is None or moment + left <= change):
            finish_at = moment + left
            return Forecast(finish_at if finish_at - now <= LONGEST else None, spans)
        if change is None or change - now > LONGEST:
            break
        left -= timedelta(0) if held else change - moment
        moment = change
    return Forecast(None, spans)


class Phase(StrEnum):
    """What is going on. Folders are walked and compared, files read for the first time or once more; or all of it waits."""

    WALKING = "walking"
    READING = "reading"
    VERIFYING = "verifying"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class FileInHand:
    """A file that is being read, perhaps once more; `path` is within its folder and fit for eyes.

    `is_bulk`: nobody dropped it or asked for it, so that it needs leave.
    """

    file_id: int
    folder_id: str
    path: str
    size_bytes: int
    done_bytes: int = 0
    is_verified: bool = False
    is_bulk: bool = False
    time_left: timedelta | None = None


@dataclass(frozen=True, slots=True)
class DeviceProgress:
    """How the reading of one device goes. `moved_at`: when the last byte came, None while nothing of it is or may be read.

    `done_bytes` were read of files that are not done yet; they are no part of `owed_bytes`.
    """

    device: str
    owed_bytes: int
    done_bytes: int = 0
    bytes_per_second: float | None = None
    moved_at: datetime | None = None
    files: tuple[FileInHand, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How bulk work goes, as of `told_at`. `held`: why folders wait. `forecast` is None where nobody can tell.

    `seen_files`: how many files the walks that go on have come past. Questions are those owed to Civitai, `asked` the tasks
    that are being asked about, in batches.
    """

    told_at: datetime
    phase: Phase
    tally: Tally
    seen_files: int = 0
    walk_moved_at: datetime | None = None
    devices: tuple[DeviceProgress, ...] = ()
    forecast: Forecast | None = None
    held: dict[str, str] = field(default_factory=dict)
    held_until: datetime | None = None
    questions: int = 0
    asked: int = 0

    @property
    def done_bytes(self) -> int:
        """How much is read in all, of files that are not done yet too."""
        return self.tally.read_bytes + sum(device.done_bytes for device in self.devices)

    def stalled_since(self, now: datetime) -> datetime | None:
        """Give since when a device, or a walk, gives nothing any more; the longest. Also where nobody tells of it any more."""
        moved = [device.moved_at for device in self.devices if device.files]
        standing = [stalled_since(each, now) for each in (*moved, self.walk_moved_at)]
        return (
            min((each for each in standing if each is not None), default=None)
            if self.phase is not Phase.PAUSED
            else None
        )
