"""What the kernel tells of the machine, read from trees such as it shows."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from modelshelf.shelf.pressure import Gauges

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRESSURE = """\
some avg10=41.50 avg60=4.57 avg300=1.29 total=999804002
full avg10=19.13 avg60=4.45 avg300=1.20 total=288725373
"""


@pytest.fixture
def gauges(tmp_path: Path) -> Gauges:
    return Gauges(tmp_path / "io", tmp_path / "power", tmp_path / "thermal", tmp_path / "hwmon")


def put(path: Path, **texts: str) -> None:
    """Make a directory with a file per text, each with the newline that the kernel ends it with."""
    path.mkdir(parents=True)
    for name, text in texts.items():
        (path / name).write_text(f"{text}\n")


def test_a_machine_that_tells_nothing_stands_in_no_way(gauges: Gauges) -> None:
    assert (gauges.io_share(), gauges.is_on_battery(), gauges.celsius()) == (None, None, None)


def test_the_share_of_time_in_which_some_program_waited_is_read(gauges: Gauges) -> None:
    gauges.pressure.write_text(PRESSURE)
    assert gauges.io_share() == 41.5


@pytest.mark.parametrize("text", ["", "full avg10=19.13", "some avg10=x", "some avg10=1.2.3 avg60=0"])
def test_pressure_in_other_words_counts_as_untold(text: str, gauges: Gauges) -> None:
    gauges.pressure.write_text(text)
    assert gauges.io_share() is None


@pytest.mark.parametrize(("online", "status", "expected"), [("1", "Charging", False), ("0", "Discharging", True)])
def test_a_laptop_runs_on_its_battery_when_the_mains_are_away(
    online: str, status: str, *, expected: bool, gauges: Gauges
) -> None:
    put(gauges.power / "AC", type="Mains", online=online)
    put(gauges.power / "BAT0", type="Battery", status=status)
    assert gauges.is_on_battery() is expected


def test_a_battery_that_is_spared_while_the_mains_are_there_is_not_run_down(gauges: Gauges) -> None:
    put(gauges.power / "ucsi", type="USB", online="1")
    put(gauges.power / "AC", type="Mains", online="0")
    put(gauges.power / "BAT0", type="Battery", status="Discharging")
    assert gauges.is_on_battery() is False


def test_a_full_battery_without_mains_in_sight_is_not_run_down(gauges: Gauges) -> None:
    put(gauges.power / "BAT0", type="Battery", status="Full", scope="System")
    assert gauges.is_on_battery() is False


def test_the_battery_of_a_mouse_is_not_the_machine_s(gauges: Gauges) -> None:
    put(gauges.power / "hidpp_battery_0", type="Battery", status="Discharging", scope="Device")
    assert gauges.is_on_battery() is None


def test_the_hottest_sensor_of_the_processor_counts(gauges: Gauges) -> None:
    put(gauges.zones / "thermal_zone0", type="x86_pkg_temp", temp="61000")
    put(gauges.zones / "cooling_device0", type="Processor", cur_state="0")
    put(gauges.sensors / "hwmon0", name="coretemp", temp1_input="62000", temp2_input="64500", temp2_max="100000")
    assert gauges.celsius() == 64.5


def test_a_sensor_that_cannot_be_read_is_passed_over(gauges: Gauges) -> None:
    put(gauges.zones / "thermal_zone0", type="cpu-thermal", temp="asleep")
    put(gauges.zones / "thermal_zone1", type="cpu-thermal")
    (gauges.zones / "thermal_zone1" / "temp").mkdir()
    assert gauges.celsius() is None
    put(gauges.zones / "thermal_zone2", type="cpu-thermal", temp="50000")
    assert gauges.celsius() == 50.0


def test_a_disk_is_never_asked_how_hot_it_is(gauges: Gauges) -> None:
    put(gauges.sensors / "hwmon0", name="drivetemp")
    put(gauges.sensors / "hwmon1", name="nvme", temp1_input="70000")
    os.mkfifo(gauges.sensors / "hwmon0" / "temp1_input")  # whoever opens it would wait for ever
    assert gauges.celsius() is None


def test_a_tree_that_cannot_be_listed_tells_nothing(gauges: Gauges, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path, __: str) -> Iterator[Path]:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(type(gauges.zones), "glob", refuse)
    assert (gauges.is_on_battery(), gauges.celsius()) == (None, None)
