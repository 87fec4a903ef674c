"""Windows: the spans of the clock on the wall in which something may go on, as moments that a computer can wait for."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date, tzinfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = frozenset(range(len(DAYS)))
MINUTES_A_DAY = 1440
MINUTES_A_WEEK = len(DAYS) * MINUTES_A_DAY
WANTED = "must be a span of the clock such as 01:00-06:00, 22:00-07:00 or sat,sun 00:00-24:00"

FEW_DAYS = 3
FAR_DAYS = 17
"""A weekly window that lies in the skipped hour of one week opens in the next: no change is further away."""

_TIME = r"([01]?\d|2[0-4]):([0-5]\d)"
_WINDOW = re.compile(rf"(?:([a-z]{{3}}(?:[,-][a-z]{{3}})*)\s+)?{_TIME}\s*-\s*{_TIME}")

Span = tuple[datetime, datetime]
"""From a moment on, and up to another that is not part of it; both in UTC."""


@dataclass(frozen=True, slots=True)
class Window:
    """A span of the clock on the wall, on the days on which it begins; minutes count from that day's midnight.

    It ends on the same day or on the next, and is a day long at most.
    """

    start_minute: int
    end_minute: int
    days: frozenset[int] = EVERY_DAY

    @classmethod
    def of(cls, text: str) -> Window:
        """Read ``01:00-06:00`` or ``mon-fri 22:00-07:00``; ValueError says what is wrong."""
        match = _WINDOW.fullmatch(text.strip().lower())
        if match is None:
            raise ValueError(WANTED)
        days, *numbers = match.groups()
        hour, minute, end_hour, end_minute = map(int, numbers)
        start, end = 60 * hour + minute, 60 * end_hour + end_minute
        if start >= MINUTES_A_DAY or end > MINUTES_A_DAY:
            raise ValueError(WANTED)
        if start == end:
            raise ValueError("begins when it ends; write 00:00-24:00 for a whole day")
        return cls(start, end if end > start else end + MINUTES_A_DAY, _days_of(days) if days else EVERY_DAY)

    def overlaps(self, other: Window) -> bool:
        """Tell whether both are open at some minute of the week."""
        return any(
            start < other_end + shift and other_start + shift < end
            for start, end in self._weekly()
            for other_start, other_end in other._weekly()
            for shift in (-MINUTES_A_WEEK, 0, MINUTES_A_WEEK)
        )

    def _weekly(self) -> list[tuple[int, int]]:
        return [(day * MINUTES_A_DAY + self.start_minute, day * MINUTES_A_DAY + self.end_minute) for day in self.days]


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows in a time zone. Each opens once on each of its days and closes once, whatever is done to the clocks.

    Where a window begins or ends in an hour that is skipped, it does so as the clocks go forward; one that lies in it does not
    open. In an hour that comes twice the first time counts. cron(8) treats fixed times of the day so.
    """

    windows: tuple[Window, ...]
    zone: tzinfo

    def contains(self, now: datetime) -> bool:
        """Tell whether one of them is open."""
        return any(start <= now < end for start, end in self._spans(now))

    def next_change(self, now: datetime) -> datetime | None:
        """Give the moment when `contains` changes next, exactly; None if it never does."""
        for ahead in (FEW_DAYS, FAR_DAYS):
            ends = (end for start, end in self._spans(now, ahead=ahead) if start <= now < end)
            starts = (start for start, _ in self._spans(now, ahead=ahead) if start > now)
            change = next(ends, None) or next(starts, None)
            if change is not None and change < now + timedelta(days=ahead - 2):
                return change
        return None

    def last_ended(self, now: datetime) -> Span | None:
        """Give the last span that is over; None if there was none for a fortnight."""
        return next((span for span in reversed(self._spans(now, behind=FAR_DAYS)) if span[1] <= now), None)

    def _spans(self, now: datetime, *, behind: int = FEW_DAYS, ahead: int = FEW_DAYS) -> list[Span]:
        """Give the spans around `now` in their order; those that touch are one. The last may end where the days do."""
        today = now.astimezone(self.zone).date()
        days = [today + timedelta(days=number) for number in range(-behind, ahead)]
        return _joined(sorted(span for day in days for span in self._on(day)))

    def _on(self, day: date) -> Iterator[Span]:
        for window in self.windows:
            if day.weekday() in window.days:
                start, end = (_moment(day, minute, self.zone) for minute in (window.start_minute, window.end_minute))
                if start < end:
                    yield start, end


def parse_windows(texts: Iterable[str]) -> tuple[Window, ...]:
    """Read several windows; ValueError where one is none, or two of them overlap."""
    windows: list[Window] = []
    for text in texts:
        window = Window.of(text)
        if any(window.overlaps(each) for each in windows):
            raise ValueError(f"{text.strip()} overlaps another window; make one of them")
        windows.append(window)
    return tuple(windows)


def _days_of(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        start, end = _day_number(first), _day_number(last or first)
        days.update(day % len(DAYS) for day in range(start, end + 1 if end >= start else end + len(DAYS) + 1))
    return frozenset(days)


def _day_number(name: str) -> int:
    if name not in DAYS:
        raise ValueError(f"knows no weekday {name!r}; write mon, tue, wed, thu, fri, sat or sun")
    return DAYS.index(name)


def _joined(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _moment(day: date, minute: int, zone: tzinfo) -> datetime:
    """Give the first moment at which the clocks on the wall show this time of this day, or have skipped it."""
    wall = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)  # noqa: DTZ001 -- the wall's own time
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    if _shown(moment, zone) == wall:
        return moment
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    seconds = range(int((moment - before).total_seconds()))
    skipped = bisect_left(seconds, 1, key=lambda each: _shown(before + timedelta(seconds=each), zone) > wall)
    return before + timedelta(seconds=skipped)


def _shown(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)
