from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.failure import FailureKind
from modelshelf.domain.task import Lane, NewTask, Priority, TaskKind
from modelshelf.store.suspects import CRASHES_UNTIL_ALONE
from tests.unit.store.store_builders import DAY, NOW, SECOND, add_file

if TYPE_CHECKING:
    from modelshelf.domain.task import Task
    from modelshelf.store.store import Store


def subjects(tasks: list[Task]) -> list[str]:
    return [task.subject for task in tasks]


def owe(store: Store, file_id: int, kind: TaskKind = TaskKind.HASH_FILE, priority: Priority = Priority.REST) -> None:
    store.journal.add([NewTask(kind, str(file_id), priority=priority)], NOW)


@pytest.mark.parametrize(
    ("priority", "is_claimed"),
    [(Priority.VERIFY, False), (Priority.REST, False), (Priority.CHANGED, False), (Priority.DROP, True)],
)
def test_bulk_of_a_held_folder_is_not_claimed_whether_it_has_a_row_or_not(
    priority: Priority, *, is_claimed: bool, store: Store
) -> None:
    derived = add_file(store, b"derived", priority=priority)
    rowed = add_file(store, b"rowed", priority=priority)
    owe(store, rowed, TaskKind.INSPECT_FILE, priority)
    assert (store.journal.next_due_at(Lane.DESK, ["a"], held=["a"]) is not None) is is_claimed
    found = store.journal.claim(Lane.DESK, NOW, ["a"], held=["a"])
    assert sorted(subjects(found)) == ([str(derived), str(rowed)] if is_claimed else [])


def test_what_is_no_reading_is_claimed_in_a_held_folder_too(store: Store) -> None:
    file_id = add_file(store, b"a")
    owe(store, file_id, TaskKind.WRITE_SIDECARS)
    assert [task.kind for task in store.journal.claim(Lane.DESK, NOW, ["a"], held=["a"])] == [TaskKind.WRITE_SIDECARS]


def test_bulk_with_a_row_is_claimed_of_one_kind_by_priority_and_never_what_somebody_waits_for(store: Store) -> None:
    verified, again, drop = (add_file(store, name) for name in (b"verified", b"again", b"drop"))
    owe(store, verified, TaskKind.VERIFY_FILE, Priority.VERIFY)
    owe(store, again, TaskKind.INSPECT_FILE)
    owe(store, drop, TaskKind.HASH_FILE, Priority.DROP)
    assert store.journal.next_bulk_at(["a"]) == NOW
    assert subjects(store.journal.claim_bulk(NOW, ["a"], least=Priority.REST)) == [str(again)]
    assert subjects(store.journal.claim_bulk(NOW, ["a"], least=Priority.REST)) == []
    assert subjects(store.journal.claim_bulk(NOW, ["a"], least=Priority.VERIFY)) == [str(verified)]
    assert store.journal.next_bulk_at(["a"]) is None


def test_bulk_of_other_folders_and_of_later_waits(store: Store) -> None:
    file_id = add_file(store, b"a")
    store.journal.add([NewTask(TaskKind.HASH_FILE, str(file_id), due_at=NOW + DAY)], NOW)
    assert store.journal.claim_bulk(NOW, ["a"], least=Priority.VERIFY) == []
    assert store.journal.next_bulk_at(["a"]) == NOW + DAY
    assert store.journal.next_bulk_at(["b"]) is None
    assert store.journal.claim_bulk(NOW + DAY, ["b"], least=Priority.VERIFY) == []
    assert subjects(store.journal.claim_bulk(NOW + DAY + SECOND, ["a"], least=Priority.VERIFY)) == [str(file_id)]


def test_files_are_claimed_by_name_where_they_owe_that_kind(store: Store) -> None:
    first, second, other, inspected = (add_file(store, name) for name in (b"1", b"2", b"other", b"inspected"))
    store.database.execute("UPDATE files SET is_inspected = 1 WHERE id = ?", (inspected,))
    ids = [first, second, inspected]
    assert sorted(subjects(store.journal.claim_files(TaskKind.INSPECT_FILE, ids))) == [str(first), str(second)]
    assert store.journal.claim_files(TaskKind.INSPECT_FILE, ids) == []
    assert subjects(store.journal.claim_files(TaskKind.HASH_FILE, ids)) == [str(inspected)]
    assert subjects(store.journal.claim(Lane.DESK, NOW)) == [str(other)]


