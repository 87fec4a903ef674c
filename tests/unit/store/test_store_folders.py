from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies

from modelshelf.domain.folder import Folder
from modelshelf.errors import UsageError
from modelshelf.store.store import Store
from tests.unit.store.store_builders import DAY, NOW, add_file, fingerprint, folder


def test_a_configured_folder_is_there_and_was_never_walked(store: Store) -> None:
    state = store.folders.state("a")
    assert (state.id, state.path, state.is_configured, state.file_count) == ("a", Path("/models/a"), True, 0)
    assert (state.offline_since, state.offline_reason, state.last_scan_at) == (None, None, None)


def test_folders_are_listed_by_id(store: Store) -> None:
    assert [state.id for state in store.folders.states()] == ["a", "b"]


def test_a_folder_that_was_never_configured_is_a_mistake_of_the_one_who_asks(store: Store) -> None:
    with pytest.raises(UsageError, match="'nowhere'"):
        store.folders.state("nowhere")


def test_a_folder_no_longer_configured_keeps_its_files_and_may_come_back(store: Store) -> None:
    add_file(store, b"x", folder_id="b")
    store.folders.sync([folder("a")])
    state = store.folders.state("b")
    assert (state.is_configured, state.file_count) == (False, 1)
    store.folders.sync([folder("a"), folder("b")])
    assert store.folders.state("b").is_configured


def test_a_folder_may_lie_elsewhere_and_under_any_name(store: Store) -> None:
    path = Path(os.fsdecode(b"/\xff/\n"))
    store.folders.sync([Folder("a", path, None, (), ())])
    assert store.folders.state("a").path == path


def test_the_same_configuration_writes_nothing(store: Store) -> None:
    before = store.database._connection.total_changes
    store.folders.sync([folder("a"), folder("b")])
    assert store.database._connection.total_changes == before


def test_missing_files_are_not_counted(store: Store) -> None:
    add_file(store, b"x")
    store.files.mark_missing([add_file(store, b"y")], NOW)
    assert store.folders.state("a").file_count == 1


def test_going_offline_is_news_once_and_keeps_its_time(store: Store) -> None:
    assert store.folders.set_offline("a", "not mounted \ud800", NOW)
    assert not store.folders.set_offline("a", "marker missing", NOW + DAY)
    state = store.folders.state("a")
    assert (state.offline_since, state.offline_reason) == (NOW, "marker missing")
    assert store.folders.state("b").offline_since is None
    assert not store.folders.set_offline("nowhere", "x", NOW)


def test_coming_back_is_news_once(store: Store) -> None:
    assert not store.folders.set_online("a")
    store.folders.set_offline("a", "not mounted", NOW)
    assert store.folders.set_online("a")
    assert not store.folders.set_online("a")
    state = store.folders.state("a")
    assert (state.offline_since, state.offline_reason) == (None, None)


def test_staying_as_it_was_writes_nothing(store: Store) -> None:
    store.folders.set_offline("a", "not mounted", NOW)
    before = store.database._connection.total_changes
    store.folders.set_offline("a", "not mounted", NOW + DAY)
    store.folders.set_online("b")
    assert store.database._connection.total_changes == before


def test_a_walk_is_remembered(store: Store) -> None:
    store.folders.record_scan("a", NOW)
    assert store.folders.state("a").last_scan_at == NOW
    assert store.folders.state("b").last_scan_at is None


STEPS = strategies.lists(
    strategies.tuples(
        strategies.sampled_from(["add", "miss", "settle", "change", "move", "drop"]),
        strategies.integers(0, 5),
        strategies.sampled_from(["a", "b"]),
        strategies.integers(0, 3),
    ),
    max_size=30,
)


def take(store: Store, step: str, file_id: int, folder_id: str, path: bytes) -> None:
    """Do to the catalog one thing that can happen to it."""
    match step:
        case "add":
            add_file(store, path, folder_id=folder_id)
        case "miss":
            store.files.mark_missing([file_id], NOW)
        case "settle":
            store.files.settle_fingerprint(file_id, fingerprint(2))
        case "change":
            store.files.change(file_id, fingerprint(1), NOW, priority=1, waiting_reason=None, run_id=None)
        case "move" if store.files.get(file_id) is not None:
            store.files.move(file_id, folder_id, path, fingerprint(3), NOW)
        case "drop":
            store.database.execute("DELETE FROM files WHERE id = ?", (file_id,))


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_the_count_of_files_is_always_that_of_the_rows(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, str, int]]
) -> None:
    store = Store.open(tmp_path_factory.mktemp("state") / "modelshelf.db")
    store.folders.sync([folder("a"), folder("b")])
    for step, number, folder_id, name in steps:
        known = [row["id"] for row in store.database.rows("SELECT id FROM files ORDER BY id")]
        take(store, step, known[number % len(known)] if known else 0, folder_id, b"%d" % name)
        counted = store.database.rows(
            """SELECT id, (SELECT count(*) FROM files WHERE folder_id = folders.id AND missing_since IS NULL)
                FROM folders ORDER BY id"""
        )
        assert [(state.id, state.file_count) for state in store.folders.states()] == [tuple(row) for row in counted]
    store.close()


def test_asking_for_the_folders_reads_no_file(store: Store) -> None:
    add_file(store, b"x")
    said: list[str] = []
    store.database._connection.set_trace_callback(said.append)
    store.folders.states()
    store.folders.state("a")
    store.database._connection.set_trace_callback(None)
    assert len(said) == 2
    assert not any("files" in statement for statement in said)
