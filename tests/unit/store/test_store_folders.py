from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.folder import Folder
from modelshelf.errors import UsageError
from tests.unit.store.store_builders import DAY, NOW, add_file, folder

if TYPE_CHECKING:
    from modelshelf.store.store import Store


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
