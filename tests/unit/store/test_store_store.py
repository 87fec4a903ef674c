from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.task import Lane
from modelshelf.errors import StoreError
from modelshelf.store.store import Store
from tests.unit.store.store_builders import NOW, add_file, folder, new_task

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_kept_is_there_when_the_store_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "modelshelf.db"
    store = Store.open(path)
    store.folders.sync([folder("a")])
    file_id = add_file(store, b"x")
    store.journal.add([new_task(file_id)], NOW)
    store.close()
    again = Store.open(path)
    assert again.files.get(file_id) is not None
    assert sum(again.journal.owed().values()) == 2
    again.close()


def test_a_store_beside_the_daemon_reads_all_and_writes_nothing(store: Store) -> None:
    add_file(store, b"x")
    beside = Store.open_readonly(store.database.path)
    assert beside.files.at("a", b"x") is not None
    assert [state.file_count for state in beside.folders.states()] == [1, 0]
    assert beside.journal.failures() == []
    for write in (
        lambda: beside.journal.add([new_task(1)], NOW),
        lambda: beside.journal.claim(Lane.DESK, NOW),
        lambda: beside.runs.start(None, NOW),
    ):
        with pytest.raises(StoreError, match="readonly"):
            write()
    beside.close()


def test_a_task_that_another_process_adds_is_claimed_here(store: Store) -> None:
    beside = Store.open(store.database.path)
    beside.journal.add([new_task(1)], NOW)
    beside.close()
    assert [task.subject for task in store.journal.claim(Lane.DESK, NOW)] == ["1"]


def test_results_and_settled_tasks_are_kept_together_or_not_at_all(store: Store) -> None:
    file_id = add_file(store, b"x")
    tasks = store.journal.claim(Lane.DESK, NOW)

    def record() -> None:
        with store.database.transaction():
            store.files.record_unhashed(file_id, "too big")
            store.journal.settle(tasks)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record()
    file = store.files.get(file_id)
    assert file is not None
    assert file.hash_skipped_reason is None
    assert store.journal.recover() == 1
