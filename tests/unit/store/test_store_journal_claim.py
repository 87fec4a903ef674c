from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.failure import FailureKind
from modelshelf.domain.header import Format, Header, Verdict
from modelshelf.domain.task import ORDER, Lane, NewTask, Priority, Subject, TaskKind, TaskState
from modelshelf.store import departures, derived_work, questions, suspects, waiting_line
from tests.unit.store.store_builders import DAY, NOW, SECOND, add_file, add_read_file, folder, hashes, new_task

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from modelshelf.domain.model_file import Fingerprint
    from modelshelf.domain.task import Task
    from modelshelf.store.database import Parameters
    from modelshelf.store.store import Store

SOUND = Header(Format.SAFETENSORS, Verdict.SOUND)


def subjects(tasks: Iterable[Task]) -> list[str]:
    return [task.subject for task in tasks]


def statements(store: Store) -> list[str]:
    """Begin to listen to what is said to SQLite."""
    said: list[str] = []
    store.database._connection.set_trace_callback(said.append)
    return said


def test_nothing_to_do_is_an_empty_list(store: Store) -> None:
    assert [store.journal.claim(lane, NOW) for lane in Lane] == [[], [], []]


def test_a_claim_with_nothing_to_do_only_reads(store: Store) -> None:
    store.journal.add([new_task(1, due_at=NOW + DAY)], NOW)
    said = statements(store)
    for lane in Lane:
        assert store.journal.claim(lane, NOW) == []
        store.journal.next_due_at(lane)
    assert said
    assert {statement.split()[0] for statement in said} == {"SELECT", "WITH"}


def test_claimed_tasks_are_running_and_not_claimed_again(store: Store) -> None:
    store.journal.add([new_task(1), new_task(2)], NOW)
    claimed = store.journal.claim(Lane.DESK, NOW)
    assert {task.state for task in claimed} == {TaskState.RUNNING}
    assert subjects(claimed) == ["1", "2"]
    assert store.journal.claim(Lane.DESK, NOW) == []


def test_a_task_is_claimed_when_it_is_due_and_not_before(store: Store) -> None:
    store.journal.add([new_task(1, due_at=NOW)], NOW)
    assert store.journal.claim(Lane.DESK, NOW - SECOND) == []
    assert len(store.journal.claim(Lane.DESK, NOW)) == 1


def test_a_lane_gives_its_own_kinds_alone(store: Store) -> None:
    store.journal.add([new_task(1, kind=kind) for kind in TaskKind], NOW)
    for lane in Lane:
        claimed: list[TaskKind] = []
        while batch := store.journal.claim(lane, NOW + DAY):
            claimed += [task.kind for task in batch]
        assert sorted(claimed) == sorted(kind for kind in TaskKind if ORDER[kind].lane is lane)


def test_a_claim_is_of_one_kind_up_to_its_limit(store: Store) -> None:
    store.journal.add([new_task(number, TaskKind.FETCH_PREVIEWS) for number in range(10)], NOW - SECOND)
    store.journal.add([new_task(number, TaskKind.ENRICH_MODEL) for number in range(3)], NOW)
    assert [task.kind for task in store.journal.claim(Lane.NETWORK, NOW)] == [TaskKind.FETCH_PREVIEWS] * 8
    assert [task.kind for task in store.journal.claim(Lane.NETWORK, NOW)] == [TaskKind.FETCH_PREVIEWS] * 2
    assert [task.kind for task in store.journal.claim(Lane.NETWORK, NOW)] == [TaskKind.ENRICH_MODEL] * 3


