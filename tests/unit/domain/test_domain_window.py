"""Windows: when they are open, to the minute, in nights that have 23 or 25 hours too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from modelshelf.domain.window import EVERY_DAY, Window, Windows, parse_windows

BERLIN = ZoneInfo("Europe/Berlin")
FORWARD = "2026-03-29"
"""The night in Berlin in which 02:00 to 03:00 is skipped."""
BACK = "2026-10-25"
"""The night in which 02:00 to 03:00 comes twice."""

ZONES = [
    "Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Asia/Beirut", "Pacific/Apia",
    "Asia/Kathmandu", "UTC",
]  # fmt: skip
"""Clocks that change at 2, at midnight, by half an hour, in the southern spring, and not at all."""


def windows(*texts: str, zone: str = "Europe/Berlin") -> Windows:
    return Windows(parse_windows(texts), ZoneInfo(zone))


def at(text: str) -> datetime:
    """Give a moment from its text; in Berlin's own time where no other is said."""
    moment = datetime.fromisoformat(text)
    return (moment.replace(tzinfo=BERLIN) if moment.tzinfo is None else moment).astimezone(UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("01:00-06:00", Window(60, 360)),
        (" 1:30 - 6:05 ", Window(90, 365)),
        ("22:00-07:00", Window(1320, 1860)),
        ("00:00-24:00", Window(0, 1440)),
        ("18:00-24:00", Window(1080, 1440)),
        ("Sat,Sun 00:00-24:00", Window(0, 1440, frozenset({5, 6}))),
        ("mon-wed,fri 01:00-06:00", Window(60, 360, frozenset({0, 1, 2, 4}))),
        ("fri-mon 01:00-06:00", Window(60, 360, frozenset({4, 5, 6, 0}))),
        ("mon-sun 01:00-06:00", Window(60, 360, EVERY_DAY)),
    ],
)
def test_a_window_is_read_as_people_write_it(text: str, expected: Window) -> None:
    assert Window.of(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "01:00", "1-6", "01:00-25:00", "24:00-06:00", "01:60-06:00", "01:00-24:30", "at night", "mon,01:00-06:00"],
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 01:00-06:00"):
        Window.of(text)


def test_a_window_that_begins_when_it_ends_is_refused() -> None:
    with pytest.raises(ValueError, match="write 00:00-24:00 for a whole day"):
        Window.of("06:00-06:00")


def test_an_unknown_weekday_is_named() -> None:
    with pytest.raises(ValueError, match="knows no weekday 'mom'"):
        Window.of("mom 01:00-06:00")


@pytest.mark.parametrize(
    ("first", "second", "is_overlap"),
    [
        ("01:00-06:00", "05:00-07:00", True),
        ("01:00-06:00", "06:00-07:00", False),
        ("22:00-07:00", "01:00-02:00", True),
        ("sun 22:00-07:00", "mon 06:00-08:00", True),
        ("sun 22:00-07:00", "tue 06:00-08:00", False),
        ("mon 06:00-08:00", "sun 22:00-07:00", True),
        ("mon 01:00-06:00", "tue 01:00-06:00", False),
    ],
)
def test_windows_that_overlap_are_refused(first: str, second: str, *, is_overlap: bool) -> None:
    if not is_overlap:
        assert len(parse_windows([first, second])) == 2
        return
    with pytest.raises(ValueError, match=f"{second} overlaps another window"):
        parse_windows([first, second])


@pytest.mark.parametrize(
    ("moment", "is_open", "change"),
    [
        ("2026-11-20T00:59:59", False, "2026-11-20T01:00"),
        ("2026-11-20T01:00", True, "2026-11-20T06:00"),
        ("2026-11-20T05:59:59.999", True, "2026-11-20T06:00"),
        ("2026-11-20T06:00", False, "2026-11-21T01:00"),
    ],
)
def test_a_window_is_open_from_its_first_moment_up_to_its_end(moment: str, change: str, *, is_open: bool) -> None:
    nightly = windows("01:00-06:00")
    assert nightly.contains(at(moment)) is is_open
    assert nightly.next_change(at(moment)) == at(change)


def test_a_window_goes_on_across_midnight() -> None:
    late = windows("22:00-02:00")
    assert late.contains(at("2026-11-20T23:59:59"))
    assert late.contains(at("2026-11-21T01:59"))
    assert late.next_change(at("2026-11-20T22:00")) == at("2026-11-21T02:00")


def test_a_weekday_is_that_on_which_the_window_begins() -> None:
    weekend = windows("fri 22:00-06:00")
    assert weekend.contains(at("2026-11-21T05:00"))
    assert not weekend.contains(at("2026-11-20T05:00"))
    assert weekend.next_change(at("2026-11-21T06:00")) == at("2026-11-27T22:00")


def test_windows_that_touch_are_one() -> None:
    both = windows("22:00-24:00", "00:00-06:00")
    assert both.next_change(at("2026-11-20T22:30")) == at("2026-11-21T06:00")
    assert both.last_ended(at("2026-11-21T07:00")) == (at("2026-11-20T22:00"), at("2026-11-21T06:00"))


def test_what_is_always_open_never_changes() -> None:
    always = windows("00:00-12:00", "12:00-24:00")
    assert always.contains(at("2026-11-20T12:00"))
    assert always.next_change(at("2026-11-20T12:00")) is None
    assert always.last_ended(at("2026-11-20T12:00")) is None


