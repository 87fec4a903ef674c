"""What lingers begins when nothing else is left to do in its folder, and not before."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.failure import FailureKind
from modelshelf.domain.task import Lane, NewTask, Priority, TaskKind
from tests import builders
from tests.unit.steps.step_shelf import StepShelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINGERING = (TaskKind.WRITE_SIDECARS, TaskKind.RENDER_PAGE)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[StepShelf]:
    """A shelf with one file that was read, and a page and sidecars that linger."""
    made = StepShelf(tmp_path)
    made.put("a.safetensors", builders.lora(1))
    made.read("a.safetensors")
    made.store.database.execute("DELETE FROM tasks")
    made.store.contents.owe_lookup(1, None)
    linger(made)
    yield made
    made.close()


def linger(shelf: StepShelf, priority: int = Priority.REST) -> None:
    due_at = shelf.clock.now() + timedelta(seconds=60)
    new = [NewTask(kind, "1", priority=priority, due_at=due_at) for kind in LINGERING]
    shelf.store.journal.add(new, shelf.clock.now())


def ends(shelf: StepShelf, *, is_offline: bool = False) -> bool:
    before = {task.id for task in shelf.tasks() if task.due_at <= shelf.clock.now()}
    is_told = shelf.store.journal.end_lingering(shelf.clock.now(), ["loras"], is_offline=is_offline)
    after = {task.id for task in shelf.tasks() if task.due_at <= shelf.clock.now()}
    assert is_told == (after != before)
    return is_told


def test_what_lingers_begins_where_nothing_else_is_left_to_do(shelf: StepShelf) -> None:
    assert shelf.store.journal.claim(Lane.DESK, shelf.clock.now(), ["loras"]) == []
    assert ends(shelf)
    assert {task.kind for task in shelf.store.journal.claim(Lane.DESK, shelf.clock.now())} <= set(LINGERING)


def test_with_nothing_that_lingers_nothing_is_written(shelf: StepShelf) -> None:
    shelf.store.database.execute("DELETE FROM tasks")
    before = shelf.snapshot()
    assert not ends(shelf)
    assert shelf.snapshot() == before


def test_it_waits_for_files_that_are_to_be_read(shelf: StepShelf) -> None:
    shelf.put("b.safetensors", builders.lora(2))
    shelf.scan("b.safetensors")
    assert not ends(shelf)


def test_it_waits_for_what_runs_in_its_folder_and_for_what_is_asked(shelf: StepShelf) -> None:
    shelf.store.journal.add([NewTask(TaskKind.FETCH_PREVIEWS, "1")], shelf.clock.now())
    assert not ends(shelf)
    (task,) = shelf.store.journal.claim(Lane.NETWORK, shelf.clock.now(), ["loras"])
    assert not ends(shelf)
    shelf.store.journal.settle([task])
    assert ends(shelf)


def test_it_waits_for_look_ups_that_are_due_unless_nobody_makes_them(shelf: StepShelf) -> None:
    shelf.store.contents.owe_lookup(1, shelf.clock.now() + timedelta(days=1))
    assert ends(shelf)
    shelf.store.database.execute("DELETE FROM tasks")
    linger(shelf)
    shelf.store.contents.owe_lookup(1, shelf.clock.now())
    assert not ends(shelf)
    assert ends(shelf, is_offline=True)


def test_what_failed_keeps_the_time_to_which_it_was_put_off(shelf: StepShelf) -> None:
    assert ends(shelf)
    now = shelf.clock.now()
    for task in (*shelf.store.journal.claim(Lane.DESK, now), *shelf.store.journal.claim(Lane.DESK, now)):
        shelf.store.journal.retry_at(task, now + timedelta(hours=1), "busy", FailureKind.ACCESS, now)
    assert not ends(shelf)


def test_what_somebody_waits_for_keeps_its_own_moment(shelf: StepShelf) -> None:
    shelf.store.database.execute("DELETE FROM tasks")
    linger(shelf, Priority.DROP)
    assert not ends(shelf)