def test_the_highest_priority_decides_the_kind_and_then_who_waits_longest(store: Store) -> None:
    store.journal.add([new_task(1, TaskKind.RENDER_PAGE, due_at=NOW - DAY)], NOW)
    store.journal.add([new_task(2, TaskKind.WRITE_SIDECARS, due_at=NOW - 2 * DAY)], NOW)
    store.journal.add([new_task(3, TaskKind.CARRY_SIDECARS, Priority.DROP)], NOW)
    kinds = [store.journal.claim(Lane.DESK, NOW)[0].kind for _ in range(3)]
    assert kinds == [TaskKind.CARRY_SIDECARS, TaskKind.WRITE_SIDECARS, TaskKind.RENDER_PAGE]


def test_within_a_kind_the_priority_goes_before_the_time(store: Store) -> None:
    store.journal.add([new_task(1, due_at=NOW - DAY), new_task(2, due_at=NOW - 2 * DAY)], NOW)
    store.journal.add([new_task(3, priority=Priority.PERSON)], NOW)
    assert subjects(store.journal.claim(Lane.DESK, NOW)) == ["3", "2", "1"]


def test_a_new_file_is_inspected_and_then_hashed_without_any_task_added(store: Store) -> None:
    file_id = add_file(store, b"x")
    assert store.journal.claim(Lane.DISK, NOW) == []
    (inspect,) = store.journal.claim(Lane.DESK, NOW)
    assert (inspect.kind, inspect.subject, inspect.priority) == (TaskKind.INSPECT_FILE, str(file_id), Priority.REST)
    assert (inspect.queued_at, inspect.due_at, inspect.state) == (NOW, NOW, TaskState.RUNNING)
    assert store.journal.claim(Lane.DISK, NOW) == []
    store.files.record_header(file_id, SOUND)
    store.journal.settle([inspect])
    (read,) = store.journal.claim(Lane.DISK, NOW)
    assert (read.kind, read.subject) == (TaskKind.HASH_FILE, str(file_id))
    content = store.contents.upsert(1000, hashes(1), NOW)
    store.files.record_content(file_id, content.id)
    store.journal.settle([read])
    assert [store.journal.claim(lane, NOW) for lane in Lane] == [[], [], []]


def test_derived_work_is_claimed_once(store: Store) -> None:
    add_file(store, b"x")
    assert len(store.journal.claim(Lane.DESK, NOW)) == 1
    assert store.journal.claim(Lane.DESK, NOW) == []


def test_derived_work_that_is_settled_without_a_result_is_owed_again(store: Store) -> None:
    add_file(store, b"x")
    store.journal.settle(store.journal.claim(Lane.DESK, NOW))
    assert len(store.journal.claim(Lane.DESK, NOW)) == 1


def test_derived_work_keeps_the_run_of_its_file(store: Store) -> None:
    file_id = add_file(store, b"x")
    store.database.execute("UPDATE files SET run_id = 5 WHERE id = ?", (file_id,))
    assert store.journal.claim(Lane.DESK, NOW)[0].run_id == 5


def test_missing_and_waiting_files_owe_nothing(store: Store) -> None:
    missing, waiting = add_file(store, b"x"), add_file(store, b"y")
    store.files.mark_missing([missing], NOW)
    store.files.set_waiting(waiting, "still growing")
    assert store.journal.claim(Lane.DESK, NOW) == []
    assert store.journal.next_due_at(Lane.DESK) is None
    assert store.journal.owed() == {}
    store.files.set_waiting(waiting, None)
    assert subjects(store.journal.claim(Lane.DESK, NOW)) == [str(waiting)]


def test_files_of_a_folder_no_longer_configured_owe_nothing(store: Store) -> None:
    add_file(store, b"x", folder_id="b")
    store.folders.sync([folder("a")])
    assert store.journal.claim(Lane.DESK, NOW) == []
    assert store.journal.claim(Lane.DESK, NOW, ["b"]) == []
    assert store.journal.next_due_at(Lane.DESK) is None
    assert store.journal.owed() == {}


