"""What time it is: the wall for calendars and records, a monotonic counter for delays. Handed in, so tests can turn it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
_LATEST = datetime(9999, 12, 30, tzinfo=UTC)


def moment_of(nanoseconds: int) -> datetime:
    """Give the time of a file's mtime; one that no calendar knows becomes the nearest day that it does."""
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    except (OverflowError, ValueError, OSError):
        return _EARLIEST if nanoseconds < 0 else _LATEST


class Clock(Protocol):
    """The two times that modelshelf asks for."""

    def now(self) -> datetime:
        """Give the wall clock's time, aware and in UTC."""

    def monotonic(self) -> float:
        """Give seconds that never go backwards."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Give the wall clock's time, aware and in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give seconds that never go backwards."""
        return time.monotonic()
