from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.failure import FailureKind
from modelshelf.domain.task import Lane, NewTask, Priority, TaskKind, TaskState
from tests.unit.store.store_builders import DAY, NOW, SECOND, new_task

if TYPE_CHECKING:
    from modelshelf.domain.task import Task
    from modelshelf.store.store import Store

LATER = NOW + 10 * SECOND


def only_task(store: Store) -> Task:
    (task,) = store.journal.claim(Lane.DESK, NOW + 365 * DAY)
    store.journal.release([task])
    return task


def test_a_task_comes_back_as_it_was_added(store: Store) -> None:
    added = NewTask(TaskKind.SCAN_FOLDER, "a", b"x/\xff\n", Priority.PERSON, NOW - DAY, 7, is_forced=True)
    store.journal.add([added], NOW)
    task = store.journal.claim(Lane.DESK, NOW)[0]
    assert (task.kind, task.subject, task.path) == (TaskKind.SCAN_FOLDER, "a", b"x/\xff\n")
    assert (task.priority, task.run_id, task.is_forced) == (Priority.PERSON, 7, True)
    assert (task.queued_at, task.due_at, task.state) == (NOW, NOW - DAY, TaskState.RUNNING)
    assert (task.attempts, task.crashes, task.last_error) == (0, 0, None)


def test_a_task_without_a_time_is_due_now(store: Store) -> None:
    store.journal.add([new_task(1)], NOW)
    assert only_task(store).due_at == NOW


def test_nothing_to_add_writes_nothing(store: Store) -> None:
    before = store.database._connection.total_changes
    store.journal.add([], NOW)
    assert store.database._connection.total_changes == before


def test_one_task_waits_per_kind_subject_and_path(store: Store) -> None:
    scans = [NewTask(TaskKind.SCAN_FOLDER, subject, path) for subject in "ab" for path in (b"", b"x")]
    store.journal.add([*scans, *scans, new_task("a"), new_task("a")], NOW)
    assert store.journal.owed() == {TaskKind.SCAN_FOLDER: 4, TaskKind.WRITE_SIDECARS: 1}


def test_a_queued_task_takes_the_earlier_time_and_the_higher_priority(store: Store) -> None:
    store.journal.add([new_task(1, priority=Priority.DROP, due_at=LATER)], NOW)
    store.journal.add([new_task(1, priority=Priority.REST, due_at=NOW)], NOW + SECOND)
    task = only_task(store)
    assert (task.priority, task.due_at, task.queued_at) == (Priority.DROP, NOW, NOW)
    store.journal.add([new_task(1, priority=Priority.PERSON, due_at=LATER)], NOW)
    task = only_task(store)
    assert (task.priority, task.due_at) == (Priority.PERSON, NOW)


def test_a_queued_task_keeps_its_run_or_gets_one(store: Store) -> None:
    kind = TaskKind.WRITE_SIDECARS
    store.journal.add([NewTask(kind, "1"), NewTask(kind, "1", run_id=3), NewTask(kind, "1", run_id=4)], NOW)
    assert only_task(store).run_id == 3


def test_a_queued_task_is_forced_once_anybody_forces_it(store: Store) -> None:
    kind = TaskKind.WRITE_SIDECARS
    store.journal.add([NewTask(kind, "1"), NewTask(kind, "1", is_forced=True), NewTask(kind, "1")], NOW)
    assert only_task(store).is_forced


def test_a_task_added_while_it_runs_is_queued_again_when_it_is_settled(store: Store) -> None:
    store.journal.add([new_task(1)], NOW)
    (task,) = store.journal.claim(Lane.DESK, NOW)
    store.journal.add([new_task(1, priority=Priority.DROP, due_at=LATER)], NOW)
    store.journal.add([new_task(1, priority=Priority.CHANGED, due_at=LATER + DAY)], NOW + SECOND)
    assert store.journal.claim(Lane.DESK, NOW + DAY) == []
    store.journal.settle([task])
    assert store.journal.claim(Lane.DESK, LATER - SECOND) == []
    (again,) = store.journal.claim(Lane.DESK, LATER)
    assert (again.priority, again.due_at, again.queued_at) == (Priority.DROP, LATER, NOW + SECOND)
    store.journal.settle([again])
    assert store.journal.owed() == {}


def test_what_was_forced_once_is_not_forced_when_it_is_queued_again(store: Store) -> None:
    kind = TaskKind.WRITE_SIDECARS
    store.journal.add([NewTask(kind, "1", is_forced=True)], NOW)
    forced = store.journal.claim(Lane.DESK, NOW)
    store.journal.add([NewTask(kind, "1")], NOW)
    store.journal.settle(forced)
    assert not only_task(store).is_forced


def test_a_failed_task_that_is_added_begins_anew(store: Store) -> None:
    store.journal.add([NewTask(TaskKind.WRITE_SIDECARS, "1", priority=Priority.PERSON, run_id=1)], NOW)
    (task,) = store.journal.claim(Lane.DESK, NOW)
    store.journal.fail(task, "no", FailureKind.ACCESS, NOW)
    store.journal.add([NewTask(TaskKind.WRITE_SIDECARS, "1", priority=Priority.REST, run_id=2)], LATER)
    again = only_task(store)
    assert (again.attempts, again.crashes, again.last_error) == (0, 0, None)
    assert (again.failure_kind, again.failed_at) == (None, None)
    assert (again.priority, again.due_at, again.queued_at, again.run_id) == (Priority.REST, LATER, LATER, 2)
    assert store.journal.failures() == []


def test_tasks_added_in_a_transaction_that_fails_were_never_added(store: Store) -> None:
    def add_and_fail() -> None:
        with store.database.transaction():
            store.journal.add([new_task(1)], NOW)
            raise KeyError

    with pytest.raises(KeyError):
        add_and_fail()
    assert store.journal.owed() == {}