def test_among_derived_files_the_priority_goes_first_and_then_the_small_one_over_all_folders(store: Store) -> None:
    big = add_file(store, b"big", size_bytes=3000)
    small = add_file(store, b"small", size_bytes=1000, folder_id="b")
    middle = add_file(store, b"middle", size_bytes=2000)
    dropped = add_file(store, b"dropped", size_bytes=9000, priority=Priority.DROP, folder_id="b")
    expected = [str(each) for each in (dropped, small, middle, big)]
    assert subjects(store.journal.claim(Lane.DESK, NOW)) == expected


def test_a_claim_of_derived_files_keeps_to_the_limit(store: Store) -> None:
    for number in range(60):
        add_file(store, b"%d" % number)
    assert len(store.journal.claim(Lane.DESK, NOW)) == ORDER[TaskKind.INSPECT_FILE].batch_limit
    assert len(store.journal.claim(Lane.DESK, NOW)) == 10


def test_rows_and_derived_work_of_a_kind_share_a_batch(store: Store) -> None:
    derived = add_file(store, b"x")
    dropped = add_file(store, b"y", priority=Priority.DROP)
    known, _ = add_read_file(store, b"z", 1)
    store.journal.add([new_task(known, TaskKind.INSPECT_FILE)], NOW)
    assert subjects(store.journal.claim(Lane.DESK, NOW)) == [str(dropped), str(known), str(derived)]


@pytest.mark.parametrize(
    ("priority", "due_at", "first"),
    [
        (Priority.DROP, NOW, TaskKind.WRITE_SIDECARS),
        (Priority.REST, NOW - SECOND, TaskKind.WRITE_SIDECARS),
        (Priority.REST, NOW + SECOND, TaskKind.INSPECT_FILE),
        (Priority.VERIFY, NOW - DAY, TaskKind.INSPECT_FILE),
    ],
)
def test_derived_work_and_rows_are_weighed_alike(
    store: Store, priority: Priority, due_at: datetime, first: TaskKind
) -> None:
    add_file(store, b"x")
    store.database.execute("UPDATE files SET last_changed_at = ?", (NOW.timestamp(),))
    store.journal.add([NewTask(TaskKind.WRITE_SIDECARS, "9", priority=priority, due_at=due_at)], NOW)
    assert store.journal.claim(Lane.DESK, NOW + DAY)[0].kind is first


def test_a_file_with_a_task_of_its_own_is_not_derived_besides(store: Store) -> None:
    file_id = add_file(store, b"x")
    store.journal.add([new_task(file_id, TaskKind.INSPECT_FILE, due_at=NOW + DAY)], NOW)
    assert store.journal.claim(Lane.DESK, NOW) == []
    assert store.journal.next_due_at(Lane.DESK) == NOW + DAY
    assert store.journal.owed() == {TaskKind.INSPECT_FILE: 1}


def test_two_readings_of_one_file_never_run_at_once(store: Store) -> None:
    file_id = add_file(store, b"x")
    store.files.record_header(file_id, SOUND)
    (read,) = store.journal.claim(Lane.DISK, NOW)
    store.files.change(file_id, fingerprint_of(store, file_id), NOW, priority=30, waiting_reason=None, run_id=None)
    assert store.journal.claim(Lane.DESK, NOW) == []
    store.journal.settle([read])
    assert subjects(store.journal.claim(Lane.DESK, NOW)) == [str(file_id)]


def fingerprint_of(store: Store, file_id: int) -> Fingerprint:
    file = store.files.get(file_id)
    assert file is not None
    return file.fingerprint


def test_derived_work_that_failed_waits_for_a_person_or_for_other_bytes(store: Store) -> None:
    file_id = add_file(store, b"x")
    (task,) = store.journal.claim(Lane.DESK, NOW)
    store.journal.fail(task, "broken", FailureKind.INVALID_FORMAT, NOW)
    assert store.journal.claim(Lane.DESK, NOW + DAY) == []
    assert store.journal.next_due_at(Lane.DESK) is None
    store.files.change(file_id, fingerprint_of(store, file_id), NOW, priority=30, waiting_reason=None, run_id=None)
    assert store.journal.failures() == []
    (again,) = store.journal.claim(Lane.DESK, NOW)
    assert (again.attempts, again.priority) == (0, 30)


