"""Progress: rates, standstills, and when work may be done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from modelshelf.domain.progress import (
    LONGEST,
    MEMORY_SECONDS,
    STALLED_AFTER,
    DeviceProgress,
    FileInHand,
    Forecast,
    Phase,
    Progress,
    Speed,
    Tally,
    forecast,
    stalled_since,
    time_for,
)
from modelshelf.domain.window import Windows, parse_windows

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def finish(work: timedelta, now: datetime, *windows: str, zone: str = "UTC") -> Forecast:
    """Lay work into windows."""
    calendar = Windows(parse_windows(windows), ZoneInfo(zone))
    return forecast(work, now, lambda moment: not calendar.contains(moment), calendar.next_change)


def test_tallies_add_up() -> None:
    both = Tally(1, 10, 2, 20) + Tally(3, 30, 4, 40)
    assert both == Tally(4, 40, 6, 60)
    assert (both.files, both.size_bytes) == (10, 100)


def test_before_anything_is_read_there_is_no_rate() -> None:
    speed = Speed()
    assert speed.bytes_per_second is None
    speed.note(0, 5.0)
    assert speed.bytes_per_second is None


def test_the_first_seconds_give_a_rate_already() -> None:
    speed = Speed()
    speed.note(500, 5.0)
    assert speed.bytes_per_second == pytest.approx(100)


def test_the_average_moves_within_a_quarter_of_an_hour_and_not_at_once() -> None:
    speed = Speed()
    for _ in range(720):
        speed.note(500, 5.0)
    for _ in range(12):
        speed.note(5000, 5.0)
    after_a_minute = speed.bytes_per_second
    for _ in range(720):
        speed.note(5000, 5.0)
    assert after_a_minute is not None
    assert 100 < after_a_minute < 200
    assert speed.bytes_per_second == pytest.approx(1000, rel=0.05)


def test_how_often_is_looked_makes_no_difference() -> None:
    often, seldom = Speed(), Speed()
    for _ in range(100):
        often.note(100, 1.0)
    seldom.note(10_000, 100.0)
    assert often.bytes_per_second == pytest.approx(seldom.bytes_per_second or 0, rel=MEMORY_SECONDS and 0.06)


def test_a_standstill_slows_the_rate_and_what_goes_backwards_counts_for_nothing() -> None:
    speed = Speed()
    speed.note(1000, 10.0)
    speed.note(-5000, 10.0)
    assert speed.bytes_per_second == pytest.approx(50, rel=0.02)
    speed.note(0, -7.0)
    assert speed.bytes_per_second == pytest.approx(50, rel=0.02)


def test_work_stands_still_after_a_minute_without_a_byte() -> None:
    assert stalled_since(NOON, NOON + STALLED_AFTER) == NOON
    assert stalled_since(NOON, NOON + STALLED_AFTER - timedelta(milliseconds=1)) is None
    assert stalled_since(None, NOON) is None


@pytest.mark.parametrize(
    ("size_bytes", "rate", "expected"),
    [
        (0, None, timedelta(0)),
        (-5, 10.0, timedelta(0)),
        (100, None, None),
        (100, 0.0, None),
        (100, 10.0, timedelta(seconds=10)),
        (2**63, 0.001, 100 * LONGEST),
    ],
)
def test_the_time_for_bytes(size_bytes: int, rate: float | None, expected: timedelta | None) -> None:
    assert time_for(size_bytes, rate) == expected


def test_work_that_always_has_leave_is_done_in_one_stretch() -> None:
    assert forecast(3 * HOUR, NOON, lambda _: False, lambda _: None) == Forecast(NOON + 3 * HOUR, 1)


def test_a_change_that_closes_nothing_ends_no_stretch() -> None:
    assert forecast(3 * HOUR, NOON, lambda _: False, lambda moment: moment + HOUR) == Forecast(NOON + 3 * HOUR, 1)


def test_work_that_never_has_leave_is_never_done() -> None:
    assert forecast(HOUR, NOON, lambda _: True, lambda _: None) == Forecast(None, 0)


def test_what_fits_into_tonight_is_done_tonight() -> None:
    assert finish(2 * HOUR, NOON, "01:00-06:00") == Forecast(datetime(2026, 3, 5, 3, tzinfo=UTC), 1)


def test_what_is_longer_than_a_window_takes_more_nights() -> None:
    assert finish(11 * HOUR, NOON, "01:00-06:00") == Forecast(datetime(2026, 3, 7, 2, tzinfo=UTC), 3)


def test_a_window_that_is_open_counts_with_what_is_left_of_it() -> None:
    five = datetime(2026, 3, 5, 5, tzinfo=UTC)
    assert finish(2 * HOUR, five, "01:00-06:00") == Forecast(datetime(2026, 3, 6, 2, tzinfo=UTC), 2)


def test_the_night_on_which_the_clocks_go_forward_is_an_hour_shorter() -> None:
    evening = datetime(2026, 3, 28, 20, tzinfo=UTC)
    assert finish(4 * HOUR, evening, "01:00-06:00", zone="Europe/Berlin") == Forecast(
        datetime(2026, 3, 29, 4, tzinfo=UTC), 1
    )
    assert finish(5 * HOUR, evening, "01:00-06:00", zone="Europe/Berlin").spans == 2


def test_the_night_on_which_they_go_back_is_an_hour_longer() -> None:
    evening = datetime(2026, 10, 24, 20, tzinfo=UTC)
    assert finish(6 * HOUR, evening, "01:00-06:00", zone="Europe/Berlin") == Forecast(
        datetime(2026, 10, 25, 5, tzinfo=UTC), 1
    )


def test_nobody_is_told_more_than_a_month() -> None:
    assert forecast(LONGEST, NOON, lambda _: False, lambda _: None).finish_at == NOON + LONGEST
    assert forecast(LONGEST + HOUR, NOON, lambda _: False, lambda _: None).finish_at is None
    assert finish(31 * HOUR, NOON, "01:00-02:00").finish_at is None


def test_a_calendar_that_changes_all_the_time_is_not_followed_for_ever() -> None:
    ticks = forecast(HOUR, NOON, lambda _: True, lambda moment: moment + timedelta(microseconds=1))
    assert ticks.finish_at is None


FILE = FileInHand(1, "loras", "big.safetensors", 100, 40)


def progress(phase: Phase = Phase.READING, *devices: DeviceProgress, walk_moved_at: datetime | None = None) -> Progress:
    return Progress(NOON, phase, Tally(1, 1000, 1, 100), walk_moved_at=walk_moved_at, devices=devices)


def test_what_is_read_of_files_that_are_not_done_yet_counts_as_read() -> None:
    assert progress(Phase.READING, DeviceProgress("a", 60, 40), DeviceProgress("b", 0, 2)).done_bytes == 1042


def test_the_longest_standstill_is_told_and_none_of_a_device_at_rest() -> None:
    early, late = NOON - HOUR, NOON - timedelta(minutes=2)
    at_rest = DeviceProgress("c", 0, moved_at=early - HOUR)
    stuck = [DeviceProgress(name, 1, moved_at=moment, files=(FILE,)) for name, moment in (("a", late), ("b", early))]
    assert progress(Phase.READING, at_rest, *stuck).stalled_since(NOON) == early
    assert progress(Phase.READING, at_rest).stalled_since(NOON) is None
    assert progress(Phase.WALKING, walk_moved_at=late).stalled_since(NOON) == late


def test_what_waits_for_leave_stands_still_on_purpose() -> None:
    stuck = DeviceProgress("a", 1, moved_at=NOON - HOUR, files=(FILE,))
    assert progress(Phase.PAUSED, stuck).stalled_since(NOON) is None
