"""Disks that fill up and empty again."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelshelf.errors import DiskFull, FolderOffline
from modelshelf.notifying import free_space as room_of
from modelshelf.notifying.free_space import FILLED, LOOK_SECONDS, RELIEVED, FreeSpace
from modelshelf.shelf import patience
from modelshelf.shelf.room import Room
from modelshelf.store.events import Events

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.steps.step_shelf import StepShelf

GB = 10**9
BIG, SMALL = 20_000 * GB, 100 * GB
STATE, MODELS = Path("/state"), Path("/models")


class Disks:
    """File systems as one says they are, and a look at them whenever an hour is over."""

    def __init__(self, shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shelf = shelf
        self.rooms: dict[Path, Room | Callable[[], Room]] = {
            STATE: Room(1, SMALL, SMALL),
            MODELS: Room(2, BIG, BIG),
        }
        self.looks = 0
        monkeypatch.setattr(room_of, "room_at", self._room_at)
        self.begin()

    def begin(self) -> None:
        self.free_space = FreeSpace(self.shelf.store, self.shelf.clock, {":state": STATE, "models": MODELS})

    def _room_at(self, path: Path) -> Room:
        self.looks += 1
        room = self.rooms[path]
        return room if isinstance(room, Room) else room()

    def look(self, free_bytes: float | None = None) -> list[str]:
        """Let an hour pass, with so much free on the big disk; gives what was noted so far."""
        if free_bytes is not None:
            self.rooms[MODELS] = Room(2, BIG, int(free_bytes))
        self.shelf.clock.advance(LOOK_SECONDS)
        self.free_space.look()
        return [event.name for event in reversed(self.shelf.store.events.latest(100))]


@pytest.fixture
def disks(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> Disks:
    return Disks(shelf, monkeypatch)


def test_a_disk_with_room_is_not_told_of(disks: Disks) -> None:
    assert disks.look() == []


def test_a_disk_that_is_nearly_full_is_told_of_once_and_once_more_when_it_has_room(disks: Disks) -> None:
    assert disks.look(49 * GB) == [FILLED]
    assert disks.look(0) == [FILLED]
    assert disks.look(74 * GB) == [FILLED]
    assert disks.look(49 * GB) == [FILLED]
    assert disks.look(75 * GB) == [FILLED, RELIEVED]
    assert disks.look(51 * GB) == [FILLED, RELIEVED]
    assert disks.look(49 * GB) == [FILLED, RELIEVED, FILLED]
    assert disks.shelf.events(FILLED)[0] == {"path": "/models", "free_bytes": 49 * GB, "size_bytes": BIG}


@pytest.mark.parametrize(
    ("size_gb", "free_gb", "is_full"), [(100, 4.9, True), (100, 5, False), (20_000, 49, True), (20_000, 50, False)]
)
def test_a_twentieth_is_little_on_a_small_disk_and_fifty_gigabytes_on_a_large_one(
    size_gb: int, free_gb: float, disks: Disks, *, is_full: bool
) -> None:
    disks.rooms[STATE] = Room(1, size_gb * GB, int(free_gb * GB))
    assert disks.look() == ([FILLED] if is_full else [])


def test_a_restart_tells_nothing_again(disks: Disks) -> None:
    disks.look(49 * GB)
    disks.begin()
    assert disks.look(49 * GB) == [FILLED]
    assert disks.look(900 * GB) == [FILLED, RELIEVED]
    disks.begin()
    assert disks.look(900 * GB) == [FILLED, RELIEVED]
    assert disks.look(1) == [FILLED, RELIEVED, FILLED]


def test_the_disks_are_looked_at_once_an_hour(disks: Disks) -> None:
    disks.look()
    for _ in range(119):
        disks.shelf.clock.advance(30)
        disks.free_space.look()
    assert disks.looks == 2
    disks.shelf.clock.advance(30)
    disks.free_space.look()
    assert disks.looks == 4


def test_two_folders_on_one_disk_are_told_of_once(disks: Disks) -> None:
    disks.rooms = {STATE: Room(1, SMALL, 1), MODELS: Room(1, SMALL, 1)}
    assert disks.look() == [FILLED]
    assert disks.shelf.events(FILLED)[0]["path"] == "/state"


def test_a_file_system_that_tells_no_size_counts_as_having_room(disks: Disks) -> None:
    disks.rooms[MODELS] = Room(2, 0, 0)
    assert disks.look() == []


def test_a_dead_mount_is_not_waited_for_and_hides_no_other_disk(disks: Disks, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()

    def hang() -> Room:
        answers.wait(20)
        return Room(1, SMALL, 1)

    disks.free_space._patience = patience.Patience(0.05)
    disks.rooms[STATE] = hang
    assert disks.look(1) == [FILLED]
    assert disks.look(1) == [FILLED]
    answers.set()


def test_a_disk_too_full_to_note_it_is_noted_when_there_is_room(disks: Disks, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise DiskFull("full")

    with monkeypatch.context() as patched:
        patched.setattr(Events, "add", refuse)
        assert disks.look(1) == []
    assert disks.look(1) == [FILLED]
    with monkeypatch.context() as patched:
        patched.setattr(Events, "add", refuse)
        assert disks.look(BIG) == [FILLED]
    assert disks.look(BIG) == [FILLED, RELIEVED]


def test_a_folder_that_is_away_is_passed_over(disks: Disks) -> None:
    def away() -> Room:
        raise FolderOffline("away")

    disks.rooms[STATE] = away
    assert disks.look(1) == [FILLED]
