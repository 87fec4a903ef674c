"""The clock is wrong, jumps, sleeps, or has an hour twice."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from modelshelf.clock import SystemClock
from modelshelf.config import load_config
from modelshelf.daemon import House
from modelshelf.domain.job import Appointment, Deed, JobKind
from modelshelf.domain.model_file import ScanPhase
from modelshelf.domain.task import NewTask, Priority, TaskKind
from modelshelf.scheduling import Calendar, CalendarSettings, trigger_of
from modelshelf.shelf.lease import prepare_leases
from modelshelf.steps.beginning import begin_run
from tests import builders
from tests.idle import is_idle
from tests.unit.steps.step_shelf import StepShelf, introduce
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.civitai_server import CivitaiStandIn

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SCAN = (Deed(JobKind.SCAN_PATHS, ("loras",)),)
CONFIG = """
input_paths: {{shelf: {{path: {0}/models, type: LORA}}}}
store: {{directory: {0}/state}}
api: {{base_url: "{1}"}}
"""


class ShiftedClock(SystemClock):
    """The machine's clock, wrong by `shift`."""

    def __init__(self) -> None:
        self.shift = timedelta()

    def now(self) -> datetime:
        return super().now() + self.shift


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[StepShelf]:
    made = StepShelf(tmp_path)
    yield made
    made.close()


@pytest.fixture
def shifted() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture
def house(tmp_path: Path, shifted: ShiftedClock, civitai: CivitaiStandIn) -> Iterator[House]:
    """Give an open house whose clock can be set."""
    (tmp_path / "models").mkdir()
    path = tmp_path / "modelshelf.yaml"
    path.write_text(CONFIG.format(tmp_path, civitai.base_url))
    shelf = StepShelf(tmp_path)
    made = House(load_config(path, {"HOME": str(tmp_path)}), shelf.store, shifted)
    prepare_leases()
    made.open()
    yield made
    made.close()
    shelf.close()


@pytest.mark.parametrize("shift", [-HOUR, DAY, -30 * DAY])
def test_work_goes_on_whichever_way_the_clock_is_set(
    shift: timedelta, house: House, shifted: ShiftedClock, tmp_path: Path, civitai: CivitaiStandIn
) -> None:
    """F53."""
    content = builders.lora(1)
    introduce(civitai, content, "known later")
    shifted.shift = shift
    house.heed_clock(shift.total_seconds())
    (tmp_path / "models" / "new.safetensors").write_bytes(content)
    wait_until((tmp_path / "models" / "new.civitai.info").exists, timeout=30)


def test_a_lookup_put_off_by_a_clock_that_was_years_ahead_is_not_waited_for(
    house: House, shifted: ShiftedClock, tmp_path: Path, civitai: CivitaiStandIn
) -> None:
    """F53."""
    content = builders.lora(2)
    shifted.shift = 3650 * DAY
    (tmp_path / "models" / "new.safetensors").write_bytes(content)
    wait_until(lambda: is_idle(house) and asked(civitai) == 1, timeout=30)
    introduce(civitai, content, "published meanwhile")
    shifted.shift = timedelta()
    house.heed_clock(-(3650 * DAY).total_seconds())
    wait_until((tmp_path / "models" / "new.civitai.info").exists, timeout=30)


def asked(civitai: CivitaiStandIn) -> int:
    return len([request for request in civitai.requests if "by-hash" in request.path])


