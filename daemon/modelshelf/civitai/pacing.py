"""How fast requests may leave: a token bucket per endpoint, and one pause that all keep after the server asked for it."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.civitai.answers import NotAsked
from modelshelf.errors import CivitaiRateLimited
from modelshelf.logs import get_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from modelshelf.clock import Clock

log = get_log(__name__)

BURST_SECONDS = 10
"""A rested bucket holds this many seconds' worth of requests, so a dropped file need not wait for its turn."""

FIRST_PAUSE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 1800.0
"""How long to be quiet after a 429 that does not say: doubled each time, until something is answered again."""


class Pacing:
    """One per host. `rate_limit_per_minute` holds for each endpoint; None: only pauses are kept.

    `sleep` may return before its time, to end the waiting when the daemon stops; `close` is called before that.
    """

    def __init__(
        self, rate_limit_per_minute: int | None, clock: Clock, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._per_second = max(rate_limit_per_minute, 1) / 60 if rate_limit_per_minute is not None else None
        self._buckets: dict[str, _Bucket] = {}
        self._paused_until = clock.monotonic()
        self._shown_until = clock.now()
        self._untold_pauses = 0
        self._is_closed = False

    @property
    def paused_until(self) -> datetime | None:
        """When the pause ends that lasts now, None where none does."""
        return self._shown_until if self._paused_until > self._clock.monotonic() else None

    def take_turn(self, endpoint: str = "") -> None:
        """Wait until a request may leave; CivitaiRateLimited while a pause lasts, which is too long to sleep through.

        NotAsked once it is closed, for those that wait, too.
        """
        self.require_no_pause()
        delay_seconds = self._reserve(endpoint)
        if delay_seconds > 0:
            self._sleep(delay_seconds)
            self.require_no_pause()

    def pause(self, asked_seconds: float | None) -> float:
        """Let nothing leave for as long as the server asks, and give how long; a longer pause that lasts is not shortened.

        A server that asks for no time at all has not said how long. Several questions may have been under way when it said so:
        that counts once.
        """
        with self._lock:
            now = self._clock.monotonic()
            seconds = asked_seconds or self._untold_seconds(now)
            if now + seconds > self._paused_until:
                self._paused_until, self._shown_until = now + seconds, self._clock.now() + timedelta(seconds=seconds)
                log.warning("civitai_paused", seconds=round(seconds))
        return seconds

    def _untold_seconds(self, now: float) -> float:
        if self._paused_until > now:
            return self._paused_until - now
        self._untold_pauses += 1
        return min(FIRST_PAUSE_SECONDS * 2.0 ** min(self._untold_pauses - 1, 16), LONGEST_PAUSE_SECONDS)

    def relax(self) -> None:
        """Take note that something was answered: the next pause of unsaid length is a short one again."""
        self._untold_pauses = 0

    def close(self) -> None:
        """Let nothing leave any more."""
        self._is_closed = True

    def require_no_pause(self) -> None:
        """Raise CivitaiRateLimited while a pause lasts, NotAsked once it is closed."""
        if self._is_closed:
            raise NotAsked("not asked: modelshelf is about to stop or to read its configuration again")
        with self._lock:
            left_seconds = self._paused_until - self._clock.monotonic()
        if left_seconds > 0:
            raise CivitaiRateLimited(
                f"paused for {left_seconds:.0f} more seconds: the server asked to slow down",
                retry_after_seconds=left_seconds,
            )

    def _reserve(self, endpoint: str = "") -> float:
        """Take a token, on credit if there is none, and give the seconds until it is earned."""
        if self._per_second is None:
            return 0.0
        with self._lock:
            now = self._clock.monotonic()
            bucket = self._buckets.get(endpoint)
            if bucket is None:
                bucket = self._buckets[endpoint] = _Bucket(self._per_second, now)
            return bucket.take(now)


class _Bucket:
    """Tokens that are earned by and by; more than a burst of them spill over."""

    def __init__(self, per_second: float, now: float) -> None:
        self._per_second = per_second
        self._capacity = max(1.0, per_second * BURST_SECONDS)
        self._tokens = self._capacity
        self._counted_at = now

    def take(self, now: float) -> float:
        earned = (now - self._counted_at) * self._per_second
        self._tokens = min(self._capacity, self._tokens + earned) - 1
        self._counted_at = now
        return max(0.0, -self._tokens / self._per_second)