def test_derived_work_to_be_tried_again_is_due_at_its_time(store: Store) -> None:
    add_file(store, b"x")
    (task,) = store.journal.claim(Lane.DESK, NOW)
    store.journal.retry_at(task, NOW + DAY, "busy", FailureKind.ACCESS, NOW)
    assert store.journal.claim(Lane.DESK, NOW) == []
    assert store.journal.next_due_at(Lane.DESK) == NOW + DAY
    (again,) = store.journal.claim(Lane.DESK, NOW + DAY)
    assert (again.id, again.attempts) == (task.id, 1)


def test_folders_that_are_not_named_are_left_alone(store: Store) -> None:
    here, there = add_file(store, b"x"), add_file(store, b"x", folder_id="b")
    store.journal.add([new_task(here), new_task(there)], NOW)
    store.journal.add([new_task("a", TaskKind.SCAN_FOLDER), new_task("b", TaskKind.RENDER_GALLERY)], NOW)
    store.journal.add([new_task(9, TaskKind.ENRICH_MODEL), new_task(8, TaskKind.IDENTIFY_CONTENT)], NOW)
    claimed = []
    for lane in Lane:
        while batch := store.journal.claim(lane, NOW + DAY, {"a"}):
            claimed += [(task.kind, task.subject) for task in batch]
    assert sorted(claimed) == [
        (TaskKind.ENRICH_MODEL, "9"),
        (TaskKind.IDENTIFY_CONTENT, "8"),
        (TaskKind.INSPECT_FILE, str(here)),
        (TaskKind.SCAN_FOLDER, "a"),
        (TaskKind.WRITE_SIDECARS, str(here)),
    ]
    assert store.journal.next_due_at(Lane.DESK, ["a"]) is None
    assert store.journal.next_due_at(Lane.DESK, ["b"]) is not None


def test_no_folder_at_all_leaves_what_has_no_folder(store: Store) -> None:
    add_file(store, b"x")
    store.journal.add([new_task("a", TaskKind.SCAN_FOLDER), new_task(8, TaskKind.ENRICH_MODEL)], NOW)
    assert store.journal.claim(Lane.DESK, NOW, []) == []
    assert subjects(store.journal.claim(Lane.NETWORK, NOW, [])) == ["8"]


def test_a_task_follows_its_file_to_another_folder(store: Store) -> None:
    file_id, _ = add_read_file(store, b"x", 1)
    store.journal.add([new_task(file_id)], NOW)
    store.files.move(file_id, "b", b"y", fingerprint_of(store, file_id))
    assert store.journal.claim(Lane.DESK, NOW, ["a"]) == []
    assert subjects(store.journal.claim(Lane.DESK, NOW, ["b"])) == [str(file_id)]


def test_a_task_of_a_file_that_is_no_more_can_still_be_claimed(store: Store) -> None:
    store.journal.add([new_task(999), new_task("no number")], NOW)
    assert subjects(store.journal.claim(Lane.DESK, NOW, ["a"])) == ["999", "no number"]