def test_a_window_over_the_skipped_hour_is_an_hour_shorter() -> None:
    nightly = windows("01:00-06:00")
    opened, closed = at(f"{FORWARD}T01:00"), at(f"{FORWARD}T06:00")
    assert nightly.next_change(opened) == closed
    assert closed - opened == timedelta(hours=4)


@pytest.mark.parametrize("text", ["02:00-06:00", "02:30-06:00"])
def test_a_window_that_begins_in_the_skipped_hour_begins_when_the_clocks_go_forward(text: str) -> None:
    nightly, turned = windows(text), at(f"{FORWARD}T01:00Z")
    assert nightly.next_change(at(f"{FORWARD}T00:00")) == turned
    assert not nightly.contains(turned - timedelta(microseconds=1))
    assert nightly.contains(turned)


def test_a_window_that_ends_in_the_skipped_hour_ends_when_the_clocks_go_forward() -> None:
    assert windows("01:00-02:30").next_change(at(f"{FORWARD}T01:30")) == at(f"{FORWARD}T01:00Z")


def test_a_window_in_the_skipped_hour_does_not_open_that_night() -> None:
    brief = windows("02:10-02:50")
    assert brief.next_change(at("2026-03-28T12:00")) == at("2026-03-30T02:10")
    weekly = windows("sun 02:10-02:50")
    assert weekly.next_change(at("2026-03-22T12:00")) == at("2026-04-05T02:10")


def test_a_window_over_the_doubled_hour_is_an_hour_longer() -> None:
    nightly = windows("01:00-06:00")
    opened, closed = at(f"{BACK}T01:00"), at(f"{BACK}T06:00")
    assert nightly.next_change(opened) == closed
    assert closed - opened == timedelta(hours=6)
    assert all(nightly.contains(at(f"{BACK}T{hour}:30Z")) for hour in ("00", "01"))


def test_a_window_in_the_doubled_hour_opens_once() -> None:
    brief = windows("02:15-02:45")
    assert brief.contains(at(f"{BACK}T00:30Z"))
    assert not brief.contains(at(f"{BACK}T01:30Z"))
    assert brief.next_change(at(f"{BACK}T00:45Z")) == at("2026-10-26T02:15")


def test_the_first_time_counts_where_a_window_begins_or_ends_in_the_doubled_hour() -> None:
    assert windows("02:30-06:00").next_change(at(f"{BACK}T00:00")) == at(f"{BACK}T00:30Z")
    assert windows("01:00-02:30").next_change(at(f"{BACK}T01:30")) == at(f"{BACK}T00:30Z")


def _window(start: int, length: int, days: frozenset[int]) -> Window:
    return Window(start, start + length, days)


SOME_WINDOW = some.builds(
    _window,
    start=some.integers(0, 1439),
    length=some.integers(1, 1440),
    days=some.frozensets(some.integers(0, 6), min_size=1),
)
MOMENT = some.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=some.just(UTC))  # noqa: DTZ001


@settings(deadline=None, max_examples=60)
@given(
    some.lists(SOME_WINDOW, min_size=1, max_size=3),
    some.sampled_from(ZONES),
    MOMENT,
    some.floats(0, 1),
    some.booleans(),
)
def test_nothing_changes_before_the_next_change_and_all_does_at_it(
    made: list[Window],
    zone: str,
    now: datetime,
    share: float,
    is_near_turn: bool,  # noqa: FBT001 -- hypothesis gives by position
) -> None:
    if is_near_turn:
        now = at(f"{now.year}-03-2{5 + now.day % 5}T01:00Z").replace(minute=now.minute, second=now.second)
    each = Windows(tuple(made), ZoneInfo(zone))
    change = each.next_change(now)
    if change is None:
        assert each.contains(now) == each.contains(now + timedelta(days=13 * share))
        return
    assert each.contains(change) is not each.contains(now)
    assert change > now
    assert each.contains(max(now, change - timedelta(microseconds=1))) is each.contains(now)
    assert each.contains(now + share * 0.999 * (change - now)) is each.contains(now)


@settings(deadline=None, max_examples=60)
@given(SOME_WINDOW, some.sampled_from(ZONES), MOMENT)
def test_a_window_is_what_the_clock_on_the_wall_says_while_clocks_run_as_usual(
    made: Window, zone: str, now: datetime
) -> None:
    local = now.astimezone(ZoneInfo(zone))
    if len({(local + timedelta(days=days)).utcoffset() for days in (-3, -2, -1, 0, 1)}) > 1:
        return
    minute = 60 * local.hour + local.minute
    today, yesterday = local.weekday(), (local.weekday() - 1) % 7
    is_open = (today in made.days and made.start_minute <= minute < made.end_minute) or (
        yesterday in made.days and minute < made.end_minute - 1440
    )
    assert Windows((made,), ZoneInfo(zone)).contains(now) is is_open


@settings(deadline=None, max_examples=40)
@given(SOME_WINDOW, some.sampled_from(ZONES), MOMENT)
def test_what_ended_last_was_open_and_nothing_was_since(made: Window, zone: str, now: datetime) -> None:
    each = Windows((made,), ZoneInfo(zone))
    span = each.last_ended(now)
    if span is not None:
        start, end = span
        assert each.contains(start)
        assert each.next_change(start) == end
        assert end <= now
        change = each.next_change(end)
        assert change is not None
        assert each.contains(now) or now < change
