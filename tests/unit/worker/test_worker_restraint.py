"""Restraint: for what of the machine's sake reading pauses, and that it never pauses for ever for another program's."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from modelshelf.shelf.pressure import Gauges
from modelshelf.worker.restraint import (
    LONGEST_REST_SECONDS,
    LONGEST_TRUST_SECONDS,
    LOOK_SECONDS,
    REST_SECONDS,
    TRUST_SECONDS,
    BackPressure,
    Restraint,
    RestraintLimits,
)
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from pathlib import Path

BATTERY = "paused: the machine runs on its battery"
HEAT = "paused: the processor is hotter than 80 °C"
PRESSURE = "paused: other programs wait for the disks"


class Machine:
    """Gauges in a tree of our own, with hands on them."""

    def __init__(self, root: Path) -> None:
        self.gauges = Gauges(root / "io", root / "power", root / "thermal", root / "hwmon")
        self.clock = FakeClock()
        self._zone, self._battery = self.gauges.zones / "thermal_zone0", self.gauges.power / "BAT0"
        for directory, kind in ((self._zone, "x86_pkg_temp"), (self._battery, "Battery")):
            directory.mkdir(parents=True)
            (directory / "type").write_text(f"{kind}\n")

    def set(self, *, celsius: float = 40, is_discharging: bool = False, io_share: float = 0) -> None:
        (self._zone / "temp").write_text(f"{celsius * 1000:.0f}\n")
        (self._battery / "status").write_text("Discharging\n" if is_discharging else "Full\n")
        self.gauges.pressure.write_text(f"some avg10={io_share:.2f} avg60=0.00 avg300=0.00 total=0\n")

    def restraint(self, limits: RestraintLimits) -> Restraint:
        return Restraint(limits, self.gauges, self.clock)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.set()
    return made


def test_without_limits_nothing_is_looked_at(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.set(celsius=120, is_discharging=True, io_share=100)
    for gauge in ("celsius", "is_on_battery", "io_share"):
        monkeypatch.setattr(Gauges, gauge, lambda _: pytest.fail("looked at"))
    assert machine.restraint(RestraintLimits(is_paused_on_battery=False)).reason() is None


def test_what_the_machine_does_not_tell_holds_nothing(tmp_path: Path) -> None:
    silent = Gauges(tmp_path / "io", tmp_path / "power", tmp_path / "thermal", tmp_path / "hwmon")
    limits = RestraintLimits(max_celsius=1, max_io_share=1)
    assert Restraint(limits, silent, FakeClock()).reason() is None


def test_reading_pauses_on_battery(machine: Machine) -> None:
    machine.set(is_discharging=True)
    assert machine.restraint(RestraintLimits()).reason() == BATTERY


def test_gauges_are_looked_at_every_few_seconds_only(machine: Machine) -> None:
    restraint = machine.restraint(RestraintLimits())
    assert restraint.reason() is None
    machine.set(is_discharging=True)
    machine.clock.advance(LOOK_SECONDS - 0.1)
    assert restraint.reason() is None
    machine.clock.advance(0.1)
    assert restraint.reason() == BATTERY


def test_a_hot_machine_has_to_cool_down_by_some_degrees(machine: Machine) -> None:
    restraint = machine.restraint(RestraintLimits(max_celsius=80))
    seen = []
    for celsius in (80, 80.5, 79, 75.5, 75, 80, 81):
        machine.set(celsius=celsius)
        machine.clock.advance(LOOK_SECONDS)
        seen.append(restraint.reason())
    assert seen == [None, HEAT, HEAT, HEAT, None, None, HEAT]


def test_reading_rests_while_other_programs_wait(machine: Machine) -> None:
    restraint = machine.restraint(RestraintLimits(max_io_share=40))
    machine.set(io_share=60)
    assert restraint.reason() == PRESSURE
    machine.set(io_share=21)
    machine.clock.advance(REST_SECONDS)
    assert restraint.reason() == PRESSURE, "half of the limit is what it has to fall to"
    machine.set(io_share=20)
    machine.clock.advance(LOOK_SECONDS)
    assert restraint.reason() is None


def test_it_rests_long_enough_for_its_own_pressure_to_be_gone() -> None:
    pressure = BackPressure(40)
    assert pressure.is_resting(90, 0)
    assert pressure.is_resting(0, REST_SECONDS - 0.1)
    assert not pressure.is_resting(0, REST_SECONDS)


def test_pressure_of_its_own_making_is_asked_about_ever_less_often() -> None:
    pressure, now, rests = BackPressure(40), 0.0, []
    for _ in range(7):
        while not pressure.is_resting(90, now):
            now += 1
        rests.append(now)
        now += REST_SECONDS
        assert not pressure.is_resting(0, now)
    gaps = [later - earlier - REST_SECONDS for earlier, later in itertools.pairwise(rests)]
    assert gaps == [
        TRUST_SECONDS,
        2 * TRUST_SECONDS,
        4 * TRUST_SECONDS,
        8 * TRUST_SECONDS,
        *[LONGEST_TRUST_SECONDS] * 2,
    ]


def test_it_never_rests_for_ever_and_asks_soon_again() -> None:
    pressure = BackPressure(40)
    assert pressure.is_resting(90, 0)
    assert pressure.is_resting(90, LONGEST_REST_SECONDS - 1)
    now = LONGEST_REST_SECONDS
    assert not pressure.is_resting(90, now)
    assert not pressure.is_resting(90, now + TRUST_SECONDS - 1)
    assert pressure.is_resting(90, now + TRUST_SECONDS)


@pytest.mark.parametrize(("io_share", "is_calm"), [(0, True), (20, True), (20.5, False)])
def test_a_machine_is_calm_while_hardly_a_program_waits_for_a_disk(
    io_share: float, machine: Machine, *, is_calm: bool
) -> None:
    machine.set(io_share=io_share)
    assert machine.restraint(RestraintLimits()).is_calm() is is_calm


def test_a_machine_that_is_spared_is_not_calm(machine: Machine) -> None:
    machine.set(is_discharging=True)
    assert not machine.restraint(RestraintLimits()).is_calm()


def test_a_machine_that_tells_nothing_is_calm(tmp_path: Path) -> None:
    silent = Gauges(tmp_path / "io", tmp_path / "power", tmp_path / "thermal", tmp_path / "hwmon")
    assert Restraint(RestraintLimits(), silent, FakeClock()).is_calm()
