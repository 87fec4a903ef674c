"""Pace: how much of what it may be read a second each device has used up, whoever of its readers used it."""

from __future__ import annotations

import threading


class Pace:
    """Bytes are paid for after they were read: nobody goes on before the time is over that they stand for."""

    def __init__(self) -> None:
        self._paid_until: dict[str, float] = {}
        self._lock = threading.Lock()

    def pay(self, device: str, count_bytes: int, bytes_per_second: float, now: float) -> None:
        """Take note that so much was read; `now` is monotonic. What was not used earlier is not saved up."""
        with self._lock:
            since = max(self._paid_until.get(device, now), now)
            self._paid_until[device] = since + count_bytes / bytes_per_second

    def seconds_left(self, device: str, now: float) -> float:
        """Give how long nothing more may be read, 0 where it may."""
        with self._lock:
            return max(0.0, self._paid_until.get(device, now) - now)
