"""How marks collapse and when they are given out."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from modelshelf.watching.dirty import (
    LINGER_SECONDS,
    MAX_FILES_PER_DIRECTORY,
    MAX_MARKS_PER_FOLDER,
    WHOLE,
    Dirty,
    DirtyReach,
    DirtySet,
)

FILE, DIRECTORY, TREE = DirtyReach.FILE, DirtyReach.DIRECTORY, DirtyReach.TREE
WHOLE_FOLDER = [Dirty("loras", WHOLE, TREE)]


class TurnableClock:
    """Stands still, or goes on by `step` whenever it is read."""

    def __init__(self, step: float = 0.0) -> None:
        self.time = 0.0
        self.step = step

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)

    def monotonic(self) -> float:
        self.time += self.step
        return self.time


def collapsed(*marks: tuple[bytes, DirtyReach]) -> list[Dirty]:
    dirty = DirtySet(TurnableClock())
    for path, reach in marks:
        dirty.mark("loras", path, reach)
    return dirty.take(LINGER_SECONDS)


def test_a_mark_is_given_once() -> None:
    dirty = DirtySet(TurnableClock())
    dirty.mark("loras", b"x/a", FILE)
    dirty.mark("loras", b"x/a", FILE)
    assert dirty.take(1.0) == [Dirty("loras", b"x/a", FILE)]
    assert dirty.take(1.0) == []


def test_a_mark_lingers_so_that_a_burst_becomes_one_batch() -> None:
    clock = TurnableClock()
    dirty = DirtySet(clock)
    dirty.mark("loras", b"a", FILE)
    assert dirty.take(LINGER_SECONDS / 2) == []
    clock.time = LINGER_SECONDS / 2
    dirty.mark("loras", b"b", FILE)
    assert [mark.path for mark in dirty.take(LINGER_SECONDS)] == [b"a", b"b"]


def test_folders_linger_each_by_themselves() -> None:
    clock = TurnableClock()
    dirty = DirtySet(clock)
    dirty.mark("loras", b"a", FILE)
    clock.time = 0.1
    dirty.mark("vae", b"a", FILE)
    assert [mark.folder_id for mark in dirty.take(LINGER_SECONDS)] == ["loras"]
    assert [mark.folder_id for mark in dirty.take(0.1 + LINGER_SECONDS)] == ["vae"]


def test_many_files_of_a_directory_become_the_directory() -> None:
    most = [(b"x/%d" % number, FILE) for number in range(MAX_FILES_PER_DIRECTORY)]
    assert len(collapsed(*most)) == MAX_FILES_PER_DIRECTORY
    assert collapsed(*most, (b"x/more", FILE), (b"x/yet-more", FILE)) == [Dirty("loras", b"x", DIRECTORY)]


def test_many_marks_of_a_folder_become_the_whole_folder() -> None:
    most = [(b"%d" % number, TREE) for number in range(MAX_MARKS_PER_FOLDER)]
    assert len(collapsed(*most)) == MAX_MARKS_PER_FOLDER
    assert collapsed(*most, (b"x/more", FILE), (b"x/yet-more", FILE)) == WHOLE_FOLDER


def test_files_in_collapsed_directories_no_longer_count() -> None:
    marks = [(b"%d/%d" % (directory, number), FILE) for directory in range(10) for number in range(200)]
    assert collapsed(*marks) == [Dirty("loras", b"%d" % directory, DIRECTORY) for directory in range(10)]


def test_memory_stays_bounded_whatever_comes() -> None:
    dirty = DirtySet(TurnableClock())
    for number in range(20_000):
        dirty.mark("loras", b"%d/%d" % (number % 1000, number), FILE)
    marks = dirty._folders["loras"]
    assert (dict(marks._files), marks._directories) == ({}, {WHOLE: TREE})


def test_a_marked_tree_covers_all_below_it_before_and_after() -> None:
    found = collapsed(
        (b"x/y/a", FILE), (b"x/z", DIRECTORY), (b"x", TREE), (b"x/b", FILE), (b"x/q", TREE), (b"xa/b", FILE)
    )
    assert found == [Dirty("loras", b"x", TREE), Dirty("loras", b"xa/b", FILE)]


def test_a_marked_directory_covers_its_files_but_not_what_is_below() -> None:
    found = collapsed((b"x", DIRECTORY), (b"x/a", FILE), (b"x", DIRECTORY), (b"x/y/b", FILE))
    assert found == [Dirty("loras", b"x", DIRECTORY), Dirty("loras", b"x/y/b", FILE)]


def test_a_directory_marked_after_its_files_takes_them_in() -> None:
    assert collapsed((b"x/a", FILE), (b"x", DIRECTORY)) == [Dirty("loras", b"x", DIRECTORY)]


def test_a_tree_widens_a_directory_and_is_never_narrowed_again() -> None:
    assert collapsed((b"x", DIRECTORY), (b"x", TREE), (b"x", DIRECTORY)) == [Dirty("loras", b"x", TREE)]


def test_the_whole_folder_covers_everything() -> None:
    assert collapsed((b"a", FILE), (b"x/y", TREE), (WHOLE, TREE), (b"b", FILE)) == WHOLE_FOLDER


def test_the_folders_own_directory_can_be_marked_without_what_is_below() -> None:
    found = collapsed((WHOLE, DIRECTORY), (b"a", FILE), (b"x/a", FILE))
    assert found == [Dirty("loras", WHOLE, DIRECTORY), Dirty("loras", b"x/a", FILE)]


def test_a_path_that_is_not_relative_does_no_harm() -> None:
    assert collapsed((b"/x/a", FILE)) == [Dirty("loras", b"/x/a", FILE)]


def test_waiting_ends_when_there_is_something_to_take() -> None:
    clock = TurnableClock()
    dirty = DirtySet(clock)
    dirty.mark("loras", b"a", FILE)
    clock.time = LINGER_SECONDS
    assert dirty.wait(0)


@pytest.mark.parametrize("is_marked", [True, False])
def test_waiting_ends_without_anything_when_the_time_is_over(*, is_marked: bool) -> None:
    dirty = DirtySet(TurnableClock())
    if is_marked:
        dirty.mark("loras", b"a", FILE)
    assert not dirty.wait(0)


def test_waiting_lasts_while_the_first_mark_lingers() -> None:
    clock = TurnableClock(step=0.04)
    dirty = DirtySet(clock, linger_seconds=0.041)
    dirty.mark("loras", b"a", FILE)
    assert dirty.wait(30)
    assert dirty.take(clock.time) == [Dirty("loras", b"a", FILE)]


def test_waiting_without_end_is_possible_and_ends_when_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    dirty = DirtySet(TurnableClock())
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        dirty.wake()

    monkeypatch.setattr(dirty._changed, "wait", wait)
    assert not dirty.wait(threading.TIMEOUT_MAX)
    assert waits == [threading.TIMEOUT_MAX]


def test_being_woken_ends_one_wait_only() -> None:
    clock = TurnableClock(step=1.0)
    dirty = DirtySet(clock)
    dirty.mark("loras", b"a", FILE)
    dirty.wake()
    assert not dirty.wait(30)
    assert dirty.wait(30)
