from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.failure import FailureKind
from modelshelf.domain.task import Lane, NewTask, Priority, TaskKind, TaskState
from modelshelf.store.suspects import CRASHES_UNTIL_ALONE, CRASHES_UNTIL_FAILED
from tests.unit.store.store_builders import DAY, NOW, SECOND, add_file, add_read_file, new_task

if TYPE_CHECKING:
    from datetime import datetime

    from modelshelf.domain.task import Task
    from modelshelf.store.store import Store

MINUTE = 60 * SECOND


def die(store: Store, subject: object, times: int, now: datetime = NOW) -> None:
    """Let the daemon die so often with this task in hand."""
    for _ in range(times):
        store.database.execute("UPDATE tasks SET state = 'running' WHERE subject = ?", (str(subject),))
        store.journal.recover(now)


def claimed(store: Store, now: datetime, lane: Lane = Lane.DESK) -> list[str]:
    return [task.subject for task in store.journal.claim(lane, now)]


def due_at(store: Store, subject: str) -> datetime:
    (task,) = store.journal.claim(Lane.DESK, NOW + 30 * DAY)
    assert task.subject == subject
    store.journal.release([task])
    return task.due_at


def test_one_crash_proves_nothing(store: Store) -> None:
    store.journal.add([new_task(1), new_task(2)], NOW)
    die(store, 1, 1)
    assert claimed(store, NOW) == ["1", "2"]


def test_what_killed_twice_comes_after_all_innocents_of_the_lane_and_alone(store: Store) -> None:
    store.journal.add([new_task(number, priority=Priority.PERSON) for number in (1, 2)], NOW - DAY)
    for number in (1, 2):
        die(store, number, CRASHES_UNTIL_ALONE)
    store.journal.add([new_task(3), new_task(4)], NOW)
    file_id = add_file(store, b"derived")
    later = NOW + DAY
    batches = [claimed(store, later) for _ in range(2)]
    assert batches == [[str(file_id)], ["3", "4"]] or batches == [["3", "4"], [str(file_id)]]
    assert claimed(store, later) == ["1"]


def test_the_kin_of_a_file_that_kills_are_inspected_before_it(store: Store) -> None:
    poisoned = add_file(store, b"poison", priority=Priority.DROP)
    for _ in range(CRASHES_UNTIL_ALONE):
        assert claimed(store, NOW) == [str(poisoned)]
        store.journal.recover(NOW)
    kin = [add_file(store, b"kin-%d" % number) for number in range(3)]
    assert claimed(store, NOW + DAY) == [str(each) for each in kin]
    assert claimed(store, NOW + DAY) == [str(poisoned)]


def test_two_suspects_are_never_in_hand_at_once_on_any_lane(store: Store) -> None:
    file_id, _ = add_read_file(store, b"large", 1)
    store.journal.add([new_task(77), new_task(file_id, TaskKind.HASH_FILE)], NOW)
    for subject in (77, file_id):
        die(store, subject, CRASHES_UNTIL_ALONE)
    later = NOW + DAY
    (first,) = store.journal.claim(Lane.DISK, later)
    assert claimed(store, later) == []
    assert store.journal.next_due_at(Lane.DESK) is None
    store.journal.add([new_task(5)], later)
    assert claimed(store, later) == ["5"]
    store.journal.settle([first])
    assert store.journal.next_due_at(Lane.DESK) == NOW
    assert claimed(store, later) == ["77"]


@pytest.mark.parametrize(("crashes", "minutes"), [(2, 0), (3, 1), (4, 2), (5, 4), (6, 8)])
def test_what_killed_alone_waits_twice_as_long_each_time(store: Store, crashes: int, minutes: int) -> None:
    store.journal.add([new_task(1)], NOW)
    die(store, 1, crashes)
    moment = NOW + timedelta(minutes=minutes)
    assert store.journal.next_due_at(Lane.DESK) == moment
    assert claimed(store, moment - SECOND) == []
    (task,) = store.journal.claim(Lane.DESK, moment)
    assert (task.crashes, task.attempts) == (crashes, 0)
    assert task.last_error == f"the daemon died {crashes} times with this in hand"


def dead(store: Store) -> Task:
    """Let a task kill until it is given up."""
    store.journal.add([new_task(1)], NOW)
    die(store, 1, CRASHES_UNTIL_FAILED)
    (task,) = store.journal.failures()
    return task


def test_what_killed_seven_times_is_given_up_with_the_reason(store: Store) -> None:
    task = dead(store)
    assert (task.state, task.crashes, task.failed_at) == (TaskState.FAILED, 7, NOW)
    assert (task.last_error, task.failure_kind) == ("the daemon died 7 times with this in hand", FailureKind.INTERNAL)
    assert claimed(store, NOW + 365 * DAY) == []
    assert store.journal.next_due_at(Lane.DESK) is None


def test_what_was_given_up_for_killing_comes_back_as_new_by_a_person_alone(store: Store) -> None:
    task = dead(store)
    store.journal.add([new_task(1, priority=Priority.DROP)], NOW)
    assert [each.id for each in store.journal.failures()] == [task.id]
    store.journal.add([new_task(1, priority=Priority.PERSON)], NOW)
    (again,) = store.journal.claim(Lane.DESK, NOW)
    assert (again.crashes, again.attempts) == (0, 0)


