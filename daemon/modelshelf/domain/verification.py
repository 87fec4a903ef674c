"""How much of the shelf is read again in a night, and which files are too young for that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

DEFAULT_MIN_AGE = timedelta(days=30)


class Measure(StrEnum):
    """In what a share is measured."""

    PERCENT = "%"
    BYTES = "bytes"
    SECONDS = "seconds"


@dataclass(frozen=True, slots=True)
class Share:
    """So many percent of what is on the shelf, bytes, or seconds of reading at the rate that was measured last."""

    amount: float
    measure: Measure = Measure.PERCENT

    def budget(self, shelf_bytes: int) -> float:
        """Give the share in bytes, or in seconds where it is measured so."""
        return shelf_bytes * self.amount / 100 if self.measure is Measure.PERCENT else self.amount

    def cost(self, size_bytes: int, bytes_per_second: float) -> float:
        """Give what reading a file takes of the budget."""
        return size_bytes / bytes_per_second if self.measure is Measure.SECONDS else size_bytes


@dataclass(frozen=True, slots=True)
class VerifySettings:
    """What is read again in one night: this share of what was not read within `min_age`, the longest unread first."""

    share: Share = Share(4)
    min_age: timedelta = DEFAULT_MIN_AGE