def test_a_content_is_looked_up_when_its_time_has_come(store: Store) -> None:
    _, content_id = add_read_file(store, b"x", 1)
    assert store.journal.claim(Lane.NETWORK, NOW) == []
    store.contents.owe_lookup(content_id, NOW)
    assert store.journal.claim(Lane.NETWORK, NOW - SECOND) == []
    assert store.journal.next_due_at(Lane.NETWORK) == NOW
    (task,) = store.journal.claim(Lane.NETWORK, NOW)
    assert (task.kind, task.subject, task.due_at) == (TaskKind.IDENTIFY_CONTENT, str(content_id), NOW)
    assert store.journal.claim(Lane.NETWORK, NOW) == []
    assert store.journal.next_due_at(Lane.NETWORK) is None
    store.contents.record_miss(content_id, NOW, NOW + DAY)
    store.journal.settle([task])
    assert store.journal.claim(Lane.NETWORK, NOW) == []
    assert store.journal.next_due_at(Lane.NETWORK) == NOW + DAY
    (again,) = store.journal.claim(Lane.NETWORK, NOW + DAY)
    store.contents.record_hit(content_id, 5, NOW)
    store.journal.settle([again])
    assert store.journal.next_due_at(Lane.NETWORK) is None


def test_a_content_whose_files_are_all_missing_is_not_looked_up(store: Store) -> None:
    file_id, content_id = add_read_file(store, b"x", 1)
    store.contents.owe_lookup(content_id, NOW)
    store.files.mark_missing([file_id], NOW)
    assert store.journal.claim(Lane.NETWORK, NOW) == []
    assert store.journal.next_due_at(Lane.NETWORK) is None
    assert store.journal.owed() == {}


def test_a_dropped_file_is_looked_up_before_those_that_wait_longer(store: Store) -> None:
    owed = [add_read_file(store, b"%d" % number, number) for number in range(1, 5)]
    for _, content_id in owed:
        store.contents.owe_lookup(content_id, NOW - content_id * SECOND)
    dropped = add_file(store, b"dropped", priority=Priority.DROP)
    content = store.contents.upsert(1000, hashes(77), NOW)
    store.files.record_content(dropped, content.id)
    store.contents.owe_lookup(content.id, NOW)
    (first,) = store.journal.claim(Lane.NETWORK, NOW)
    assert (first.subject, first.priority) == (str(content.id), Priority.DROP)
    others = store.journal.claim(Lane.NETWORK, NOW)
    assert subjects(others) == [str(content_id) for _, content_id in reversed(owed)]


def test_a_second_look_up_is_at_rest(store: Store) -> None:
    file_id = add_file(store, b"dropped", priority=Priority.DROP)
    content = store.contents.upsert(1000, hashes(1), NOW)
    store.files.record_content(file_id, content.id)
    store.contents.owe_lookup(content.id, NOW)
    store.contents.record_miss(content.id, NOW, NOW + DAY)
    assert store.journal.claim(Lane.NETWORK, NOW + DAY)[0].priority == Priority.REST


def test_look_ups_are_claimed_up_to_the_limit_of_their_kind(store: Store) -> None:
    fill(store, 105, 1.0, 1)
    assert len(store.journal.claim(Lane.NETWORK, NOW)) == 100
    assert len(store.journal.claim(Lane.NETWORK, NOW)) == 5


def test_threads_that_claim_at_once_never_share_a_task(store: Store) -> None:
    for number in range(300):
        add_file(store, b"%d" % number)
    store.journal.add([new_task(number, TaskKind.INSPECT_FILE) for number in range(1000, 1300)], NOW)
    claimed: dict[str, list[Task]] = {name: [] for name in "abcd"}
    start = threading.Barrier(4)

    def work(name: str) -> None:
        start.wait(10)
        while batch := store.journal.claim(Lane.DESK, NOW):
            claimed[name] += batch

    threads = [threading.Thread(target=work, args=(name,)) for name in claimed]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    ids = [task.id for tasks in claimed.values() for task in tasks]
    assert len(ids) == len(set(ids)) == 600
    assert store.journal.claim(Lane.DESK, NOW) == []


