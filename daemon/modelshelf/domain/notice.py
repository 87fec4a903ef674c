"""What a person may be told without asking, and when they want peace."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from enum import StrEnum

_SPAN = re.compile(r"\s*(\d{1,2}:\d\d)\s*-\s*(\d{1,2}:\d\d)\s*")


class Notice(StrEnum):
    """One sort of news, as the configuration calls it."""

    IDENTIFIED = "identified"
    UPDATES = "updates"
    GONE = "gone"
    CORRUPT = "corrupt"
    OFFLINE = "offline"
    DISK_FULL = "disk_full"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A span of every day, by the clock on the wall; it may go across midnight."""

    start: time
    end: time

    @classmethod
    def of(cls, text: str) -> QuietHours:
        """Read ``22:00-07:00``; ValueError for anything else."""
        match = _SPAN.fullmatch(text)
        try:
            start, end = (time.fromisoformat(each.zfill(5)) for each in match.groups()) if match else (None, None)
        except ValueError:
            start = end = None
        if start is None or end is None or start == end:
            raise ValueError("must be a span of the day such as 22:00-07:00")
        return cls(start, end)

    def covers(self, moment: time) -> bool:
        """Tell whether it is quiet at this time of day; the end is not part of it."""
        if self.start < self.end:
            return self.start <= moment < self.end
        return moment >= self.start or moment < self.end
