"""A clock that tests turn by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class FakeClock:
    """Stands still until `advance`; `sleep` advances it and remembers how long."""

    def __init__(self, now: datetime = datetime(2026, 8, 8, 12, tzinfo=UTC)) -> None:
        self._start = now
        self._elapsed_seconds = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        """Give the time set."""
        return self._start + timedelta(seconds=self._elapsed_seconds)

    def monotonic(self) -> float:
        """Give the seconds advanced."""
        return self._elapsed_seconds

    def advance(self, seconds: float) -> None:
        """Turn the clock forward."""
        self._elapsed_seconds += seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.slept.append(seconds)
        self.advance(seconds)