def test_claims_read_by_their_indexes_alone(store: Store) -> None:
    def plan(sql: str, parameters: Parameters) -> str:
        rows = store.database.rows(f"EXPLAIN QUERY PLAN {sql}", parameters)
        return "\n".join(row["detail"] for row in rows)

    row = {"kind": "hash_file", "kinds": "[]", "now": 1.0, "folders": None, "limit": 5, "until": 1.0, "folder": "a"}
    row |= {"held": "[]", "bulk": "[]"}
    row["priority"] = 10
    crowd = {"levels": "[0, 10, 20]", "until": 1.0, "most": 20}
    plans = {
        plan(derived_work._FILES, ("a", 0, 0, 50)): "files_to_read (folder_id=? AND is_inspected=? AND priority>?)",
        plan(derived_work._THESE, ("[1]", 0)): "SEARCH files USING INTEGER PRIMARY KEY",
        plan(derived_work._COUNT_FILES, ("a", 0)): "INDEX files_to_read",
        plan(questions._NEXT_LEVEL, (99,)): "INDEX contents_to_look_up",
        plan(
            questions._CONTENTS, (10, 1.0, 100)
        ): "contents_to_look_up (lookup_priority=? AND next_lookup_at>? AND next_lookup_at<?)",
        plan(questions._MODELS, (10, 1.0, 100)): "civitai_models_to_check (next_check_at<?)",
        plan(questions._WEIGHTS, {"pause": 1.0}): "contents_to_match (next_weights_lookup_at>?)",
        plan(departures._FILES_TO_COME, crowd): "files_to_read (folder_id=? AND is_inspected=? AND priority=?)",
        plan(departures._READ_QUEUED, crowd): "tasks_by_urgency (kind=? AND folder_id=? AND priority=?)",
        plan(departures._READ_IN_HAND, crowd): "tasks_in_hand (kind=?)",
        plan(
            departures._LOOKUPS_OWED, crowd
        ): "contents_to_look_up (lookup_priority=? AND next_lookup_at>? AND next_lookup_at<?)",
        plan(departures._LOOKUPS_QUEUED, crowd): "(kind=? AND folder_id=? AND priority=? AND due_at<?)",
        plan(departures._LOOKUPS_IN_HAND, crowd): "tasks_in_hand (kind=?)",
        plan(waiting_line._HEADS, row): "tasks_by_urgency (kind=? AND folder_id=? AND priority>?)",
        plan(waiting_line._DUE, row): "tasks_by_urgency (kind=? AND folder_id=? AND priority=? AND due_at<?)",
        plan(suspects._FIRST, row): "tasks_suspected",
        **{plan(waiting_line._COUNT[subject], row): "tasks_by_urgency (kind=?" for subject in Subject},
        plan(waiting_line._COUNT_ALL, row): "tasks_in_hand",
    }
    for found, index in plans.items():
        assert index in found
        assert "TEMP B-TREE" not in found
        assert "SCAN files" not in found


