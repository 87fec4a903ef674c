from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.failure import FailureKind
from modelshelf.domain.task import Lane, NewTask, Priority, TaskKind, TaskState
from tests.unit.store.store_builders import DAY, NOW, SECOND, add_file, add_read_file, new_task

if TYPE_CHECKING:
    from modelshelf.domain.task import Task
    from modelshelf.store.store import Store


def claimed(store: Store, *subjects: int) -> list[Task]:
    store.journal.add([new_task(subject) for subject in subjects], NOW)
    return store.journal.claim(Lane.DESK, NOW)


def test_settled_tasks_are_gone(store: Store) -> None:
    first, second = claimed(store, 1, 2)
    store.journal.settle([first])
    assert store.journal.owed() == {TaskKind.WRITE_SIDECARS: 1}
    store.journal.settle([second])
    assert store.journal.owed() == {}


def test_a_task_that_is_not_in_hand_cannot_be_settled(store: Store) -> None:
    (task,) = claimed(store, 1)
    store.journal.release([task])
    store.journal.settle([task])
    assert store.journal.owed() == {TaskKind.WRITE_SIDECARS: 1}


def test_the_id_of_a_settled_task_is_never_given_again(store: Store) -> None:
    (first,) = claimed(store, 1)
    store.journal.settle([first])
    (second,) = claimed(store, 1)
    assert second.id > first.id


def test_a_retry_waits_until_its_time_and_counts(store: Store) -> None:
    (task,) = claimed(store, 1)
    store.journal.retry_at(task, NOW + DAY, "no answer \ud800", FailureKind.API, NOW + SECOND)
    assert store.journal.claim(Lane.DESK, NOW) == []
    (again,) = store.journal.claim(Lane.DESK, NOW + DAY)
    assert (again.id, again.attempts, again.crashes, again.due_at) == (task.id, 1, 0, NOW + DAY)
    assert (again.last_error, again.failure_kind) == ("no answer \\ud800", "api")
    assert again.failed_at == NOW + SECOND


def test_a_retry_of_a_task_added_meanwhile_is_as_early_and_urgent_as_that(store: Store) -> None:
    (task,) = claimed(store, 1)
    added = NewTask(TaskKind.WRITE_SIDECARS, "1", priority=Priority.DROP, is_forced=True)
    store.journal.add([added], NOW + SECOND)
    store.journal.retry_at(task, NOW + DAY, "no", FailureKind.API, NOW)
    (again,) = store.journal.claim(Lane.DESK, NOW + SECOND)
    assert (again.due_at, again.priority, again.is_forced) == (NOW + SECOND, Priority.DROP, True)
    assert again.attempts == 1
    store.journal.settle([again])
    assert store.journal.owed() == {}


def test_a_failed_task_is_kept_with_its_reason_and_never_claimed(store: Store) -> None:
    (task,) = claimed(store, 1)
    store.journal.fail(task, "broken", FailureKind.INVALID_FORMAT, NOW + SECOND)
    assert store.journal.claim(Lane.DESK, NOW + DAY) == []
    (failed,) = store.journal.failures()
    assert (failed.id, failed.state, failed.attempts) == (task.id, TaskState.FAILED, 1)
    assert (failed.last_error, failed.failure_kind) == ("broken", "invalid_format")
    assert failed.failed_at == NOW + SECOND
    assert store.journal.owed() == {}


def test_a_task_added_while_it_fails_begins_anew(store: Store) -> None:
    (task,) = claimed(store, 1)
    store.journal.add([new_task(1, due_at=NOW + SECOND)], NOW)
    store.journal.fail(task, "broken", FailureKind.INVALID_FORMAT, NOW)
    assert store.journal.failures() == []
    (again,) = store.journal.claim(Lane.DESK, NOW + SECOND)
    assert (again.attempts, again.last_error) == (0, None)


def test_what_is_given_back_is_counted_against_nobody(store: Store) -> None:
    tasks = claimed(store, 1, 2)
    store.journal.release(tasks)
    again = store.journal.claim(Lane.DESK, NOW)
    assert [(task.id, task.attempts, task.crashes, task.due_at) for task in again] == [
        (task.id, 0, 0, task.due_at) for task in tasks
    ]


def test_nothing_given_back_touches_nothing(store: Store) -> None:
    claimed(store, 1)
    store.journal.release([])
    assert store.journal.claim(Lane.DESK, NOW) == []


def test_derived_work_given_back_is_there_once(store: Store) -> None:
    file_id = add_file(store, b"x")
    store.journal.release(store.journal.claim(Lane.DESK, NOW))
    assert store.journal.owed() == {TaskKind.INSPECT_FILE: 1}
    assert [task.subject for task in store.journal.claim(Lane.DESK, NOW)] == [str(file_id)]


