"""A house that only walks, and one that is told how far it is and what is not wanted any more."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from modelshelf.config import load_config
from modelshelf.daemon import Doors, House
from modelshelf.domain.chunk import ChunkLimits, ChunkState
from modelshelf.domain.progress import Phase, Tally
from modelshelf.domain.task import Lane, NewTask, Priority, TaskKind
from modelshelf.progress import PROGRESS_STANDING, from_json
from modelshelf.store.store import Store
from modelshelf.watching.poke import EASE_READING
from tests import builders
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from modelshelf.domain.progress import Progress

CONFIG = """
input_paths: {{shelf: {{path: {root}/models, type: LORA}}}}
store: {{directory: {root}/state}}
offline: true
deep_scan: {{background: false}}
"""


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelshelf.worker.telling.SETTLE_SECONDS", 0.05)
    monkeypatch.setattr("modelshelf.worker.telling.TELL_SECONDS", 0.1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "models").mkdir()
    for number in range(3):
        path = tmp_path / "models" / f"{number}.safetensors"
        path.write_bytes(builders.lora(number))
        os.utime(path, (1, 1))
    made = Store.open(tmp_path / "state" / "modelshelf.db")
    yield made
    made.close()


@contextmanager
def opened(store: Store, root: Path, *, is_reading: bool) -> Iterator[House]:
    path = root / "modelshelf.yaml"
    path.write_text(CONFIG.format(root=root))
    house = House(load_config(path, {"HOME": "/nowhere"}), store, is_reading=is_reading)
    try:
        house.open(Doors(has_watch=False, has_calendar=False))
        yield house
    finally:
        house.close()


def owe_scan(house: House, priority: Priority) -> None:
    house.store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "shelf", priority=priority)], house.clock.now())
    house.bell.ring()


def told(store: Store) -> Progress | None:
    return from_json(store.standing.get(PROGRESS_STANDING))


def test_a_house_that_only_walks_has_nobody_who_reads_or_asks(store: Store, tmp_path: Path) -> None:
    with opened(store, tmp_path, is_reading=False) as house:
        owe_scan(house, Priority.PERSON)
        wait_until(lambda: store.reading.tallies()["shelf"].owed_files == 3)
        assert {worker.lane for worker in house.workers} == {Lane.DESK}
        assert house.hall.leave.held(["shelf"], house.clock.now())
    assert store.reading.tallies()["shelf"].read_files == 0
    assert not store.database.rows("SELECT 1 FROM files WHERE is_inspected = 1")


def test_what_waits_to_be_asked_for_is_told_and_read_when_somebody_asks(store: Store, tmp_path: Path) -> None:
    with opened(store, tmp_path, is_reading=True) as house:
        owe_scan(house, Priority.PERSON)
        wait_until(lambda: (found := told(store)) is not None and found.phase is Phase.PAUSED)
        found = told(store)
        assert found is not None
        assert (found.tally.owed_files, found.held) == (3, {"shelf": "on demand only"})
        store.chunks.plan("8:1", ["shelf"], ChunkLimits(), house.clock.now())
        assert store.chunks.count(ChunkState.PLANNED)
        owe_scan(house, Priority.DEEP)
        wait_until(lambda: store.reading.tallies()["shelf"].owed_files == 0)
        wait_until(lambda: told(store) is None)
        house.mend()
        assert not store.chunks.count(ChunkState.PLANNED)
    assert store.reading.tallies()["shelf"] == Tally(3, found.tally.owed_bytes, 0, 0)


def test_what_only_waits_is_still_told_after_a_stop(store: Store, tmp_path: Path) -> None:
    with opened(store, tmp_path, is_reading=True) as house:
        owe_scan(house, Priority.PERSON)
        wait_until(lambda: (found := told(store)) is not None and found.phase is Phase.PAUSED)
    assert told(store) is not None


def test_a_house_heeds_that_reading_is_not_wanted_at_once_any_more(store: Store, tmp_path: Path) -> None:
    with opened(store, tmp_path, is_reading=False) as walked:
        owe_scan(walked, Priority.PERSON)
        wait_until(lambda: store.reading.tallies()["shelf"].owed_files == 3)
    house = House(walked.config, store)
    store.reading.raise_to("shelf", b"", Priority.PERSON)
    tasks = store.journal.claim(Lane.DESK, house.clock.now())
    house.hall.in_hand.update({task.id: (task, 0) for task in tasks})
    house.heed(EASE_READING)
    assert not house.hall.unwanted
    store.reading.ease("shelf", b"")
    house.heed(EASE_READING)
    assert house.hall.unwanted == {task.id for task in tasks} != set()
