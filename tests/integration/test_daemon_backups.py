"""The daemon makes its backups by itself, beside its work, and leaves at once where the store is lost."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from modelshelf.errors import StoreDamaged, StoreError, WorkStopped
from modelshelf.store import backups, tenure
from modelshelf.store.backups import backups_of
from modelshelf.store.connecting import copy
from tests.faults.living_shelf import LivingShelf
from tests.logged import logged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LivingShelf]:
    monkeypatch.setattr(backups, "FIRST_LOOK_SECONDS", 0.0)
    made = LivingShelf(tmp_path).open()
    yield made
    made.close()


def count(shelf: LivingShelf) -> int:
    return len(backups_of(shelf.store.database.path, shelf.house.clock.now()))


def test_the_round_makes_the_backup_of_the_day_and_no_second_one(shelf: LivingShelf) -> None:
    shelf.house.mend()
    shelf.house.mend()
    assert count(shelf) == 1


def test_a_stop_ends_a_backup(shelf: LivingShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop_meanwhile(source: Path, target: Path, go_on: Callable[[], object]) -> None:
        shelf.house.hall.stopping.set()
        copy(source, target, go_on)

    monkeypatch.setattr(backups, "copy", stop_meanwhile)
    with logged() as said:
        shelf.house.mend()
    assert os.listdir(shelf.store.database.path.parent / "backups") == []
    assert not [each for each in said if each["level"] == "error"]
    with pytest.raises(WorkStopped, match="stops"):
        shelf.house._go_on()


def test_a_backup_that_finds_the_store_damaged_ends_the_round(
    shelf: LivingShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreDamaged("damaged")

    monkeypatch.setattr(backups, "make_backup", refuse)
    with pytest.raises(StoreDamaged):
        shelf.house.mend()


def test_an_idle_daemon_finds_that_its_store_was_taken_over(shelf: LivingShelf) -> None:
    shelf.store.database.fence(1)
    with pytest.raises(StoreError, match="taken over"):
        shelf.house.mend()


def test_a_round_of_an_idle_owner_writes_nothing(tmp_path: Path, shelf: LivingShelf) -> None:
    path = shelf.store.database.path
    other = tenure.begin(path, shelf.house.clock)
    other.close()
    shelf.store.database.fence(1)
    shelf.house.mend()
    before = {name: (tmp_path / "state" / name).stat().st_mtime_ns for name in os.listdir(tmp_path / "state")}
    for _ in range(3):
        shelf.house.mend()
    assert {name: (tmp_path / "state" / name).stat().st_mtime_ns for name in before} == before