def test_running_tasks_are_queued_again_at_start_and_the_crash_is_counted(store: Store) -> None:
    tasks = claimed(store, 1, 2)
    store.journal.add([new_task(3)], NOW)
    assert store.journal.recover() == 2
    assert store.journal.recover() == 0
    again = store.journal.claim(Lane.DESK, NOW)
    assert {task.subject: task.crashes for task in again} == {"1": 1, "2": 1, "3": 0}
    assert {task.attempts for task in again} == {0}
    assert len(tasks) == 2


def test_a_crash_with_derived_work_in_hand_is_counted(store: Store) -> None:
    add_file(store, b"x")
    store.journal.claim(Lane.DESK, NOW)
    assert store.journal.recover() == 1
    assert store.journal.claim(Lane.DESK, NOW)[0].crashes == 1


def test_failures_are_those_given_up_and_those_to_be_tried_again(store: Store) -> None:
    first, second, third, _fourth = claimed(store, 1, 2, 3, 4)
    store.journal.fail(first, "no", FailureKind.ACCESS, NOW)
    store.journal.retry_at(second, NOW + DAY, "later", FailureKind.API, NOW)
    store.journal.retry_at(third, NOW, "now", FailureKind.API, NOW)
    (again,) = store.journal.claim(Lane.DESK, NOW)
    assert again.subject == "3"
    assert [task.subject for task in store.journal.failures()] == ["1", "2"]


def test_all_failures_are_brought_back_at_once(store: Store) -> None:
    first, second, _third = claimed(store, 1, 2, 3)
    store.journal.add([new_task(5, due_at=NOW + DAY)], NOW)
    store.journal.fail(first, "no", FailureKind.ACCESS, NOW)
    store.journal.retry_at(second, NOW + DAY, "later", FailureKind.API, NOW)
    assert store.journal.bring_back(None, NOW + SECOND) == 2
    assert store.journal.failures() == []
    again = store.journal.claim(Lane.DESK, NOW + SECOND)
    assert [(task.subject, task.attempts, task.last_error) for task in again] == [("1", 0, None), ("2", 0, None)]


def test_named_tasks_are_brought_back_whether_they_failed_or_wait(store: Store) -> None:
    first, second, third = claimed(store, 1, 2, 3)
    store.journal.fail(first, "no", FailureKind.ACCESS, NOW)
    store.journal.fail(second, "no", FailureKind.ACCESS, NOW)
    store.journal.add([new_task(4, due_at=NOW + DAY)], NOW)
    waiting_id = store.database.rows("SELECT id FROM tasks WHERE subject = '4'")[0]["id"]
    assert store.journal.bring_back([first.id, third.id, waiting_id, 999], NOW) == 2
    assert [task.subject for task in store.journal.claim(Lane.DESK, NOW)] == ["1", "4"]
    assert [task.subject for task in store.journal.failures()] == ["2"]


def test_what_is_owed_is_counted_by_kind_with_derived_work(store: Store) -> None:
    add_file(store, b"x")
    add_file(store, b"y", folder_id="b")
    _, content_id = add_read_file(store, b"z", 1, folder_id="b")
    store.contents.owe_lookup(content_id, NOW + DAY)
    store.journal.add([new_task(1), new_task(2, due_at=NOW + DAY), new_task("a", TaskKind.SCAN_FOLDER)], NOW)
    everything = {
        TaskKind.SCAN_FOLDER: 1,
        TaskKind.INSPECT_FILE: 2,
        TaskKind.WRITE_SIDECARS: 2,
        TaskKind.IDENTIFY_CONTENT: 1,
    }
    assert store.journal.owed() == everything
    now = {TaskKind.SCAN_FOLDER: 1, TaskKind.INSPECT_FILE: 2, TaskKind.WRITE_SIDECARS: 1}
    assert store.journal.owed(until=NOW) == now
    store.journal.claim(Lane.DESK, NOW)
    assert store.journal.owed(until=NOW) == now
    assert store.journal.owed()[TaskKind.RENDER_GALLERY] == 0


