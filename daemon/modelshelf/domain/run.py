"""A Run: one execution of a Job or scan, with its statistics in StableQueue's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class RunStatistics:
    """Counts of files; `hashes_skipped` are files above the size limit for hashing.

    `updated` are those whose bytes or times changed, `described` known ones beside which something changed. `verified` were read
    again, so many bytes; of these `rotten` held other bytes than they should.
    """

    total: int = 0
    added: int = 0
    updated: int = 0
    moved: int = 0
    missing: int = 0
    errors: int = 0
    hashes_calculated: int = 0
    hashes_skipped: int = 0
    described: int = 0
    verified: int = 0
    verified_bytes: int = 0
    rotten: int = 0

    def counts(self) -> dict[str, int]:
        """Give the counts that StableQueue has, by its names; what is `updated` there is a known model with something new."""
        return {
            "total": self.total,
            "added": self.added,
            "updated": self.updated + self.described,
            "hashesCalculated": self.hashes_calculated,
            "hashesSkipped": self.hashes_skipped,
            "errors": self.errors,
        }

    def message_lines(self) -> list[str]:
        """Give StableQueue's message after a scan in its very words, whatever the numbers."""
        counts = self.counts()
        return [
            f"Scan complete! Found {counts['total']} model files",
            f"- Added: {counts['added']} new models to database",
            f"- Updated: {counts['updated']} models with new metadata",
            f"- Calculated: {counts['hashesCalculated']} hashes",
        ]


@dataclass(frozen=True, slots=True)
class Run:
    """`job_name` is None for what a person or an event asked for; `ended_at` None while it goes on.

    `folder_ids` are the folders that it looks through, none where that was not kept.
    """

    id: int
    job_name: str | None
    started_at: datetime
    ended_at: datetime | None
    statistics: RunStatistics
    folder_ids: tuple[str, ...] = ()
