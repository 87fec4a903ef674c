"""Leave: whose bulk reading waits, until when, and at what rate it goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from modelshelf.domain.window import Windows, parse_windows
from modelshelf.shelf.pressure import Gauges
from modelshelf.worker.leave import AGAIN, Leave, Terms
from modelshelf.worker.restraint import LOOK_SECONDS, Restraint, RestraintLimits
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from pathlib import Path

NIGHT = Windows(parse_windows(["01:00-06:00"]), ZoneInfo("UTC"))
EVENING = Windows(parse_windows(["20:00-23:00"]), ZoneInfo("UTC"))


def at(hour: float, day: int = 20) -> datetime:
    """Give a moment of a November's day; the 20th is a Friday."""
    return datetime(2026, 11, day, tzinfo=UTC) + timedelta(hours=hour)


def test_who_says_nothing_may_always_read() -> None:
    leave = Leave()
    assert leave.held(["lora"], at(12)) == {}
    assert leave.next_change(at(12)) is None
    assert leave.allowance("8:1", at(12)) is None
    assert leave.slots("8:1") is None


def test_a_folder_is_held_outside_its_window_and_says_until_when() -> None:
    leave = Leave({"lora": Terms(windows=NIGHT), "free": Terms()})
    assert leave.held(["lora", "free", "unknown"], at(12)) == {"lora": "outside its window until Sat 01:00"}
    assert leave.held(["lora"], at(1)) == {}
    assert leave.held(["lora"], at(5.999)) == {}
    assert "lora" in leave.held(["lora"], at(6))
    assert leave.held([], at(12)) == {}


def test_the_next_change_is_that_of_any_folder() -> None:
    leave = Leave({"lora": Terms(windows=NIGHT), "other": Terms(windows=EVENING)})
    assert leave.next_change(at(0)) == at(1)
    assert leave.next_change(at(7)) == at(20)
    assert leave.next_change(at(23.5)) == at(25)


def test_a_clock_that_is_set_back_is_gone_by() -> None:
    leave = Leave({"lora": Terms(windows=NIGHT)})
    assert leave.held(["lora"], at(7))
    assert not leave.held(["lora"], at(2))


def test_a_window_that_never_ends_never_changes() -> None:
    always = Windows(parse_windows(["00:00-24:00"]), ZoneInfo("UTC"))
    leave = Leave({"lora": Terms(windows=always)})
    assert leave.held(["lora"], at(12)) == {}
    assert leave.next_change(at(12)) is None


def test_what_is_read_on_demand_only_waits_for_a_job_that_orders_it() -> None:
    ordered: set[str] = set()
    leave = Leave({"lora": Terms(has_background=False), "free": Terms()}, ordered=lambda: ordered)
    assert leave.held(["lora", "free"], at(12)) == {"lora": "on demand only"}
    ordered.add("lora")
    assert leave.held(["lora", "free"], at(12)) == {}


def test_an_order_opens_no_window() -> None:
    leave = Leave({"lora": Terms(has_background=False, windows=NIGHT)}, ordered=lambda: {"lora"})
    assert leave.held(["lora"], at(12)) == {"lora": "outside its window until Sat 01:00"}


def test_with_a_rate_for_it_reading_goes_on_outside_the_window() -> None:
    terms = Terms(windows=NIGHT, rate=200e6, outside_rate=20e6)
    leave = Leave({"lora": terms}, folders_on=lambda _: ["lora"])
    assert leave.held(["lora"], at(12)) == {}
    assert leave.allowance("8:1", at(12)) == 20e6
    assert leave.allowance("8:1", at(2)) == 200e6


def test_the_strictest_folder_on_a_device_decides_its_rate() -> None:
    shelves = {"8:1": ["lora", "free"], "8:2": ["free"]}
    leave = Leave({"lora": Terms(rate=50e6), "free": Terms(rate=80e6)}, folders_on=shelves.__getitem__)
    assert leave.allowance("8:1", at(12)) == 50e6
    assert leave.allowance("8:2", at(12)) == 80e6


def test_the_most_readers_that_a_folder_of_the_device_is_given_count() -> None:
    leave = Leave({"a": Terms(readers=2), "b": Terms(readers=3), "c": Terms()}, folders_on=lambda _: ["a", "b", "c"])
    assert leave.slots("8:1") == 3


@pytest.mark.parametrize(
    ("since", "until", "is_made_up"),
    [
        (at(0), at(9), True),
        (at(1), at(9), True),
        (at(1.5), at(9), False),
        (at(-30), at(0), True),
        (at(6.5), at(9), False),
    ],
)
def test_a_whole_window_that_was_slept_through_opens_at_once_for_as_long(
    since: datetime, until: datetime, *, is_made_up: bool
) -> None:
    leave = Leave({"lora": Terms(windows=NIGHT)}, is_missed_made_up=True)
    leave.make_up_for(since, until)
    assert (leave.held(["lora"], until + timedelta(minutes=1)) == {}) is is_made_up
    if is_made_up:
        assert leave.next_change(until) == min(until + timedelta(hours=5), NIGHT.next_change(until) or until)
        assert leave.held(["lora"], at(14.1))


def test_what_was_missed_is_skipped_where_that_is_wished() -> None:
    leave = Leave({"lora": Terms(windows=NIGHT)})
    leave.make_up_for(at(0), at(9))
    assert leave.held(["lora"], at(9))


def test_what_is_made_up_for_goes_at_the_rate_of_the_window() -> None:
    terms = Terms(windows=NIGHT, rate=200e6, outside_rate=20e6)
    leave = Leave({"lora": terms, "free": Terms()}, is_missed_made_up=True, folders_on=lambda _: ["lora", "free"])
    leave.make_up_for(at(0), at(9))
    assert leave.allowance("8:1", at(9)) == 200e6
    assert leave.allowance("8:1", at(14)) == 20e6


def test_while_the_machine_is_spared_all_bulk_reading_waits_and_is_asked_for_again_soon(tmp_path: Path) -> None:
    clock = FakeClock()
    gauges = Gauges(tmp_path / "io", tmp_path / "power", tmp_path / "thermal", tmp_path / "hwmon")
    battery = gauges.power / "BAT0"
    battery.mkdir(parents=True)
    (battery / "type").write_text("Battery\n")
    (battery / "status").write_text("Discharging\n")
    leave = Leave({"b": Terms(has_background=False)}, Restraint(RestraintLimits(), gauges, clock))
    reasons = {"a": "paused: the machine runs on its battery", "b": "on demand only"}
    assert leave.held(["a", "b"], clock.now()) == reasons
    assert leave.next_change(clock.now()) == clock.now() + AGAIN
    (battery / "status").write_text("Charging\n")
    clock.advance(LOOK_SECONDS)
    assert leave.held(["a"], clock.now()) == {}
    assert leave.next_change(clock.now()) is None


def test_without_anybody_to_spare_the_machine_it_is_calm(tmp_path: Path) -> None:
    assert Leave().is_calm()
    pressure = tmp_path / "io"
    pressure.write_text("some avg10=90.00 avg60=0.00 avg300=0.00 total=0\n")
    gauges = Gauges(pressure, tmp_path / "power", tmp_path / "thermal", tmp_path / "hwmon")
    assert not Leave(restraint=Restraint(RestraintLimits(), gauges, FakeClock())).is_calm()
