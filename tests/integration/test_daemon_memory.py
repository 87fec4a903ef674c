"""After a burst of work the daemon gives memory back once, and never while somebody works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf import heap
from modelshelf.config import load_config
from modelshelf.daemon import House
from modelshelf.domain.task import Lane, NewTask, TaskKind
from modelshelf.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    models, state = tmp_path / "models", tmp_path / "state"
    models.mkdir()
    state.mkdir()
    config = load_config(None, {"MODEL_PATH": str(models), "CONFIG_DATA_PATH": str(state), "HOME": str(tmp_path)})
    store = Store.open(state / "modelshelf.db")
    store.folders.sync(config.folders())
    yield House(config, store)
    store.close()


@pytest.fixture
def given_back(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    monkeypatch.setattr(heap, "give_back", lambda: calls.append("given back"))
    return calls


def test_memory_is_given_back_once_after_each_burst(house: House, given_back: list[str]) -> None:
    house.mend()
    house.bell.ring()
    house.mend()
    house.mend()
    house.bell.ring()
    house.mend()
    assert len(given_back) == 2


def test_memory_in_use_is_left_in_peace(house: House, given_back: list[str]) -> None:
    now = house.clock.now()
    house.store.journal.add([NewTask(TaskKind.SCAN_FOLDER, next(iter(house.places)))], now)
    [task] = house.store.journal.claim(Lane.DESK, now)
    house.hall.in_hand[task.id] = (task, 0)
    house.bell.ring()
    house.mend()
    assert given_back == []
    house.hall.in_hand.clear()
    house.mend()
    assert len(given_back) == 1
