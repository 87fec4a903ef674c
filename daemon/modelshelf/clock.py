"""What time it is: the wall for calendars and records, a monotonic counter for delays. Handed in, so tests can turn it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


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
