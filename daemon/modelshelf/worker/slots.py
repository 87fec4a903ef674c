"""Slots: how many readers a device is worth, learned by measuring, for what the kernel says of a disk is often wrong."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RISE = 1.15
"""One reader more has to make so much of it."""

FAST_BYTES_PER_SECOND = 300_000_000
"""No spinning disk and no gigabit network reaches that. What is slower is not tried with two: they would hold each other up."""

MOST_READERS = 4
MEASURED_SECONDS = 0.5
"""So long so many readers must have read before it counts."""

REMEMBERED_SECONDS = 60.0


def slots_for(rates: Mapping[int, float], most: int) -> int:
    """Give how many readers to have, from the bytes a second that were measured with 1, 2, 3 ... of them together."""
    for count in range(1, most):
        if rates.get(count, 0.0) < FAST_BYTES_PER_SECOND:
            return count
        if count + 1 not in rates:
            return count + 1
        if rates[count + 1] <= RISE * rates[count]:
            return count
    return most


@dataclass(slots=True)
class _Measured:
    """What one reader of so many read, and in what time; older readings fade."""

    size_bytes: float = 0.0
    seconds: float = 0.0

    def add(self, size_bytes: int, seconds: float) -> None:
        fading = max(0.0, 1.0 - seconds / REMEMBERED_SECONDS)
        self.size_bytes = self.size_bytes * fading + size_bytes
        self.seconds = self.seconds * fading + seconds


class Speeds:
    """What was measured of each device since the start. `on_change` is called by whoever reads."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most or min(MOST_READERS, len(os.sched_getaffinity(0)))
        self._measured: defaultdict[str, defaultdict[int, _Measured]] = defaultdict(lambda: defaultdict(_Measured))
        self._readers: defaultdict[str, int] = defaultdict(int)
        self._lock = threading.Lock()
        self.on_change: Callable[[], object] | None = None

    def begin(self, device: str) -> None:
        """Take note that one more reads of it."""
        with self._lock:
            self._readers[device] += 1

    def end(self, device: str) -> None:
        """Take note that one does no more."""
        with self._lock:
            self._readers[device] -= 1

    def threads(self) -> int:
        """Give how many threads each of those who read now may use, for no core to have more than one to do."""
        with self._lock:
            readers = sum(self._readers.values())
        return max(1, len(os.sched_getaffinity(0)) // max(1, readers))

    def note(self, device: str, size_bytes: int, seconds: float) -> None:
        """Take note of what one of those who read of it now has read; `on_change` is called where that tells another number."""
        before = self.slots(device)
        with self._lock:
            self._measured[device][self._readers[device]].add(size_bytes, seconds)
        if self.on_change is not None and self.slots(device) != before:
            self.on_change()

    def slots(self, device: str) -> int:
        """Give how many are to read of a device at once."""
        with self._lock:
            rates = {
                count: count * each.size_bytes / each.seconds
                for count, each in self._measured[device].items()
                if each.seconds >= MEASURED_SECONDS
            }
        return slots_for(rates, self._most)
