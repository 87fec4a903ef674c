"""The backlog: what is still to be done of an errand, as a person sees it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is still to be done of an errand, as a person sees it. `files` and `size_bytes` are still to be read."""

    scans: int
    files: int
    size_bytes: int
    questions: int
    writings: int

    @property
    def count(self) -> int:
        """All pieces of work together."""
        return self.scans + self.files + self.questions + self.writings
