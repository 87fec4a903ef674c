"""Reading that a person wanted at once and does not any more is given back in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.task import Lane, Priority, TaskKind, TaskState
from modelshelf.store.orders import Orders
from modelshelf.worker.worker import Worker
from tests import builders
from tests.unit.steps.step_shelf import TRAITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.domain.task import NewTask, Task
    from modelshelf.steps.step import Done, Outcome, Reins
    from tests.unit.steps.step_shelf import StepShelf

NAMES = ("a.safetensors", "b.safetensors")


class LongRead:
    """A step in the middle of whose first read somebody says that it is not wanted any more, or says nothing."""

    kind = TaskKind.HASH_FILE

    def __init__(self, shelf: StepShelf, path: bytes | None) -> None:
        self._shelf = shelf
        self._path = path
        self.came_to: list[str] = []

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[None]]:
        for task in tasks:
            reins.advance(task, 1)
            if self._path is not None:
                self._shelf.store.reading.ease("loras", self._path)
            self._shelf.hall.ease()
            reins.advance(task, 2)
            self.came_to.append(task.subject)
        return []

    def record(self, done: Sequence[Done[None]]) -> list[NewTask]:
        raise AssertionError(done)


@pytest.fixture
def asked(shelf: StepShelf) -> StepShelf:
    """Give a shelf whose two files were asked for by a person, and are to be hashed."""
    for name in NAMES:
        shelf.put(name, builders.lora(sum(name.encode())))
    shelf.scan(priority=Priority.DEEP)
    for name in NAMES:
        shelf.do(TaskKind.INSPECT_FILE, name)
    return shelf


def read(shelf: StepShelf, path: bytes | None) -> LongRead:
    step = shelf.steps[TaskKind.HASH_FILE] = LongRead(shelf, path)
    Worker(Lane.DISK, shelf.hall, TRAITS.id).turn()
    return step


def test_what_is_not_wanted_any_more_is_given_back_to_wait_for_its_turn(asked: StepShelf) -> None:
    assert read(asked, b"").came_to == []
    assert {(task.state, task.priority, task.attempts) for task in asked.tasks()} == {
        (TaskState.QUEUED, Priority.REST, 0)
    }
    assert not asked.hall.in_hand
    assert not asked.hall.unwanted


def test_a_stop_elsewhere_costs_what_is_in_hand_nothing(asked: StepShelf) -> None:
    assert len(read(asked, b"elsewhere").came_to) == 2
    assert len(read(asked, None).came_to) == 2


def test_an_order_that_another_process_took_back_is_heeded(asked: StepShelf) -> None:
    asked.store.orders.add(["loras", "more"])
    Orders(asked.store.database).fulfil(["loras"])
    asked.hall.ease()
    assert asked.store.orders.folder_ids == {"more"}


def test_of_a_batch_that_alone_is_given_back_which_is_not_wanted(asked: StepShelf) -> None:
    step = read(asked, b"b.safetensors")
    assert str(asked.file("b.safetensors").id) not in step.came_to
    assert {task.subject: task.priority for task in asked.tasks()} == {
        str(asked.file("a.safetensors").id): Priority.PERSON,
        str(asked.file("b.safetensors").id): Priority.REST,
    }


def test_a_task_that_comes_again_is_wanted_again(asked: StepShelf) -> None:
    read(asked, b"")
    asked.store.reading.raise_to("loras", b"", Priority.PERSON)
    assert len(read(asked, None).came_to) == 2
