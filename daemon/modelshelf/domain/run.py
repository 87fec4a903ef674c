"""A Run: one execution of a Job or scan, with its statistics in StableQueue's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class RunStatistics:
    """Counts of files; `hashes_skipped` are files above the size limit for hashing."""

    total: int = 0
    added: int = 0
    updated: int = 0
    moved: int = 0
    missing: int = 0
    errors: int = 0
    hashes_calculated: int = 0
    hashes_skipped: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """`job_name` is None for a scan that a person or an event asked for; `ended_at` None while it goes on."""

    id: int
    job_name: str | None
    started_at: datetime
    ended_at: datetime | None
    statistics: RunStatistics
