"""A window that passed while nobody was awake, and orders that are fulfilled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.failure import FailureKind
from modelshelf.domain.job import Appointment, Deed, JobKind
from modelshelf.domain.task import NewTask, Priority, TaskKind
from modelshelf.domain.window import Windows, parse_windows
from modelshelf.steps.beginning import begin_run
from modelshelf.worker.leave import Leave, Terms
from modelshelf.worker.wakefulness import fulfil_orders, note_awake, rise, wake_up
from tests import builders

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelshelf.worker.hall import Hall
    from tests.unit.steps.step_shelf import StepShelf

HOUR = 3600.0
NIGHT = Windows(parse_windows(["01:00-06:00"]), UTC)


@pytest.fixture
def hall(shelf: StepShelf) -> Hall:
    """Give the hall of a house that is bound to a window; its clock stands at noon."""
    return awake_anew(shelf.hall)


def awake_anew(hall: Hall) -> Hall:
    return replace(hall, leave=Leave({"loras": Terms(windows=NIGHT)}, is_missed_made_up=True))


def is_held(hall: Hall) -> bool:
    return bool(hall.leave.held(["loras"], hall.clock.now()))


def test_at_the_first_start_nothing_was_missed(hall: Hall) -> None:
    rise(hall)
    assert is_held(hall)


@pytest.mark.parametrize(("hours", "is_missed"), [(20.0, True), (6.0, False)])
def test_a_window_that_passed_while_the_daemon_was_off_is_made_up_for(
    hours: float, shelf: StepShelf, hall: Hall, *, is_missed: bool
) -> None:
    rise(hall)
    shelf.clock.advance(4 * HOUR)
    note_awake(hall)
    shelf.clock.advance(hours * HOUR)
    again = awake_anew(hall)
    rise(again)
    assert is_held(again) is not is_missed
    shelf.clock.advance(5 * HOUR)
    assert is_held(again) is is_missed, "for as long as the window was, and then its own time comes"


def test_a_start_counts_as_awake_for_the_next_one(shelf: StepShelf, hall: Hall) -> None:
    note_awake(hall)
    shelf.clock.advance(20 * HOUR)
    rise(awake_anew(hall))
    shelf.clock.advance(HOUR)
    third = awake_anew(hall)
    rise(third)
    assert is_held(third)


def chunk(shelf: StepShelf) -> None:
    shelf.store.database.execute(
        "INSERT INTO chunks (folder_id, device, directory, file_count, size_bytes, worth, newest_file_id, planned_at,"
        " heard_at, file_ids) VALUES ('loras', '8:1', x'', 1, 1, 1, 1, 0, ?, x'')",
        (shelf.clock.now().timestamp(),),
    )


def run(shelf: StepShelf) -> None:
    shelf.store.runs.end(shelf.store.runs.start(None, shelf.clock.now()), shelf.clock.now())


def event_of_file(shelf: StepShelf) -> None:
    shelf.store.events.add("file_moved", shelf.clock.now(), file_id=1)


def begun_run(shelf: StepShelf) -> None:
    shelf.store.runs.start(None, shelf.clock.now())


def event_of_folder(shelf: StepShelf) -> None:
    shelf.store.events.add("folder_went_offline", shelf.clock.now(), folder_id="loras")


@pytest.mark.parametrize(
    ("leave_trace", "is_made_up"),
    [(chunk, False), (run, False), (event_of_file, False), (begun_run, True), (event_of_folder, True)],
)
def test_a_daemon_that_was_killed_by_day_was_awake_until_the_last_trace_that_only_it_leaves(
    leave_trace: Callable[[StepShelf], None], shelf: StepShelf, hall: Hall, *, is_made_up: bool
) -> None:
    rise(hall)
    shelf.clock.advance(10 * 24 * HOUR)
    leave_trace(shelf)
    shelf.clock.advance(2 * HOUR)
    again = awake_anew(hall)
    rise(again)
    assert is_held(again) is not is_made_up


def test_a_trace_of_a_time_to_come_tells_nothing(shelf: StepShelf, hall: Hall) -> None:
    rise(hall)
    shelf.clock.advance(30 * 24 * HOUR)
    run(shelf)
    shelf.clock.advance(-29 * 24 * HOUR)
    again = awake_anew(hall)
    rise(again)
    assert not is_held(again)


def test_a_window_that_passed_while_the_machine_slept_is_made_up_for(shelf: StepShelf, hall: Hall) -> None:
    shelf.clock.advance(20 * HOUR)
    assert is_held(hall)
    wake_up(hall, 2 * HOUR)
    assert is_held(hall)
    wake_up(hall, 9 * HOUR)
    assert not is_held(hall)


def test_a_clock_that_was_set_back_has_missed_nothing(shelf: StepShelf, hall: Hall) -> None:
    shelf.clock.advance(20 * HOUR)
    wake_up(hall, -20 * HOUR)
    assert is_held(hall)


def test_an_order_is_fulfilled_when_all_was_looked_through_and_read(shelf: StepShelf) -> None:
    shelf.put("a.safetensors", builders.lora(1))
    deep = Appointment("deep", (Deed(JobKind.DEEP_SCAN, ("loras",)),))
    begin_run(shelf.store, deep, shelf.clock, Priority.CHANGED)
    fulfil_orders(shelf.hall)
    assert shelf.store.orders.folder_ids == {"loras"}, "the scan is owed"
    shelf.scan()
    shelf.store.journal.drop_scans(shelf.tasks())
    fulfil_orders(shelf.hall)
    assert shelf.store.orders.folder_ids == {"loras"}, "the reading is owed"
    shelf.drain()
    fulfil_orders(shelf.hall)
    assert shelf.store.orders.folder_ids == set()


def test_an_order_stands_until_all_is_verified_that_is_due(shelf: StepShelf) -> None:
    shelf.put("a.safetensors", builders.lora(1))
    shelf.look_through()
    shelf.store.orders.add(["loras"])
    subject = str(shelf.file("a.safetensors").id)
    shelf.store.journal.add([NewTask(TaskKind.VERIFY_FILE, subject, priority=Priority.VERIFY)], shelf.clock.now())
    fulfil_orders(shelf.hall)
    assert shelf.store.orders.folder_ids == {"loras"}
    shelf.drain()
    fulfil_orders(shelf.hall)
    assert shelf.store.orders.folder_ids == set()


def test_a_file_that_failed_for_good_keeps_no_order_open(shelf: StepShelf) -> None:
    shelf.put("a.safetensors", builders.lora(1))
    shelf.scan()
    shelf.store.orders.add(["loras"])
    (task,) = shelf.store.journal.claim_files(TaskKind.INSPECT_FILE, [shelf.file("a.safetensors").id])
    shelf.store.journal.fail(task, "poison", FailureKind.INVALID_FORMAT, shelf.clock.now())
    fulfil_orders(shelf.hall)
    assert shelf.store.orders.folder_ids == set()


def test_a_moment_is_read_again_as_it_was_kept(shelf: StepShelf, hall: Hall) -> None:
    note_awake(hall)
    kept = shelf.store.standing.get("awake_at")
    assert kept is not None
    assert datetime.fromisoformat(kept) == shelf.clock.now()
    assert datetime.fromisoformat(kept).utcoffset() == timedelta(0)
