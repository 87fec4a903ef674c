"""Restraint: reading in bulk pauses while the machine runs on its battery, is hot, or other programs wait for its disks."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelshelf.clock import Clock
    from modelshelf.shelf.pressure import Gauges

LOOK_SECONDS = 5.0
"""The gauges are looked at no oftener, and only while somebody asks."""

CALM_IO_SHARE = 20.0
"""In so many percent of the time some program may wait for a disk, and the machine still counts as calm."""

COOLER_BY = 5.0
"""So many degrees below its limit the machine is cool again."""

REST_SECONDS = 20.0
TRUST_SECONDS = 60.0
LONGEST_TRUST_SECONDS = 900.0
LONGEST_REST_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class RestraintLimits:
    """What reading pauses for; `max_io_share` is in percent of the time that some program waits. None: for nothing."""

    is_paused_on_battery: bool = True
    max_celsius: float | None = None
    max_io_share: float | None = None


class BackPressure:
    """Tells when reading rests for the sake of others that wait for disks.

    Reading in bulk makes pressure of its own, so pressure proves nothing as long as it goes on. It rests a while: what is gone
    by then was its own, and it goes on for longer and longer before it asks again. What is still there is somebody else's,
    and it rests on. It never rests for ever.
    """

    def __init__(self, max_io_share: float) -> None:
        self._limit = max_io_share
        self._resting_since: float | None = None
        self._trusted_until = 0.0
        self._trust_seconds = TRUST_SECONDS

    def is_resting(self, io_share: float, now: float) -> bool:
        """Tell whether to rest, by what is seen at a moment in monotonic seconds."""
        if self._resting_since is None:
            if io_share > self._limit and now >= self._trusted_until:
                self._resting_since = now
        elif now - self._resting_since >= LONGEST_REST_SECONDS:
            self._go_on(now, TRUST_SECONDS)
        elif now - self._resting_since >= REST_SECONDS and io_share <= self._limit / 2:
            self._go_on(now, min(2 * self._trust_seconds, LONGEST_TRUST_SECONDS))
        return self._resting_since is not None

    def _go_on(self, now: float, next_trust_seconds: float) -> None:
        self._resting_since = None
        self._trusted_until = now + self._trust_seconds
        self._trust_seconds = next_trust_seconds


class Restraint:
    """Says why reading in bulk must wait for the machine's sake. What a machine does not tell never holds anything."""

    def __init__(self, limits: RestraintLimits, gauges: Gauges, clock: Clock) -> None:
        self._limits = limits
        self._gauges = gauges
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at: float | None = None
        self._is_hot = False
        self._back_pressure = None if limits.max_io_share is None else BackPressure(limits.max_io_share)
        self._reason: str | None = None

    def reason(self) -> str | None:
        """Give why to wait, None where nothing stands against going on; the words stay the same while it lasts."""
        with self._lock:
            now = self._clock.monotonic()
            if self._looked_at is None or now - self._looked_at >= LOOK_SECONDS:
                self._looked_at = now
                self._reason = self._battery() or self._heat() or self._pressure(now)
            return self._reason

    def is_calm(self) -> bool:
        """Tell whether nothing stands against beginning what nobody waits for: the disks are at rest, too."""
        io_share = self._gauges.io_share()
        return self.reason() is None and (io_share is None or io_share <= CALM_IO_SHARE)

    def _battery(self) -> str | None:
        is_paused = self._limits.is_paused_on_battery and self._gauges.is_on_battery()
        return "paused: the machine runs on its battery" if is_paused else None

    def _heat(self) -> str | None:
        limit = self._limits.max_celsius
        celsius = None if limit is None else self._gauges.celsius()
        if limit is None or celsius is None:
            return None
        self._is_hot = celsius > (limit - COOLER_BY if self._is_hot else limit)
        return f"paused: the processor is hotter than {limit:g} °C" if self._is_hot else None

    def _pressure(self, now: float) -> str | None:
        io_share = None if self._back_pressure is None else self._gauges.io_share()
        if self._back_pressure is None or io_share is None or not self._back_pressure.is_resting(io_share, now):
            return None
        return "paused: other programs wait for the disks"