def test_what_killed_its_reader_is_a_suspect_if_it_is_ever_tried_again(store: Store) -> None:
    file_id = add_file(store, b"a")
    (task,) = store.journal.claim_files(TaskKind.INSPECT_FILE, [file_id])
    store.journal.fail(task, "dead", FailureKind.INVALID_FORMAT, NOW, is_suspect=True)
    store.journal.bring_back(None, NOW)
    assert store.journal.claim_bulk(NOW, ["a"], least=Priority.VERIFY) == []
    (again,) = store.journal.claim(Lane.DESK, NOW)
    assert again.crashes == CRASHES_UNTIL_ALONE


@pytest.mark.parametrize(
    ("kind", "priority", "is_passed_over"),
    [
        (TaskKind.INSPECT_FILE, Priority.REST, True),
        (TaskKind.INSPECT_FILE, Priority.DROP, False),
        (TaskKind.WRITE_SIDECARS, Priority.REST, False),
    ],
)
def test_a_suspect_is_read_in_bulk_only_where_its_folder_has_leave(
    kind: TaskKind, priority: Priority, *, is_passed_over: bool, store: Store
) -> None:
    owe(store, add_file(store, b"a", priority=Priority.DROP), kind, priority)
    store.database.execute("UPDATE tasks SET crashes = ?", (CRASHES_UNTIL_ALONE,))
    store.database.execute("UPDATE files SET has_task = 1")
    assert (store.journal.next_due_at(Lane.DESK, ["a"], held=["a"]) is None) is is_passed_over
    assert store.journal.next_suspect_at(Lane.DESK, ["a"]) == NOW
    assert store.journal.claim_suspect(Lane.DESK, NOW - SECOND, ["a"]) == []
    if is_passed_over:
        assert store.journal.claim(Lane.DESK, NOW, ["a"], held=["a"]) == []
        assert store.journal.claim_suspect(Lane.DESK, NOW, []) == []
        assert len(store.journal.claim_suspect(Lane.DESK, NOW, ["a"])) == 1
    else:
        assert len(store.journal.claim(Lane.DESK, NOW, ["a"], held=["a"])) == 1
    assert store.journal.next_suspect_at(Lane.DESK, ["a"]) is None


def test_while_a_suspect_is_read_no_bulk_goes_ahead_of_it(store: Store) -> None:
    suspect, small = (add_file(store, name) for name in (b"suspect", b"small"))
    owe(store, suspect)
    store.database.execute("UPDATE tasks SET crashes = ?", (CRASHES_UNTIL_ALONE,))
    (reading,) = store.journal.claim_suspect(Lane.DISK, NOW, ["a"])
    store.database.execute("UPDATE files SET is_inspected = 1 WHERE id = ?", (small,))
    assert store.journal.claim_ahead(reading, 10**12, NOW, ["a"]) == []
    store.database.execute("UPDATE files SET priority = ? WHERE id = ?", (Priority.DROP, small))
    assert subjects(store.journal.claim_ahead(reading, 10**12, NOW, ["a"])) == [str(small)]


def test_bulk_is_owed_now_whether_it_has_a_row_or_not(store: Store) -> None:
    assert not store.journal.owes_bulk(NOW, ["a"])
    file_id = add_file(store, b"a")
    assert store.journal.owes_bulk(NOW, ["b", "a"])
    assert not store.journal.owes_bulk(NOW, ["b"])
    store.database.execute("UPDATE files SET is_inspected = 1")
    assert store.journal.owes_bulk(NOW, ["a"])
    (task,) = store.journal.claim_files(TaskKind.HASH_FILE, [file_id])
    assert not store.journal.owes_bulk(NOW, ["a"])
    store.journal.retry_at(task, NOW + DAY, "not now", FailureKind.ACCESS, NOW)
    assert not store.journal.owes_bulk(NOW, ["a"])
    assert store.journal.owes_bulk(NOW + DAY, ["a"])
