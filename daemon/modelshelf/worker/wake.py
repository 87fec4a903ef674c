"""A bell: workers sleep until new work is added, with no polling in between."""

from __future__ import annotations

import threading


class Bell:
    """Counts its rings, so that one which comes between a look and a wait is never missed."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rings = 0

    @property
    def rings(self) -> int:
        """How often it rang so far."""
        with self._condition:
            return self._rings

    def ring(self) -> None:
        """Wake everyone."""
        with self._condition:
            self._rings += 1
            self._condition.notify_all()

    def wait(self, heard: int, timeout_seconds: float | None) -> None:
        """Sleep until it has rung more often than `heard`, or the time is over (None: for ever)."""
        with self._condition:
            self._condition.wait_for(lambda: self._rings != heard, timeout_seconds)
