"""What follows from an error: try again later, give up with a reason, or forget the task."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from modelshelf.errors import (
    CivitaiForbids,
    CivitaiUnavailable,
    DiskFull,
    FileChanged,
    FileGone,
    FolderOffline,
    ModelshelfError,
    PermanentError,
    TransientError,
    UsageError,
    WorkStopped,
)

FIRST_DELAY_SECONDS = 5.0
LONGEST_DELAY_SECONDS = 3600.0
MAX_ATTEMPTS = 8
"""How often something that may come right is tried before a person is told that it does not."""

_NEVER_GIVEN_UP = (CivitaiUnavailable, FolderOffline, DiskFull, FileChanged)
"""Outages end: work that waits for a server, a mount, space or a writer is owed until it succeeds."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Queue the task again, due at this time."""

    due_at: datetime


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Keep the task as failed, with its reason, until a person says `retry`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Drop the task: what it was about is gone, and the scan will say so."""


Decision: TypeAlias = RetryAt | GiveUp | Forget


def decide(error: ModelshelfError, attempts: int, now: datetime, chance: float) -> Decision:
    """Decide from the error and how often the task failed before; `chance` in [0, 1) spreads retries by +-20 %."""
    if isinstance(error, FileGone | WorkStopped):
        return Forget()
    if isinstance(error, CivitaiForbids):
        return RetryAt(now + timedelta(seconds=max(LONGEST_DELAY_SECONDS, error.retry_after_seconds or 0.0)))
    if isinstance(error, PermanentError | UsageError):
        return GiveUp(str(error))
    if attempts + 1 >= MAX_ATTEMPTS and not isinstance(error, _NEVER_GIVEN_UP):
        return GiveUp(f"{error} (tried {attempts + 1} times)")
    return RetryAt(now + timedelta(seconds=delay_seconds(error, attempts, chance)))


def delay_seconds(error: ModelshelfError, attempts: int, chance: float) -> float:
    """Give the wait before the next try: doubled each time, never shorter than what the other side asked for."""
    first = (error.first_delay_seconds if isinstance(error, CivitaiUnavailable) else None) or FIRST_DELAY_SECONDS
    backoff = min(first * 2.0 ** min(attempts, 16), LONGEST_DELAY_SECONDS) * (0.8 + 0.4 * chance)
    asked = error.retry_after_seconds if isinstance(error, TransientError) else None
    return max(backoff, asked or 0.0)
