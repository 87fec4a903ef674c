"""When questions to Civitai leave, and that nobody polls for it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.failure import FailureKind
from modelshelf.domain.header import Format, Header, Verdict
from modelshelf.domain.task import Lane, Priority, TaskKind
from modelshelf.store.departures import LINGER_SECONDS, URGENT_CROWD
from tests.unit.store.store_builders import DAY, NOW, SECOND, add_file, add_read_file, folder, new_task

if TYPE_CHECKING:
    from modelshelf.store.store import Store

LINGER = timedelta(seconds=LINGER_SECONDS)
COUNT = iter(range(10_000, 1_000_000))


def owe(store: Store, count: int = 1, *, priority: Priority = Priority.REST) -> list[int]:
    """Owe look-ups of new contents; gives their ids."""
    found = []
    for number in (next(COUNT) for _ in range(count)):
        file_id, content_id = add_read_file(store, b"%d" % number, number)
        store.database.execute("UPDATE files SET priority = ? WHERE id = ?", (priority, file_id))
        store.contents.owe_lookup(content_id, NOW)
        found.append(content_id)
    return found


def claimed(store: Store, after: timedelta = timedelta(0)) -> int:
    """Claim on the network lane; gives how many tasks left."""
    return len(store.journal.claim(Lane.NETWORK, NOW + after))


def test_what_rests_waits_while_anything_is_still_to_be_read(store: Store) -> None:
    owe(store, 3)
    unread = add_file(store, b"unread")
    assert claimed(store) == 0
    assert store.journal.next_due_at(Lane.NETWORK) == NOW + LINGER
    store.files.record_unhashed(unread, "no reason")
    assert store.journal.next_due_at(Lane.NETWORK) == NOW
    assert claimed(store) == 3


def test_nobody_waits_longer_than_half_a_minute(store: Store) -> None:
    owe(store, 3)
    add_file(store, b"unread")
    assert claimed(store, LINGER - SECOND) == 0
    assert claimed(store, LINGER) == 3


def test_two_hundred_leave_though_there_is_more_to_come(store: Store) -> None:
    add_file(store, b"unread")
    owe(store, 199)
    assert claimed(store) == 0
    owe(store)
    assert store.journal.next_due_at(Lane.NETWORK) == NOW
    assert claimed(store) == 100


def test_what_was_dropped_leaves_at_once_and_alone(store: Store) -> None:
    owe(store, 3)
    (dropped,) = owe(store, priority=Priority.DROP)
    for number in range(URGENT_CROWD - 1):
        add_file(store, b"unread %d" % number, priority=Priority.DROP)
    add_file(store, b"unread", priority=Priority.REST)
    assert store.journal.next_due_at(Lane.NETWORK) == NOW
    assert [task.subject for task in store.journal.claim(Lane.NETWORK, NOW)] == [str(dropped)]
    assert claimed(store) == 0


def test_what_was_dropped_together_with_many_others_waits_for_them(store: Store) -> None:
    owe(store, priority=Priority.DROP)
    for number in range(URGENT_CROWD):
        add_file(store, b"unread %d" % number, priority=Priority.DROP)
    assert claimed(store) == 0
    assert claimed(store, LINGER) == 1


def test_a_drop_does_not_wait_for_the_crowd_that_a_person_asked_for(store: Store) -> None:
    owe(store, 2, priority=Priority.PERSON)
    for number in range(URGENT_CROWD):
        add_file(store, b"unread %d" % number, priority=Priority.PERSON)
    (dropped,) = owe(store, priority=Priority.DROP)
    assert [task.subject for task in store.journal.claim(Lane.NETWORK, NOW)] == [str(dropped)]


def test_files_of_a_folder_that_is_away_are_not_waited_for(store: Store) -> None:
    owe(store)
    add_file(store, b"unread", folder_id="b")
    assert claimed(store) == 0
    store.folders.set_offline("b", "unplugged", NOW)
    assert claimed(store) == 1


def test_what_is_in_hand_is_still_to_come(store: Store) -> None:
    owe(store)
    add_file(store, b"unread")
    (task,) = store.journal.claim(Lane.DESK, NOW)
    assert claimed(store) == 0
    store.journal.retry_at(task, NOW + DAY, "busy", FailureKind.ACCESS, NOW)
    assert claimed(store) == 1


def test_a_scan_that_runs_and_sidecars_that_are_to_be_written_are_still_to_come(store: Store) -> None:
    (content_id,) = owe(store)
    store.journal.add([new_task("a", TaskKind.SCAN_FOLDER)], NOW)
    (scan,) = store.journal.claim(Lane.DESK, NOW)
    assert claimed(store) == 0
    store.journal.settle([scan])
    store.journal.add([new_task(content_id)], NOW)
    assert claimed(store) == 0
    (sidecars,) = store.journal.claim(Lane.DESK, NOW)
    store.journal.settle([sidecars])
    assert claimed(store) == 1


@pytest.mark.parametrize("folder_id", ["a", "gone"])
def test_what_is_put_off_or_of_no_folder_is_not_waited_for(store: Store, folder_id: str) -> None:
    (content_id,) = owe(store)
    store.journal.add([new_task(content_id, due_at=NOW + DAY)], NOW)
    add_file(store, b"unread", folder_id="b")
    store.folders.sync([folder("a")])
    assert claimed(store) == 1


def test_what_was_tried_and_waits_leaves_together_again(store: Store) -> None:
    owe(store, 3)
    tasks = store.journal.claim(Lane.NETWORK, NOW)
    for task in tasks:
        store.journal.retry_at(task, NOW + SECOND, "busy", FailureKind.API, NOW)
    add_file(store, b"unread")
    assert claimed(store, SECOND) == 0
    assert claimed(store, SECOND + LINGER) == 3


def test_models_wait_for_identifications_or_a_hundred_of_them(store: Store) -> None:
    owe(store)
    store.journal.add([new_task(number, TaskKind.ENRICH_MODEL) for number in range(99)], NOW)
    (lookup,) = store.journal.claim(Lane.NETWORK, NOW)
    assert lookup.kind is TaskKind.IDENTIFY_CONTENT
    assert claimed(store) == 0
    store.journal.add([new_task(99, TaskKind.ENRICH_MODEL)], NOW)
    assert claimed(store) == 100
    store.journal.add([new_task(100, TaskKind.ENRICH_MODEL)], NOW)
    assert claimed(store) == 0
    store.journal.settle([lookup])
    assert claimed(store) == 1


def test_models_do_not_wait_for_identifications_of_next_month(store: Store) -> None:
    (content_id,) = owe(store)
    store.contents.record_hit(content_id, 5, NOW, NOW + 30 * DAY)
    store.journal.add(
        [new_task(1, TaskKind.ENRICH_MODEL), new_task(2, TaskKind.IDENTIFY_CONTENT, due_at=NOW + DAY)], NOW
    )
    assert [task.kind for task in store.journal.claim(Lane.NETWORK, NOW)] == [TaskKind.ENRICH_MODEL]


def test_a_model_on_the_shelf_is_asked_for_again_when_its_week_is_over(store: Store) -> None:
    (content_id,) = owe(store)
    store.contents.record_hit(content_id, 5, NOW)
    store.remote.keep_version(5, 7, {}, NOW)
    store.remote.keep_model(7, {}, NOW, NOW + DAY)
    store.remote.keep_model(8, {}, NOW, NOW + DAY)
    assert store.journal.next_due_at(Lane.NETWORK) == NOW + DAY
    assert store.journal.owed(until=NOW + DAY) == {TaskKind.ENRICH_MODEL: 1}
    assert store.journal.owed("a", until=NOW + DAY) == {TaskKind.ENRICH_MODEL: 1}
    assert store.journal.owed("b", until=NOW + DAY) == {}
    (task,) = store.journal.claim(Lane.NETWORK, NOW + DAY)
    assert (task.kind, task.subject, task.priority) == (TaskKind.ENRICH_MODEL, "7", Priority.REST)
    assert claimed(store, DAY) == 0


def unknown(store: Store, count: int) -> list[int]:
    """Make contents of safetensors that Civitai did not know; gives their ids."""
    found = owe(store, count)
    for content_id in found:
        file_id = store.files.of_content(content_id)[0].id
        store.files.record_header(file_id, Header(Format.SAFETENSORS, Verdict.SOUND))
        store.contents.record_miss(content_id, NOW, NOW + 30 * DAY)
        store.contents.owe_weights(content_id, NOW)
    return found


def test_weights_are_asked_for_one_by_one_and_not_often(store: Store) -> None:
    first, second = unknown(store, 2)
    assert store.journal.owed(until=NOW) == {TaskKind.MATCH_WEIGHTS: 1}
    assert store.journal.owed("a", until=NOW) == {}
    (task,) = store.journal.claim(Lane.NETWORK, NOW)
    assert (task.kind, task.subject, task.priority) == (TaskKind.MATCH_WEIGHTS, str(first), Priority.VERIFY)
    assert claimed(store, DAY) == 0
    store.contents.record_weights(first, None, NOW)
    store.journal.settle([task])
    assert claimed(store, 9 * SECOND) == 0
    assert store.journal.next_due_at(Lane.NETWORK) == NOW + 10 * SECOND
    assert [task.subject for task in store.journal.claim(Lane.NETWORK, NOW + 10 * SECOND)] == [str(second)]


def test_weights_come_after_everything_else(store: Store) -> None:
    unknown(store, 1)
    store.journal.add([new_task(1, TaskKind.FETCH_PREVIEWS, due_at=NOW)], NOW)
    assert [task.kind for task in store.journal.claim(Lane.NETWORK, NOW)] == [TaskKind.FETCH_PREVIEWS]
    assert [task.kind for task in store.journal.claim(Lane.NETWORK, NOW)] == [TaskKind.MATCH_WEIGHTS]


def test_while_the_server_is_away_one_look_up_by_weights_waits_and_no_other_is_begun(store: Store) -> None:
    unknown(store, 3)
    (task,) = store.journal.claim(Lane.NETWORK, NOW)
    store.journal.retry_at(task, NOW + DAY, "down", FailureKind.API, NOW)
    assert claimed(store, DAY - SECOND) == 0
    assert store.journal.next_due_at(Lane.NETWORK) == NOW + DAY
    assert [each.id for each in store.journal.claim(Lane.NETWORK, NOW + DAY)] == [task.id]


def test_a_look_up_by_weights_that_was_refused_does_not_hold_up_the_next(store: Store) -> None:
    unknown(store, 2)
    (task,) = store.journal.claim(Lane.NETWORK, NOW)
    store.journal.fail(task, "refused", FailureKind.API, NOW)
    (other,) = store.journal.claim(Lane.NETWORK, NOW)
    assert other.subject != task.subject


def test_what_nobody_is_to_ask_about_is_not_asked_for_by_weights(store: Store) -> None:
    (content_id,) = unknown(store, 1)
    store.database.execute("INSERT INTO decisions VALUES (?, 'ignore', 'true', 'me', 1.0)", (content_id,))
    assert claimed(store, DAY) == 0
    assert store.journal.next_due_at(Lane.NETWORK) == NOW + 30 * DAY


def test_a_claim_that_waits_for_company_writes_nothing(store: Store) -> None:
    owe(store, 3)
    add_file(store, b"unread")
    said: list[str] = []
    store.database._connection.set_trace_callback(said.append)
    assert claimed(store) == 0
    store.journal.next_due_at(Lane.NETWORK)
    store.database._connection.set_trace_callback(None)
    assert said
    assert {statement.split()[0] for statement in said} == {"SELECT", "WITH"}