@pytest.mark.parametrize(
    ("zone", "cron", "night"),
    [
        ("Europe/Berlin", "30 2 * * *", datetime(2026, 3, 29, tzinfo=UTC)),
        ("Europe/Berlin", "30 2 * * *", datetime(2026, 10, 25, tzinfo=UTC)),
        ("Europe/Berlin", "0,30 2 * * *", datetime(2026, 10, 25, tzinfo=UTC)),
        ("America/New_York", "30 1 * * *", datetime(2026, 3, 8, tzinfo=UTC)),
        ("America/New_York", "30 1 * * *", datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_a_nightly_job_runs_as_often_as_in_any_night_when_clocks_change(
    zone: str, cron: str, night: datetime, tmp_path: Path
) -> None:
    """F54."""
    per_day = runs_per_day(tmp_path, zone, cron, night)
    assert set(per_day.values()) == {len(cron.split(maxsplit=1)[0].split(","))}
    assert len(per_day) == 5


def test_an_hourly_job_goes_by_real_time_in_the_night_when_clocks_change(tmp_path: Path) -> None:
    """F54."""
    per_day = runs_per_day(tmp_path, "Europe/Berlin", "0 * * * *", datetime(2026, 10, 25, tzinfo=UTC))
    assert sorted(per_day.values()) == [24, 24, 24, 24, 25]


def test_a_last_run_that_a_wrong_clock_put_into_the_future_holds_up_nothing(shelf: StepShelf) -> None:
    """F53."""
    nightly = Appointment("nightly", SCAN, "0 2 * * *")
    shelf.store.runs.start("nightly", shelf.clock.now() + 365 * DAY)
    calendar = Calendar(shelf.store, shelf.places, shelf.clock, lambda: None, CalendarSettings("UTC"))
    calendar._begin(nightly)
    assert len(shelf.tasks(TaskKind.SCAN_FOLDER)) == 1


def runs_per_day(tmp_path: Path, zone_name: str, cron: str, night: datetime) -> Counter[str]:
    """Let a job come due by the library's own times on the five days around `night`; gives its runs by local date."""
    zone = ZoneInfo(zone_name)
    shelf = StepShelf(tmp_path)
    calendar = Calendar(shelf.store, shelf.places, shelf.clock, lambda: None, CalendarSettings(zone_name))
    appointment = Appointment("nightly", SCAN, cron)
    trigger = trigger_of(appointment, zone)
    begin = (night - 2 * DAY).replace(tzinfo=zone)
    shelf.clock._start = begin.astimezone(UTC)
    due_at = trigger.get_next_fire_time(None, begin)
    while due_at.replace(tzinfo=None) < (night + 3 * DAY).replace(tzinfo=None):
        shelf.clock._elapsed_seconds = (due_at.astimezone(UTC) - begin.astimezone(UTC)).total_seconds()
        calendar._begin(appointment)
        shelf.drain()
        due_at = trigger.get_next_fire_time(due_at, due_at)
    days = Counter(str(run.started_at.astimezone(zone).date()) for run in shelf.store.runs.latest(1000))
    shelf.close()
    return days


def test_after_days_of_sleep_a_job_is_caught_up_once(shelf: StepShelf) -> None:
    """F55."""
    nightly = Appointment("nightly", SCAN, "0 2 * * *")
    begin_run(shelf.store, nightly, shelf.clock, Priority.CHANGED)
    shelf.drain()
    shelf.clock.advance((5 * DAY).total_seconds())
    calendar = Calendar(shelf.store, shelf.places, shelf.clock, lambda: None, CalendarSettings("UTC"))
    calendar.open([nightly])
    calendar.close()
    assert len(shelf.store.runs.latest(10)) == 2
    assert len(shelf.tasks(TaskKind.SCAN_FOLDER)) == 1


def test_what_came_due_while_the_machine_slept_is_done_when_it_wakes(
    house: House, shifted: ShiftedClock, tmp_path: Path
) -> None:
    """F56."""
    wait_until(lambda: is_idle(house))
    due_at = house.clock.now() + 2 * HOUR
    house.store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "shelf", due_at=due_at)], house.clock.now())
    before = house.store.folders.state("shelf").last_scan_at
    shifted.shift = 3 * HOUR
    house.heed_clock(shifted.shift.total_seconds())
    wait_until(lambda: house.store.folders.state("shelf").last_scan_at != before)


def test_a_job_that_takes_longer_than_its_period_is_never_two_scans_of_one_folder(shelf: StepShelf) -> None:
    """F57."""
    often = Appointment("often", SCAN, interval=timedelta(minutes=1))
    for _ in range(3):
        begin_run(shelf.store, often, shelf.clock, Priority.CHANGED)
        shelf.clock.advance(60)
    assert len(shelf.tasks(TaskKind.SCAN_FOLDER)) == 1
    shelf.drain()
    assert not shelf.tasks()
    assert all(run.ended_at is not None for run in shelf.store.runs.latest(10))


@pytest.mark.parametrize("moment", [0, -86_400, 4_102_444_800, 2**34])
def test_a_file_from_any_year_is_read_once_and_left_in_peace(moment: int, shelf: StepShelf) -> None:
    """F58."""
    path = shelf.put("old.safetensors", builders.lora(3))
    os.utime(path, (moment, moment))
    for _ in range(2):
        shelf.look_through()
        shelf.clock.advance(HOUR.total_seconds())
    assert shelf.file("old.safetensors").scan_phase is ScanPhase.DEEP
    before = shelf.snapshot()
    shelf.look_through()
    after = shelf.snapshot()
    assert (after.files, after.rows["files"]) == (before.files, before.rows["files"])
