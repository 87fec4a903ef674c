"""When a job runs by itself: cron fields, an interval or a lull, checked while the file is read.

Weekdays come out as names, because numbers mean different days to cron (0 is Sunday) and to APScheduler 3 (0 is Monday).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC

from modelshelf.config.sections.values import parse_duration

WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * sun",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
MIN_INTERVAL_SECONDS = 60.0
LULL = "15 min"
"""How long a lull lasts that nobody gave a length."""

CRON_FIELD_COUNT = 5
_WEEKDAY_PART = re.compile(r"(?:(\*)|([0-7]|[a-z]{3})(?:-([0-7]|[a-z]{3}))?)(?:/([1-7]))?")
_EXAMPLES = '"0 2 * * *" (minute hour day month weekday), "@daily", "every 6h" or "idle"'


@dataclass(frozen=True, slots=True)
class Schedule:
    """Either `cron`, as APScheduler's `CronTrigger.from_crontab` takes it, or `interval_seconds`, or `lull_seconds`.

    `text` is as written.
    """

    text: str
    cron: str | None = None
    interval_seconds: float | None = None
    lull_seconds: float | None = None


def parse_schedule(text: str) -> Schedule:
    """Give the Schedule that `text` means, or raise ValueError with what to write instead."""
    words = text.lower().split()
    if words[:1] == ["every"]:
        return Schedule(text, interval_seconds=_interval(" ".join(words[1:])))
    if words[:1] == ["idle"]:
        return Schedule(text, lull_seconds=_interval(" ".join(words[1:]) or LULL))
    fields = ALIASES.get(text.strip().lower(), text).lower().split()
    if len(fields) != CRON_FIELD_COUNT:
        raise ValueError(f"must be a schedule such as {_EXAMPLES}")
    return Schedule(text, cron=_cron(fields))


def checked_schedule(text: str) -> str:
    """Give `text` back if it is a schedule."""
    parse_schedule(text)
    return text


def _interval(text: str) -> float:
    seconds = parse_duration(text if text[:1].isdigit() else f"1 {text}")
    if seconds < MIN_INTERVAL_SECONDS:
        raise ValueError("must be a minute or longer")
    return seconds


def _cron(fields: list[str]) -> str:
    day, weekday = fields[2], fields[4]
    if day != "*" and weekday != "*":
        raise ValueError(
            "restricts both day and weekday; make one of them *, or two jobs: programs disagree on what both mean"
        )
    cron = " ".join([*fields[:4], _weekday_names(weekday)])
    from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415 -- 30 ms that only schedules are worth

    try:
        CronTrigger.from_crontab(cron, timezone=UTC)
    except ValueError as error:
        raise ValueError(f"is no schedule: {error}; write one such as {_EXAMPLES}") from error
    return cron


def _weekday_names(field: str) -> str:
    days = {day for part in field.split(",") for day in _weekdays(part)}
    return "*" if len(days) == len(WEEKDAYS) else ",".join(WEEKDAYS[day] for day in sorted(days))


def _weekdays(part: str) -> list[int]:
    match = _WEEKDAY_PART.fullmatch(part)
    if match is None:
        raise ValueError(f"knows no weekday {part!r}; write sun to sat, or 0 (Sunday) to 7 (Sunday again)")
    every, first, last, step = match.groups()
    start = 0 if every else _day_number(first)
    is_single = not every and last is None and step is None
    end = start if is_single else (_day_number(last) if last else len(WEEKDAYS) - 1)
    if end < start:
        end += len(WEEKDAYS)
    return [day % len(WEEKDAYS) for day in range(start, end + 1, int(step or 1))]


def _day_number(name: str) -> int:
    if name.isdigit():
        return int(name)
    if name not in WEEKDAYS:
        raise ValueError(f"knows no weekday {name!r}; write sun, mon, tue, wed, thu, fri or sat")
    return WEEKDAYS.index(name)
