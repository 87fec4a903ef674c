from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.task import ORDER, Lane, NewTask, TaskKind
from modelshelf.steps.step import Done
from modelshelf.worker import staff as room
from modelshelf.worker.slots import FAST_BYTES_PER_SECOND
from modelshelf.worker.staff import Staff
from tests import builders
from tests.unit.steps.step_shelf import TRAITS
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from modelshelf.domain.task import Task
    from modelshelf.steps.step import Outcome, Reins
    from tests.unit.steps.step_shelf import StepShelf


class Employer:
    """A staff over devices that a test names."""

    def __init__(self, shelf: StepShelf) -> None:
        self.devices = {TRAITS.id}
        self.staff = Staff(shelf.hall, lambda: self.devices, tuple(Lane))

    def names(self) -> list[str]:
        return sorted(worker.name for worker in self.staff.workers)


@pytest.fixture
def employer(shelf: StepShelf) -> Iterator[Employer]:
    made = Employer(shelf)
    yield made
    shelf.hall.stopping.set()
    shelf.hall.bell.ring()
    for worker in made.staff.workers:
        worker.join(10)


class HeldStep:
    """A scan that is held until the test lets go."""

    kind = TaskKind.SCAN_FOLDER

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.asked = threading.Event()

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[None]]:
        self.asked.set()
        self.answers.wait(60)
        return [Done(task, None, is_followed=False) for task in tasks]

    def record(self, done: Sequence[Done[None]]) -> list[NewTask]:
        return []


def hold_the_desk(shelf: StepShelf) -> HeldStep:
    """Have the desk's worker held by a scan."""
    step = shelf.steps[TaskKind.SCAN_FOLDER] = HeldStep()
    shelf.store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras")], shelf.clock.now())
    shelf.hall.bell.ring()
    assert step.asked.wait(10)
    return step


def of(device: str) -> list[str]:
    """Give the names of all workers where one device is there."""
    network = ["worker-network", f"worker-network-{device}", f"worker-network-{device}-2"]
    return [f"worker-desk-{device}", f"worker-disk-{device}", *network]


def test_each_device_has_its_workers_on_each_lane_and_the_network_one_more(employer: Employer) -> None:
    employer.staff.renew()
    assert employer.names() == of("8:1")
    workers = [*employer.staff.workers]
    employer.staff.renew()
    assert employer.staff.workers == workers


def test_without_the_network_nobody_is_hired_for_it(shelf: StepShelf, employer: Employer) -> None:
    employer.staff = Staff(shelf.hall, lambda: employer.devices, (Lane.DESK, Lane.DISK))
    employer.staff.renew()
    assert employer.names() == ["worker-desk-8:1", "worker-disk-8:1"]


class SlowPictures(HeldStep):
    """Pictures that come when two files of the device are being pictured at once."""

    kind = TaskKind.FETCH_PREVIEWS

    def __init__(self) -> None:
        super().__init__()
        self._both = threading.Barrier(2)

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[None]]:
        self._both.wait(10)
        return super().perform(tasks, reins)


def test_two_files_of_a_device_are_pictured_at_once(shelf: StepShelf, employer: Employer) -> None:
    for number in range(2 * ORDER[TaskKind.FETCH_PREVIEWS].batch_limit):
        shelf.put(f"{number}.safetensors", builders.lora(number))
    shelf.scan()
    step = shelf.steps[TaskKind.FETCH_PREVIEWS] = SlowPictures()
    step.answers.set()
    ids = [row["id"] for row in shelf.store.database.rows("SELECT id FROM files")]
    shelf.store.database.execute("UPDATE files SET scan_phase = 1")
    shelf.store.journal.add([NewTask(TaskKind.FETCH_PREVIEWS, str(each)) for each in ids], shelf.clock.now())
    employer.staff.renew()
    wait_until(lambda: not shelf.tasks(TaskKind.FETCH_PREVIEWS))


def test_a_device_that_comes_gets_workers_and_those_of_one_that_goes_end(employer: Employer) -> None:
    employer.staff.renew()
    employer.devices = {"9:1"}
    gone = [worker for worker in employer.staff.workers if worker.device == TRAITS.id]
    employer.staff.renew()
    wait_until(lambda: not any(worker.is_alive() for worker in gone))
    assert employer.staff.is_alive()
    employer.staff.renew()
    assert employer.names() == of("9:1")


def test_a_device_that_comes_back_gets_a_new_worker_as_soon_as_the_old_one_has_let_go(
    shelf: StepShelf, employer: Employer
) -> None:
    employer.staff.renew()
    step = hold_the_desk(shelf)
    (held,) = [worker for worker in employer.staff.workers if worker.name == "worker-desk-8:1"]
    employer.devices = set()
    employer.staff.renew()
    employer.devices = {TRAITS.id}
    employer.staff.renew()
    assert [worker for worker in employer.staff.workers if worker.name == held.name] == [held]
    assert employer.staff.is_alive()
    step.answers.set()
    wait_until(lambda: not held.is_alive())
    employer.staff.renew()
    (hired,) = [worker for worker in employer.staff.workers if worker.name == held.name]
    assert hired is not held
    assert not hired.is_dismissed


def test_a_device_is_silent_while_a_worker_of_it_gives_no_sign_of_life(shelf: StepShelf, employer: Employer) -> None:
    employer.staff.renew()
    step = hold_the_desk(shelf)
    shelf.clock.advance(room.SILENT_SECONDS)
    assert employer.staff.silent_devices() == set()
    shelf.clock.advance(1)
    assert employer.staff.silent_devices() == {TRAITS.id}
    step.answers.set()
    wait_until(lambda: not employer.staff.silent_devices())


def test_a_fast_disk_gets_one_reader_more_as_soon_as_that_is_known(shelf: StepShelf, employer: Employer) -> None:
    shelf.hall.speeds._most = 2
    employer.staff.renew()
    shelf.hall.speeds.begin(TRAITS.id)
    shelf.hall.speeds.note(TRAITS.id, 2 * FAST_BYTES_PER_SECOND, 2.0)
    assert [name for name in employer.names() if "disk" in name] == ["worker-disk-8:1", "worker-disk-8:1-2"]
    (second,) = [worker for worker in employer.staff.workers if worker.name.endswith("disk-8:1-2")]
    shelf.hall.speeds.begin(TRAITS.id)
    shelf.hall.speeds.note(TRAITS.id, FAST_BYTES_PER_SECOND, 2.0)
    assert second.is_dismissed
    wait_until(lambda: not second.is_alive())


def test_nobody_is_hired_while_the_house_closes(shelf: StepShelf, employer: Employer) -> None:
    shelf.hall.speeds._most = 2
    shelf.hall.stopping.set()
    shelf.hall.speeds.begin(TRAITS.id)
    shelf.hall.speeds.note(TRAITS.id, 2 * FAST_BYTES_PER_SECOND, 2.0)
    assert employer.names() == []