def test_what_was_given_up_for_killing_can_be_tried_again(store: Store) -> None:
    dead(store)
    assert store.journal.bring_back(None, NOW) == 1
    (again,) = store.journal.claim(Lane.DESK, NOW)
    assert (again.crashes, again.last_error) == (0, None)


def test_events_do_not_bring_a_suspect_forward_but_a_person_does(store: Store) -> None:
    store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "a")], NOW)
    die(store, "a", 3)
    store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "a", priority=Priority.CHANGED)], NOW)
    assert due_at(store, "a") == NOW + MINUTE
    store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "a", priority=Priority.PERSON)], NOW)
    assert due_at(store, "a") == NOW


def test_what_was_added_while_it_killed_is_neither_lost_nor_sooner(store: Store) -> None:
    store.journal.add([new_task(1)], NOW)
    die(store, 1, 2)
    (task,) = store.journal.claim(Lane.DESK, NOW)
    store.journal.add([NewTask(TaskKind.WRITE_SIDECARS, "1", priority=Priority.DROP, is_forced=True)], NOW)
    store.journal.recover(NOW)
    (again,) = store.journal.claim(Lane.DESK, NOW + DAY)
    assert (again.id, again.due_at) == (task.id, NOW + MINUTE)
    assert (again.priority, again.is_forced) == (Priority.DROP, True)


def test_a_suspect_that_is_done_leaves_nothing_behind(store: Store) -> None:
    store.journal.add([new_task(1)], NOW)
    die(store, 1, 3)
    store.journal.settle(store.journal.claim(Lane.DESK, NOW + DAY))
    store.journal.add([new_task(1)], NOW)
    assert [task.crashes for task in store.journal.claim(Lane.DESK, NOW)] == [0]


def test_a_suspect_in_a_folder_that_is_away_waits_for_it(store: Store) -> None:
    file_id, _ = add_read_file(store, b"x", 1, folder_id="b")
    store.journal.add([new_task(file_id)], NOW)
    die(store, file_id, 2)
    assert store.journal.claim(Lane.DESK, NOW + DAY, ["a"]) == []
    assert store.journal.next_due_at(Lane.DESK, ["a"]) is None
    assert len(store.journal.claim(Lane.DESK, NOW + DAY, ["b"])) == 1


def test_suspects_are_owed_like_others(store: Store) -> None:
    file_id, _ = add_read_file(store, b"x", 1)
    store.journal.add([new_task(file_id), new_task("a", TaskKind.SCAN_FOLDER)], NOW)
    die(store, file_id, 3)
    expected = {TaskKind.WRITE_SIDECARS: 1, TaskKind.SCAN_FOLDER: 1}
    assert store.journal.owed() == store.journal.owed("a") == expected
    assert store.journal.owed("a", until=NOW) == {TaskKind.SCAN_FOLDER: 1}
    assert store.journal.owed("b") == {}


def test_of_two_processes_that_want_one_suspect_one_gets_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.journal.add([new_task(1), new_task(2)], NOW)
    for number in (1, 2):
        die(store, number, 2)
    begin = store.database.transaction
    taken: list[str] = []

    def late() -> object:
        if not taken:
            taken.append("")
            taken[:] = claimed(store, NOW + DAY)
        return begin()

    monkeypatch.setattr(store.database, "transaction", late)
    assert claimed(store, NOW + DAY) == []
    assert taken == ["1"]


def test_without_a_time_the_machine_s_clock_counts(store: Store) -> None:
    store.journal.add([new_task(1)], NOW)
    store.database.execute("UPDATE tasks SET state = 'running', crashes = 2")
    assert store.journal.recover() == 1
    moment = store.journal.next_due_at(Lane.DESK)
    assert moment is not None
    assert moment > NOW + MINUTE


@pytest.mark.parametrize("kind", [TaskKind.INSPECT_FILE, TaskKind.HASH_FILE, TaskKind.FETCH_PREVIEWS])
def test_what_is_read_apart_is_never_given_up_because_the_daemon_died(store: Store, kind: TaskKind) -> None:
    store.journal.add([new_task(1, kind)], NOW)
    die(store, 1, 200)
    row = store.database.row("SELECT state, attempts, crashes, due_at FROM tasks")
    assert row is not None
    assert tuple(row) == ("queued", 0, 200, (NOW + 64 * MINUTE).timestamp())
    assert store.journal.failures() == []


def test_what_killed_its_reader_is_a_suspect_still_when_it_is_tried_again(store: Store) -> None:
    store.journal.add([new_task(1, TaskKind.HASH_FILE)], NOW)
    die(store, 1, 4)
    [task] = store.journal.claim(Lane.DISK, NOW + DAY)
    store.journal.fail(task, "killed by SIGSEGV", FailureKind.INVALID_FORMAT, NOW)
    assert store.journal.bring_back(None, NOW) == 1
    [again] = store.journal.claim(Lane.DISK, NOW)
    assert (again.crashes, again.attempts) == (CRASHES_UNTIL_ALONE, 0)
