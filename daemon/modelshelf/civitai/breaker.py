"""What is not asked for a while: an endpoint that fails again and again, and what the server forbids."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.civitai.answers import NotAsked
from modelshelf.civitai.vitals import Trouble
from modelshelf.errors import CivitaiForbids, CivitaiRateLimited, CivitaiRefused, CivitaiUnavailable
from modelshelf.logs import get_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from modelshelf.civitai.settings import BreakerSettings
    from modelshelf.clock import Clock
    from modelshelf.errors import ModelshelfError

log = get_log(__name__)

FORBIDDEN_SECONDS = 24 * 3600.0
"""A blocked region or a refused key is mended by people and laws: asked again once a day, by a new client, and where a
person says so."""


@dataclass(frozen=True, slots=True)
class _Opening:
    """Why nothing goes through, since when, and until when: by the wall and, what counts, monotonic."""

    reason: str
    since: datetime
    again_at: datetime
    until: float
    is_forbidden: bool


class Breaker:
    """Lets questions to one endpoint through until it has failed `failure_threshold` times in a row.

    Then they are refused for `reset_seconds`, after which a single one may try (half-open): its success lets all through
    again, its failure begins the time anew, and where nothing is heard of it the next one tries after `probe_seconds`. The
    lock is held while looking only, never while a question is under way.
    """

    def __init__(self, endpoint: str, settings: BreakerSettings, clock: Clock, probe_seconds: float) -> None:
        self.endpoint = endpoint
        self._settings = settings
        self._clock = clock
        self._probe_seconds = probe_seconds
        self._lock = threading.Lock()
        self._failures_in_a_row = 0
        self._opening: _Opening | None = None

    @property
    def trouble(self) -> Trouble | None:
        """What keeps questions from this endpoint now, None for nothing."""
        opening = self._opening
        if opening is None:
            return None
        return Trouble(
            self.endpoint, opening.reason, opening.since, opening.again_at, is_forbidden=opening.is_forbidden
        )

    @contextmanager
    def passage(self) -> Iterator[None]:
        """Ask within; CivitaiUnavailable or CivitaiForbids at once where that is pointless now.

        What comes of it decides what the next one meets. A refusal of one question, a miss among them, is an answer.
        """
        self.admit()
        try:
            yield
        except (NotAsked, CivitaiRateLimited):
            raise  # says nothing about the endpoint's health
        except CivitaiUnavailable as error:
            self._count(error)
            raise
        except CivitaiRefused:
            if self._opening is None or not self._opening.is_forbidden:
                self.close()
            raise
        self.close()

    def admit(self) -> None:
        """Let a question through, or raise why not."""
        with self._lock:
            opening, now = self._opening, self._clock.monotonic()
            if opening is None:
                return
            if opening.until <= now:
                self._opening = replace(opening, until=now + self._probe_seconds)
                return
        raise _refusal(opening, opening.until - now)

    def forbid(self, error: CivitaiForbids) -> None:
        """Let nothing through for a day: the server forbids it, whoever asks. Those that are told so wait as long."""
        error.retry_after_seconds = FORBIDDEN_SECONDS
        if self._open(str(error), FORBIDDEN_SECONDS, is_forbidden=True):
            log.warning("civitai_refused", endpoint=self.endpoint, reason=str(error))

    def ask_again(self) -> None:
        """Let a single question try at once: a person has seen to what kept it from being answered, or says so."""
        with self._lock:
            if self._opening is not None:
                self._opening = replace(self._opening, again_at=self._clock.now(), until=self._clock.monotonic())

    def close(self) -> None:
        """Let everything through: it answers."""
        with self._lock:
            opening, self._opening, self._failures_in_a_row = self._opening, None, 0
        if opening is not None:
            log.info("civitai_came_back", endpoint=self.endpoint)

    def _count(self, error: CivitaiUnavailable) -> None:
        with self._lock:
            self._failures_in_a_row += 1
            is_enough = self._opening is not None or self._failures_in_a_row >= self._settings.failure_threshold
        if is_enough and self._open(str(error), self._settings.reset_seconds, is_forbidden=False):
            log.warning("civitai_left_alone", endpoint=self.endpoint, reason=str(error))

    def _open(self, reason: str, seconds: float, *, is_forbidden: bool) -> bool:
        """Begin or begin anew, and tell whether it is news."""
        with self._lock:
            before = self._opening
            is_new = before is None or before.is_forbidden is not is_forbidden
            now = self._clock.now()
            since = now if before is None or is_new else before.since
            again_at, until = now + timedelta(seconds=seconds), self._clock.monotonic() + seconds
            self._opening = _Opening(reason, since, again_at, until, is_forbidden)
            return is_new


def _refusal(opening: _Opening, left_seconds: float) -> ModelshelfError:
    if opening.is_forbidden:
        hours = left_seconds / 3600
        text = f"{opening.reason}; asked again in {hours:.0f} hours, or after modelshelf retry --kind api"
        return CivitaiForbids(text, retry_after_seconds=left_seconds)
    return NotAsked(
        f"not asked for {left_seconds:.0f} more seconds, for it failed again and again: {opening.reason}",
        retry_after_seconds=left_seconds,
    )
