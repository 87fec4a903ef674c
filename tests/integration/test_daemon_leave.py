"""The house keeps to what was said of reading in bulk: it waits for its leave, and a drop or a person does not."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf.clock import SystemClock
from modelshelf.config import load_config
from modelshelf.daemon import House
from modelshelf.domain.job import Deed, JobKind
from modelshelf.domain.model_file import ScanPhase
from modelshelf.domain.task import NewTask, Priority, TaskKind
from modelshelf.settings import appointment
from modelshelf.shelf.lease import prepare_leases
from modelshelf.steps.beginning import begin_run
from modelshelf.store.store import Store
from tests import builders
from tests.idle import is_idle
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """
input_paths: {{shelf: {{path: {root}/models, type: LORA, deep_scan: {{{terms}}}}}}}
store: {{directory: {root}/state}}
offline: true
schedule: {{timezone: UTC}}
deep_scan: {{missed: run, pause_on_battery: false}}
jobs: {{deep: {{type: deep-scan}}}}
"""
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
WINDOW = "window: '13:00-14:00'"


class TurnedClock(SystemClock):
    """The machine's clock, as if the test had begun at noon; `shift` turns it on."""

    def __init__(self) -> None:
        self.shift = NOON - super().now()

    def now(self) -> datetime:
        return super().now() + self.shift


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@contextmanager
def opened(root: Path, clock: TurnedClock, terms: str) -> Iterator[House]:
    """Open a house with one folder that lies on these terms, and one file in it that a scan finds."""
    prepare_leases()
    (root / "models").mkdir(exist_ok=True)
    (root / "modelshelf.yaml").write_text(CONFIG.format(root=root, terms=terms))
    store = Store.open(root / "state" / "modelshelf.db")
    house = House(load_config(root / "modelshelf.yaml", {"HOME": "/nowhere"}), store, clock)
    try:
        house.open()
        yield house
    finally:
        house.close()
        store.close()


def put_before(root: Path, name: str = "old.safetensors") -> None:
    """Let a file lie there before the house is opened."""
    (root / "models").mkdir(exist_ok=True)
    (root / "models" / name).write_bytes(builders.lora(len(name)))


def is_read(house: House, name: str = "old.safetensors") -> bool:
    file = house.store.files.at("shelf", name.encode())
    return file is not None and file.scan_phase is ScanPhase.DEEP


def is_at_rest(house: House) -> bool:
    """Tell whether the folder was looked through and nobody has anything in hand; what waits for leave waits."""
    is_scanned = house.store.folders.state("shelf").last_scan_at is not None
    is_owed = house.store.journal.is_owed(TaskKind.SCAN_FOLDER, "shelf")
    return is_scanned and not is_owed and not house.hall.in_hand


def wait_for_rest(house: House) -> None:
    wait_until(lambda: is_at_rest(house))


def test_what_a_scan_finds_is_read_when_the_window_opens_and_a_drop_at_once(tmp_path: Path, clock: TurnedClock) -> None:
    put_before(tmp_path)
    with opened(tmp_path, clock, WINDOW) as house:
        wait_for_rest(house)
        assert not is_read(house)
        assert house.hall.leave.held(["shelf"], clock.now()) == {"shelf": "outside its window until Fri 13:00"}
        (tmp_path / "models" / "drop.safetensors").write_bytes(builders.lora(2))
        wait_until(lambda: is_read(house, "drop.safetensors"))
        assert not is_read(house)
        clock.shift += timedelta(minutes=61)
        house.heed_clock(0.0)
        wait_until(lambda: is_read(house))


def test_the_worker_wakes_by_itself_when_the_window_opens(tmp_path: Path, clock: TurnedClock) -> None:
    put_before(tmp_path)
    clock.shift += timedelta(minutes=59, seconds=57)
    with opened(tmp_path, clock, WINDOW) as house:
        wait_until(lambda: is_read(house))
        assert clock.now() >= NOON + timedelta(hours=1)


def test_a_person_waits_for_no_window(tmp_path: Path, clock: TurnedClock) -> None:
    put_before(tmp_path)
    with opened(tmp_path, clock, WINDOW) as house:
        wait_for_rest(house)
        asked = NewTask(TaskKind.SCAN_FOLDER, "shelf", priority=Priority.DEEP)
        house.store.reading.raise_to("shelf", b"", Priority.PERSON)
        house.store.journal.add([asked], clock.now())
        house.bell.ring()
        wait_until(lambda: is_read(house))


def test_a_window_that_the_machine_slept_through_is_made_up_for(tmp_path: Path, clock: TurnedClock) -> None:
    put_before(tmp_path)
    with opened(tmp_path, clock, WINDOW) as house:
        wait_for_rest(house)
        clock.shift += timedelta(hours=6)
        house.heed_clock(timedelta(hours=6).total_seconds())
        wait_until(lambda: is_read(house))


def test_a_window_that_passed_while_the_daemon_was_off_is_made_up_for(tmp_path: Path, clock: TurnedClock) -> None:
    put_before(tmp_path)
    with opened(tmp_path, clock, WINDOW) as house:
        wait_for_rest(house)
    clock.shift += timedelta(hours=6)
    with opened(tmp_path, clock, WINDOW) as house:
        wait_until(lambda: is_read(house))


def test_what_is_read_on_demand_only_is_read_by_a_job_which_then_is_over(tmp_path: Path, clock: TurnedClock) -> None:
    put_before(tmp_path)
    with opened(tmp_path, clock, "background: false") as house:
        wait_for_rest(house)
        assert not is_read(house)
        run_id = begin_run(house.store, appointment(house.config, house.config.jobs[0]), clock, Priority.CHANGED)
        house.bell.ring()
        wait_until(lambda: is_read(house))
        wait_until(lambda: is_idle(house))
        house.mend()
        run = house.store.runs.get(run_id)
        assert run is not None
        assert run.ended_at is not None
        assert house.store.orders.folder_ids == set()
        put_before(tmp_path, "later.safetensors")
        wait_until(lambda: is_read(house, "later.safetensors"))


def test_what_is_read_on_demand_only_is_verified_by_a_job(tmp_path: Path, clock: TurnedClock) -> None:
    put_before(tmp_path)
    with opened(tmp_path, clock, "background: true") as house:
        wait_until(lambda: is_read(house))
        wait_until(lambda: is_idle(house))
    clock.shift += timedelta(days=100)
    with opened(tmp_path, clock, "background: false") as house:
        verify = replace(appointment(house.config, house.config.jobs[0]), deeds=(Deed(JobKind.VERIFY, ("shelf",)),))
        run_id = begin_run(house.store, verify, clock, Priority.CHANGED)
        house.bell.ring()

        def is_over() -> bool:
            house.mend()
            run = house.store.runs.get(run_id)
            return run is not None and run.ended_at is not None and run.statistics.verified == 1

        wait_until(is_over)


def test_an_order_outlasts_a_restart(tmp_path: Path, clock: TurnedClock) -> None:
    put_before(tmp_path)
    terms = f"background: false, {WINDOW}"
    with opened(tmp_path, clock, terms) as house:
        wait_for_rest(house)
        begin_run(house.store, appointment(house.config, house.config.jobs[0]), clock, Priority.CHANGED)
        house.bell.ring()
        wait_for_rest(house)
        assert not is_read(house)
    clock.shift += timedelta(minutes=61)
    with opened(tmp_path, clock, terms) as house:
        wait_until(lambda: is_read(house))
