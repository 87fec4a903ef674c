from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.run import Run, RunStatistics
from modelshelf.store.events import Event
from tests.unit.store.store_builders import DAY, NOW

if TYPE_CHECKING:
    from modelshelf.store.store import Store


def test_a_run_counts_from_its_start_to_its_end(store: Store) -> None:
    run_id = store.runs.start("nightly", NOW)
    assert store.runs.get(run_id) == Run(run_id, "nightly", NOW, None, RunStatistics())
    store.runs.count(run_id, total=3, added=2)
    store.runs.count(run_id, total=1, hashes_skipped=1)
    store.runs.end(run_id, NOW + DAY)
    store.runs.end(run_id, NOW + 2 * DAY)
    statistics = RunStatistics(total=4, added=2, hashes_skipped=1)
    assert store.runs.get(run_id) == Run(run_id, "nightly", NOW, NOW + DAY, statistics)
    assert store.runs.get(999) is None


def test_work_of_no_run_is_not_counted(store: Store) -> None:
    run_id = store.runs.start(None, NOW)
    before = store.database._connection.total_changes
    store.runs.count(None, total=3)
    store.runs.count(run_id, total=0)
    store.runs.count(run_id)
    assert store.database._connection.total_changes == before


def test_a_count_of_no_such_name_is_a_mistake(store: Store) -> None:
    with pytest.raises(TypeError):
        store.runs.count(None, hashed=1)


def test_runs_are_listed_newest_first(store: Store) -> None:
    ids = [store.runs.start(name, NOW) for name in ("a", None, "b", "a")]
    assert [run.id for run in store.runs.latest(3)] == ids[:0:-1]
    latest = store.runs.latest_of_job("a")
    assert latest is not None
    assert latest.id == ids[3]
    asked_for = store.runs.latest_of_job(None)
    assert asked_for is not None
    assert asked_for.id == ids[1]
    assert store.runs.latest_of_job("never") is None


def test_old_runs_are_forgotten_but_never_the_last_of_a_job_nor_one_that_goes_on(store: Store) -> None:
    ids = [store.runs.start(name, NOW) for name in ("a", "a", "b", "a")]
    going_on = store.runs.start("a", NOW)
    newer = store.runs.start("a", NOW)
    for run_id in ids:
        store.runs.end(run_id, NOW)
    store.runs.end(newer, NOW + DAY)
    assert store.runs.prune(NOW + DAY) == 3
    assert {run.id for run in store.runs.latest(10)} == {ids[2], going_on, newer}


def test_an_event_comes_back_as_it_was_told(store: Store) -> None:
    event_id = store.events.add("file_moved", NOW, file_id=3, folder_id="a", details={"from": "x\ud800", "n": [1]})
    other_id = store.events.add("folder_offline", NOW + DAY)
    assert store.events.latest(5) == [
        Event(other_id, "folder_offline", NOW + DAY, None, None, {}),
        Event(event_id, "file_moved", NOW, 3, "a", {"from": "x\ud800", "n": [1]}),
    ]
    assert [event.id for event in store.events.latest(1)] == [other_id]


def test_old_events_are_forgotten_and_their_ids_never_given_again(store: Store) -> None:
    old = store.events.add("old", NOW)
    last = store.events.add("old", NOW)
    assert store.events.prune(NOW) == 0
    assert store.events.prune(NOW + DAY) == 2
    assert store.events.latest(5) == []
    assert store.events.add("new", NOW) > last > old
