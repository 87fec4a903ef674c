"""How fast requests may leave: a token bucket, and one pause that all threads keep after Civitai asked for it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from modelshelf.errors import CivitaiRateLimited, CivitaiUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelshelf.clock import Clock

BURST_SECONDS = 10
"""A rested bucket holds this many seconds' worth of requests, so a dropped file need not wait for its turn."""


class Pacing:
    """One per host. `rate_limit_per_minute` None: only pauses are kept.

    `sleep` may return before its time, to end the waiting when the daemon stops; `close` is called before that.
    """

    def __init__(
        self, rate_limit_per_minute: int | None, clock: Clock, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._per_second = max(rate_limit_per_minute, 1) / 60 if rate_limit_per_minute is not None else None
        self._capacity = max(1.0, (self._per_second or 0.0) * BURST_SECONDS)
        self._tokens = self._capacity
        self._counted_at = clock.monotonic()
        self._paused_until = self._counted_at
        self._is_closed = False

    def take_turn(self) -> None:
        """Wait until a request may leave; CivitaiRateLimited while a pause lasts, which is too long to sleep through.

        CivitaiUnavailable once it is closed, for those that wait, too.
        """
        self._refuse_while_paused()
        delay_seconds = self._reserve()
        if delay_seconds > 0:
            self._sleep(delay_seconds)
            self._refuse_while_paused()

    def pause(self, seconds: float) -> None:
        """Let nothing leave for `seconds`; a longer pause that already lasts is not shortened."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    def close(self) -> None:
        """Let nothing leave any more."""
        self._is_closed = True

    def _refuse_while_paused(self) -> None:
        if self._is_closed:
            raise CivitaiUnavailable("not asked: modelshelf is about to stop or to read its configuration again")
        with self._lock:
            left_seconds = self._paused_until - self._clock.monotonic()
        if left_seconds > 0:
            raise CivitaiRateLimited(
                f"paused for {left_seconds:.0f} more seconds: the server asked to slow down",
                retry_after_seconds=left_seconds,
            )

    def _reserve(self) -> float:
        """Take a token, on credit if there is none, and give the seconds until it is earned."""
        if self._per_second is None:
            return 0.0
        with self._lock:
            now = self._clock.monotonic()
            earned = (now - self._counted_at) * self._per_second
            self._tokens = min(self._capacity, self._tokens + earned) - 1
            self._counted_at = now
            return max(0.0, -self._tokens / self._per_second)