def cost(store: Store, lane: Lane, folder_ids: list[str] | None = None) -> int:
    """Count the steps of SQLite's machine, in tens, for what a worker does when it is woken."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    store.database._connection.set_progress_handler(count, 10)
    store.journal.release(store.journal.claim(lane, NOW, folder_ids))
    store.journal.next_due_at(lane, folder_ids)
    store.journal.settle(store.journal.claim(lane, NOW, folder_ids))
    store.database._connection.set_progress_handler(None, 10)
    return steps


def fill(store: Store, count: int, next_lookup_at: float, scan_phase: int) -> None:
    """Make files with a content each."""
    numbers = "WITH RECURSIVE n(i) AS (SELECT ? + 1 UNION ALL SELECT i + 1 FROM n WHERE i < ? + ?)"
    first = store.database.rows("SELECT coalesce(max(id), 0) FROM contents")[0][0]
    store.database.execute(
        f"""INSERT INTO contents (id, size_bytes, sha256, blake3, autov2, crc32, hashed_at, next_lookup_at)
            {numbers} SELECT i, i, i, i, i, i, 1.0, ? FROM n""",
        (first, first, count, next_lookup_at),
    )
    store.database.execute(
        f"""INSERT INTO files (folder_id, directory, name, size_bytes, mtime_ns, ctime_ns, inode,
                priority, first_seen_at, last_changed_at, scan_phase, content_id)
            {numbers} SELECT 'a', x'', CAST(i AS BLOB), i, i, i, i, 10, 1.0, 1.0, ?, i FROM n""",
        (first, first, count, scan_phase),
    )


@pytest.mark.parametrize(
    ("lane", "next_lookup_at", "scan_phase"),
    [(Lane.DESK, 1.0, 0), (Lane.NETWORK, 1.0, 1), (Lane.NETWORK, 9e9, 1)],
    ids=["files to read", "contents to look up", "contents to look up one day"],
)
def test_a_claim_costs_the_same_however_much_waits(
    store: Store, lane: Lane, next_lookup_at: float, scan_phase: int
) -> None:
    fill(store, 600, next_lookup_at, scan_phase)
    few = cost(store, lane)
    fill(store, 20_000, next_lookup_at, scan_phase)
    assert cost(store, lane) <= 2 * few + 20


def add_tasks(store: Store, count: int, due_at: float, folder_id: str = "", priority: int = 10) -> None:
    """Put tasks of files that are not known into a folder."""
    store.database.execute(
        """INSERT INTO tasks (kind, subject, folder_id, state, priority, queued_at, due_at)
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
            SELECT 'write_sidecars', ?1 || '/' || ?2 || ?3 || '/' || i, ?2, 'queued', ?3, 1.0, ?4 FROM n""",
        (count, folder_id, priority, due_at),
    )


@pytest.mark.parametrize("due_at", [1.0, 9e9], ids=["due", "due one day"])
def test_a_claim_costs_the_same_however_many_tasks_wait(store: Store, due_at: float) -> None:
    add_tasks(store, 300, due_at)
    few = cost(store, Lane.DESK)
    add_tasks(store, 20_000, due_at)
    assert cost(store, Lane.DESK) <= 2 * few + 20


def test_a_claim_never_reads_past_folders_that_are_away_nor_past_what_is_not_due(store: Store) -> None:
    def add(count: int) -> None:
        add_tasks(store, count, 1.0, "b", priority=30)
        add_tasks(store, count, 9e9, "a", priority=40)

    add(300)
    add_tasks(store, 1, 1.0, "a")
    few = cost(store, Lane.DESK, ["a"])
    add(20_000)
    add_tasks(store, 1, 1.0, "a", priority=20)
    assert cost(store, Lane.DESK, ["a"]) <= 2 * few + 20


def test_tasks_of_all_folders_that_are_there_share_a_batch_by_priority_and_then_by_time(store: Store) -> None:
    files = [add_read_file(store, b"%d" % number, number, folder_id="ab"[number % 2])[0] for number in range(6)]
    for number, file_id in enumerate(files):
        wanted = new_task(file_id, priority=Priority.DROP if number > 3 else Priority.REST)
        store.journal.add([replace(wanted, due_at=NOW - number * SECOND)], NOW)
    store.journal.add([new_task(999, due_at=NOW - 2.5 * SECOND)], NOW)
    expected = [str(files[number]) for number in (5, 4, 3)] + ["999"] + [str(files[number]) for number in (2, 1, 0)]
    assert subjects(store.journal.claim(Lane.DESK, NOW, ["a", "b"])) == expected


def test_what_is_claimed_while_it_is_counted_is_counted_all_the_same(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_file(store, b"new")
    genuine = store.journal._waiting.count

    def count_and_claim(kind: TaskKind, folder_id: str | None, until: float) -> int:
        counted = genuine(kind, folder_id, until)
        if kind is TaskKind.INSPECT_FILE:
            store.journal.claim(Lane.DESK, NOW)
        return counted

    monkeypatch.setattr(store.journal._waiting, "count", count_and_claim)
    assert store.journal.owed("a")[TaskKind.INSPECT_FILE] == 1
