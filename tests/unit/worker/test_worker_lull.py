"""A lull: what was dropped or asked for ends it, what nobody waits for does not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.task import Lane, NewTask, Priority, TaskKind
from modelshelf.worker.lull import Lull
from modelshelf.worker.worker import Worker

if TYPE_CHECKING:
    from tests.unit.steps.step_shelf import StepShelf


@pytest.mark.parametrize(
    ("priority", "is_ended"),
    [(Priority.REST, False), (Priority.CHANGED, False), (Priority.DROP, True), (Priority.PERSON, True)],
)
def test_work_that_somebody_waits_for_ends_a_lull(priority: Priority, shelf: StepShelf, *, is_ended: bool) -> None:
    shelf.clock.advance(1000)
    wanted = NewTask(TaskKind.SCAN_FOLDER, "loras", priority=priority)
    shelf.store.journal.add([wanted], shelf.clock.now())
    assert Worker(Lane.DESK, shelf.hall, "8:1").turn()
    assert shelf.hall.quiet_seconds() == (0.0 if is_ended else 1000.0)
    shelf.clock.advance(60)
    assert shelf.hall.quiet_seconds() == (60.0 if is_ended else 1060.0)


@pytest.mark.parametrize(("priority", "expected"), [(Priority.CHANGED, 1000.0), (Priority.PERSON, 0.0)])
def test_while_somebody_waits_there_is_no_lull_however_long_it_takes(
    priority: Priority, expected: float, shelf: StepShelf
) -> None:
    shelf.clock.advance(1000)
    task = shelf.task(TaskKind.SCAN_FOLDER, "loras", priority=priority)
    shelf.hall.in_hand[task.id] = (task, 0)
    assert shelf.hall.quiet_seconds() == expected


def test_a_house_begins_without_a_lull(shelf: StepShelf) -> None:
    shelf.clock.advance(1000)
    hall = replace(shelf.hall, lull=Lull(shelf.clock.monotonic()))
    assert hall.quiet_seconds() == 0.0