def test_what_is_owed_for_a_folder_is_counted_apart(store: Store) -> None:
    add_file(store, b"new")
    here, content_id = add_read_file(store, b"here", 1)
    there, other_id = add_read_file(store, b"there", 2, folder_id="b")
    store.contents.record_hit(content_id, 11, NOW)
    store.contents.record_hit(other_id, 12, NOW)
    store.remote.keep_version(11, 21, {}, NOW)
    store.remote.keep_version(12, 22, {}, NOW)
    store.contents.owe_lookup(content_id, NOW)
    store.contents.owe_lookup(other_id, NOW)
    for file_id in (here, there):
        store.journal.add([new_task(file_id), new_task(file_id, TaskKind.RENDER_PAGE)], NOW)
    store.journal.add([new_task(model_id, TaskKind.ENRICH_MODEL) for model_id in (21, 22)], NOW)
    store.journal.add([new_task(folder_id, TaskKind.SCAN_FOLDER) for folder_id in "ab"], NOW)
    expected = dict.fromkeys([TaskKind.SCAN_FOLDER, TaskKind.WRITE_SIDECARS, TaskKind.RENDER_PAGE], 1)
    expected |= {TaskKind.ENRICH_MODEL: 1, TaskKind.IDENTIFY_CONTENT: 1}
    assert store.journal.owed("a") == expected | {TaskKind.INSPECT_FILE: 1}
    assert store.journal.owed("b") == expected
    assert store.journal.owed("nowhere") == {}


def test_a_look_up_in_hand_counts_for_the_folder_of_its_content(store: Store) -> None:
    _, content_id = add_read_file(store, b"here", 1)
    store.contents.owe_lookup(content_id, NOW)
    assert len(store.journal.claim(Lane.NETWORK, NOW)) == 1
    assert store.journal.owed("a") == {TaskKind.IDENTIFY_CONTENT: 1}
    assert store.journal.owed("b") == {}


def test_the_next_time_is_the_earliest_of_the_lane(store: Store) -> None:
    assert store.journal.next_due_at(Lane.DESK) is None
    store.journal.add([new_task(1, due_at=NOW + DAY), new_task("a", TaskKind.SCAN_FOLDER, due_at=NOW + SECOND)], NOW)
    store.journal.add([new_task(1, TaskKind.ENRICH_MODEL, due_at=NOW)], NOW)
    assert store.journal.next_due_at(Lane.DESK) == NOW + SECOND
    assert store.journal.next_due_at(Lane.NETWORK) == NOW
    assert store.journal.next_due_at(Lane.DISK) is None


def test_derived_files_are_due_at_once(store: Store) -> None:
    store.journal.add([new_task(1, due_at=NOW)], NOW)
    add_file(store, b"x")
    moment = store.journal.next_due_at(Lane.DESK)
    assert moment is not None
    assert moment.timestamp() == 0


def test_the_tasks_of_a_file_are_its_own_its_content_s_its_model_s_and_the_scans_that_pass_it(store: Store) -> None:
    file_id, content_id = add_read_file(store, b"x/y/z.safetensors", 1)
    other_id, _ = add_read_file(store, b"other", 2)
    store.contents.record_hit(content_id, 11, NOW)
    store.remote.keep_version(11, 21, {}, NOW)
    paths = [b"", b"x", b"x/y", b"x/y/z.safetensors", b"x/yy", b"x/y/z", b"other"]
    mine = [
        new_task(file_id),
        new_task(file_id, TaskKind.RENDER_PAGE),
        new_task(content_id, TaskKind.IDENTIFY_CONTENT),
        new_task(21, TaskKind.ENRICH_MODEL),
        new_task("a", TaskKind.RENDER_GALLERY),
    ]
    others = [new_task(other_id), new_task(22, TaskKind.ENRICH_MODEL), new_task("b", TaskKind.SCAN_FOLDER)]
    scans = [NewTask(TaskKind.SCAN_FOLDER, "a", path) for path in paths]
    store.journal.add([*mine, *others, *scans], NOW)
    found = {(task.kind, task.subject, task.path) for task in store.journal.of_file(file_id)}
    expected = {(task.kind, task.subject, b"") for task in mine}
    assert found == expected | {(TaskKind.SCAN_FOLDER, "a", path) for path in paths[:4]}


def test_a_file_without_content_has_its_own_tasks_alone(store: Store) -> None:
    file_id = add_file(store, b"x")
    store.journal.add([new_task(file_id), new_task("None", TaskKind.IDENTIFY_CONTENT)], NOW)
    assert [task.kind for task in store.journal.of_file(file_id)] == [TaskKind.WRITE_SIDECARS]
    assert store.journal.of_file(999) == []


def test_scans_that_a_person_stopped_are_struck_out_unless_they_run(store: Store) -> None:
    store.journal.add([new_task("a", TaskKind.SCAN_FOLDER, Priority.PERSON), new_task(1)], NOW)
    (scan,) = store.journal.claim(Lane.DESK, NOW)
    (sidecars,) = store.journal.claim(Lane.DESK, NOW)
    assert store.journal.drop_scans([scan]) == 0
    store.journal.release([scan, sidecars])
    assert store.journal.drop_scans([scan, sidecars]) == 1
    assert store.journal.owed() == {TaskKind.WRITE_SIDECARS: 1}
