from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.folder import Coverage
from modelshelf.domain.task import Priority, TaskKind
from modelshelf.errors import DiskFull, FileUnreadable, FolderOffline, ModelshelfError, StoreError
from modelshelf.shelf import patience
from modelshelf.watching import watch as room
from modelshelf.watching.dirty import WHOLE, DirtyReach
from modelshelf.watching.watch import Watch
from tests.logged import logged
from tests.unit.steps.step_shelf import TRAITS, StepShelf
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from modelshelf.domain.folder import Folder

POLL_SECONDS = 600.0


class FakeObserver:
    """Stands for a FolderObserver; `refusal` is what the next ones say when they are started."""

    made: list[FakeObserver]
    refusal: ModelshelfError | None
    answers = threading.Event()
    """While it is not set, whatever looks at the disk is held."""

    def __init__(
        self, folder: Folder, intake: Any, on_dirty: Callable[..., None], on_doubt: Callable[..., None]
    ) -> None:
        self.folder = folder
        self.on_dirty = on_dirty
        self.on_doubt = on_doubt
        self.watched_count = 1
        self.unwatched_count = 0
        self.problem: str | None = None
        self.is_short_of_watches = False
        self.is_running = False
        type(self).made.append(self)

    def start(self) -> None:
        type(self).answers.wait(20)
        refusal = type(self).refusal
        if refusal is not None:
            raise refusal
        self.is_running = True

    def stop(self) -> None:
        type(self).answers.wait(20)
        self.is_running = False

    def is_alive(self) -> bool:
        return self.is_running

    def run_short(self) -> None:
        """Have a directory that no watch is left for."""
        self.unwatched_count, self.problem, self.is_short_of_watches = 1, "no watch left", True

    def watch_the_rest(self) -> None:
        type(self).answers.wait(20)
        self.watched_count, self.unwatched_count, self.problem, self.is_short_of_watches = 2, 0, None, False


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[StepShelf]:
    made = StepShelf(tmp_path)
    yield made
    made.close()


@pytest.fixture
def rings() -> list[None]:
    return []


@pytest.fixture
def watch(shelf: StepShelf, rings: list[None], monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Give a watch whose thread does not run: what it would hand on is handed on by `hand_on`."""
    FakeObserver.made, FakeObserver.refusal = [], None
    FakeObserver.answers.set()
    monkeypatch.setattr(room, "FolderObserver", FakeObserver)
    made = Watch(shelf.store, shelf.places, shelf.clock, lambda: rings.append(None), POLL_SECONDS)
    monkeypatch.setattr(made, "start", lambda: None)
    monkeypatch.setattr(made, "join", lambda timeout=None: None)
    made.open()
    yield made
    FakeObserver.answers.set()
    made.close()


def hand_on(shelf: StepShelf, watch: Watch) -> list[tuple[str, bytes]]:
    """Let the marks linger and be handed on; gives the scans owed by then."""
    shelf.clock.advance(1)
    watch._hand_on()
    return [(task.subject, task.path) for task in shelf.tasks(TaskKind.SCAN_FOLDER)]


def test_a_mark_becomes_an_urgent_scan_of_its_path(shelf: StepShelf, watch: Watch, rings: list[None]) -> None:
    FakeObserver.made[0].on_dirty("loras", b"new.safetensors", DirtyReach.FILE)
    assert hand_on(shelf, watch) == [("loras", b"new.safetensors")]
    assert [task.priority for task in shelf.tasks()] == [Priority.DROP]
    assert len(rings) == 1


def test_without_marks_nothing_is_owed_and_nobody_woken(shelf: StepShelf, watch: Watch, rings: list[None]) -> None:
    assert hand_on(shelf, watch) == []
    assert not rings


def test_a_doubt_becomes_a_scan_of_the_folder(shelf: StepShelf, watch: Watch) -> None:
    FakeObserver.made[0].on_doubt("loras", "the queue ran over")
    assert hand_on(shelf, watch) == [("loras", WHOLE)]


def test_a_doubt_is_no_drop_and_what_was_seen_in_the_folders_own_directory_is(shelf: StepShelf, watch: Watch) -> None:
    FakeObserver.made[0].on_doubt("loras", "the queue ran over")
    hand_on(shelf, watch)
    assert [task.priority for task in shelf.tasks()] == [Priority.CHANGED]
    FakeObserver.made[0].on_dirty("loras", WHOLE, DirtyReach.DIRECTORY)
    hand_on(shelf, watch)
    assert [task.priority for task in shelf.tasks()] == [Priority.DROP]


@pytest.mark.parametrize("error", [DiskFull("full"), StoreError("lost")])
def test_marks_that_the_journal_did_not_take_are_kept_and_the_workers_woken(
    error: Exception, shelf: StepShelf, watch: Watch, rings: list[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise error

    monkeypatch.setattr(room, "RETRY_SECONDS", 0.001)
    FakeObserver.made[0].on_dirty("loras", b"new.safetensors", DirtyReach.FILE)
    with monkeypatch.context() as full:
        full.setattr(shelf.store.journal, "add", refuse)
        assert hand_on(shelf, watch) == []
    assert len(rings) == 1
    assert hand_on(shelf, watch) == [("loras", b"new.safetensors")]


def test_a_folder_without_events_has_no_observer(shelf: StepShelf, watch: Watch) -> None:
    shelf.places["loras"] = replace(shelf.places["loras"], traits=replace(TRAITS, has_events=False))
    watch._observe(shelf.places["loras"])
    assert not watch.is_alive_for("loras")
    assert not FakeObserver.made[0].is_running
    watch.mend()
    assert len(FakeObserver.made) == 1


def test_where_all_is_well_mending_does_nothing(
    shelf: StepShelf, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a disk was touched")

    monkeypatch.setattr(room, "check_presence", refuse)
    watch.mend()
    assert hand_on(shelf, watch) == []
    assert len(FakeObserver.made) == 1


def test_a_dead_observer_is_replaced_and_the_folder_scanned(shelf: StepShelf, watch: Watch) -> None:
    FakeObserver.made[0].stop()
    watch.mend()
    assert watch.is_alive_for("loras")
    assert hand_on(shelf, watch) == [("loras", WHOLE)]


def test_an_absent_folder_is_not_watched_before_it_is_back(shelf: StepShelf, watch: Watch) -> None:
    FakeObserver.made[0].stop()
    shelf.path("").rename(shelf.root / "away")
    watch.mend()
    assert len(FakeObserver.made) == 1
    (shelf.root / "away").rename(shelf.path(""))
    watch.mend()
    assert watch.is_alive_for("loras")


def test_a_folder_is_watched_anew_when_it_lies_elsewhere(shelf: StepShelf, watch: Watch) -> None:
    watch.renew("loras")
    assert [observer.is_running for observer in FakeObserver.made] == [False, True]
    shelf.places["loras"] = replace(shelf.places["loras"], traits=replace(TRAITS, has_events=False))
    watch.renew("loras")
    assert not watch.is_alive_for("loras")


def test_a_folder_that_is_away_at_the_start_is_not_watched(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch, rings: list[None]
) -> None:
    FakeObserver.made, FakeObserver.refusal = [], None
    monkeypatch.setattr(room, "FolderObserver", FakeObserver)
    shelf.path("").rename(shelf.root / "away")
    watch = Watch(shelf.store, shelf.places, shelf.clock, lambda: rings.append(None), POLL_SECONDS)
    watch.open()
    watch.close()
    assert not FakeObserver.made


def test_an_observer_that_starts_while_the_watch_closes_is_stopped(shelf: StepShelf, watch: Watch) -> None:
    watch.close()
    watch.renew("loras")
    assert not FakeObserver.made[-1].is_running


@pytest.fixture
def dead_mount(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Give a mount inside the folder that answers when it is set; nobody waits for it for long."""
    monkeypatch.setattr(watch._walks, "_seconds", 0.02)
    monkeypatch.setattr(patience.Patience.__init__, "__defaults__", (0.02,))
    FakeObserver.made[0].stop()
    FakeObserver.answers.clear()
    return FakeObserver.answers


def test_a_folder_whose_directories_do_not_answer_holds_up_nobody_and_is_scanned_until_they_do(
    shelf: StepShelf, watch: Watch, dead_mount: threading.Event
) -> None:
    with logged() as said:
        for _ in range(3):
            watch.mend()
    assert [each["event"] for each in said] == ["folder_not_watched"]
    assert "answer" in str(said[0]["reason"])
    assert "answer" in str(shelf.store.watches.of_folders()["loras"].problem)
    assert hand_on(shelf, watch) == [("loras", WHOLE)]
    shelf.clock.advance(POLL_SECONDS)
    watch.mend()
    assert watch._dirty._folders
    assert len(FakeObserver.made) == 2  # the first try still goes on
    shelf.clock.advance(1)
    watch._dirty.take(shelf.clock.monotonic())
    dead_mount.set()
    wait_until(lambda: watch._dirty._folders)
    assert watch.is_alive_for("loras")
    wait_until(lambda: shelf.store.watches.of_folders() == {"loras": Coverage(1, 0)})


def test_what_answers_late_is_not_taken_on_where_the_folder_lies_elsewhere_by_then(
    shelf: StepShelf, watch: Watch, dead_mount: threading.Event
) -> None:
    watch.mend()
    shelf.places["loras"] = replace(shelf.places["loras"])
    watch.renew("loras")
    dead_mount.set()
    wait_until(lambda: not watch._deaf_until)
    wait_until(lambda: not watch._walks._held["loras"].is_alive())
    assert not watch.is_alive_for("loras")
    assert [observer.is_running for observer in FakeObserver.made] == [False, False]
    watch.mend()
    assert watch.is_alive_for("loras")


def test_what_answers_late_is_not_taken_on_by_a_watch_that_is_closed(watch: Watch, dead_mount: threading.Event) -> None:
    watch.mend()
    watch.close()
    dead_mount.set()
    wait_until(lambda: not watch._walks._held["loras"].is_alive())
    assert not watch.is_alive_for("loras")
    assert not FakeObserver.made[-1].is_running


def test_directories_that_do_not_answer_when_they_are_tried_again_hold_up_neither_a_round_nor_the_end(
    shelf: StepShelf, watch: Watch, dead_mount: threading.Event
) -> None:
    observer = FakeObserver.made[0]
    observer.is_running = True
    observer.run_short()
    for _ in range(2):
        watch.mend()
        shelf.clock.advance(POLL_SECONDS)
    assert watch.is_alive_for("loras")
    assert shelf.store.watches.of_folders() == {"loras": Coverage(1, 1, "no watch left")}
    watch.close()
    assert observer.is_running
    dead_mount.set()
    wait_until(lambda: not observer.is_running)


def test_a_watch_that_was_never_opened_can_be_closed(shelf: StepShelf) -> None:
    Watch(shelf.store, shelf.places, shelf.clock, lambda: None, POLL_SECONDS).close()


def test_a_folder_that_may_not_be_watched_is_tried_and_scanned_again_only_now_and_then(
    shelf: StepShelf, watch: Watch
) -> None:
    FakeObserver.made[0].stop()
    FakeObserver.refusal = FileUnreadable("no more inotify watches")
    for _ in range(100):
        watch.mend()
    assert len(FakeObserver.made) == 2
    assert hand_on(shelf, watch) == [("loras", WHOLE)]
    FakeObserver.refusal = None
    shelf.clock.advance(POLL_SECONDS)
    watch.mend()
    assert watch.is_alive_for("loras")


def test_a_folder_that_was_absent_for_a_moment_is_tried_again_at_once(shelf: StepShelf, watch: Watch) -> None:
    FakeObserver.made[0].stop()
    FakeObserver.refusal = FolderOffline("gone between two looks")
    watch.mend()
    FakeObserver.refusal = None
    watch.mend()
    assert watch.is_alive_for("loras")


def test_a_folder_that_is_heard_only_in_part_is_completed_and_scanned_now_and_then(
    shelf: StepShelf, watch: Watch
) -> None:
    watch.mend()
    assert shelf.store.watches.of_folders() == {"loras": Coverage(1, 0)}
    FakeObserver.made[0].run_short()
    watch._put_off("loras")
    watch.mend()
    assert shelf.store.watches.of_folders() == {"loras": Coverage(1, 1, "no watch left")}
    assert hand_on(shelf, watch) == []
    shelf.clock.advance(POLL_SECONDS)
    watch.mend()
    assert hand_on(shelf, watch) == [("loras", WHOLE)]
    assert shelf.store.watches.of_folders() == {"loras": Coverage(2, 0)}
    assert len(FakeObserver.made) == 1
    FakeObserver.made[0].run_short()
    watch.mend()
    shelf.clock.advance(1)
    assert watch._dirty.take(shelf.clock.monotonic()) == []


def test_a_folder_that_starts_with_too_few_watches_is_not_scanned_again_at_once(
    shelf: StepShelf, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeObserver, "start", FakeObserver.run_short)
    monkeypatch.setattr(FakeObserver, "is_alive", lambda _: True)
    watch.renew("loras")
    watch.mend()
    assert hand_on(shelf, watch) == []


def test_why_a_folder_is_not_heard_at_all_is_kept_until_it_is(shelf: StepShelf, watch: Watch) -> None:
    FakeObserver.refusal = FileUnreadable("no more inotify instances")
    watch.renew("loras")
    watch.mend()
    assert shelf.store.watches.of_folders() == {"loras": Coverage(0, 0, "no more inotify instances")}
    shelf.places["loras"] = replace(shelf.places["loras"], traits=replace(TRAITS, has_events=False))
    watch.renew("loras")
    assert shelf.store.watches.of_folders() == {}


def test_where_nothing_changed_nothing_is_written_and_what_could_not_be_is_written_later(
    shelf: StepShelf, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise DiskFull("no space left")

    FakeObserver.made[0].watched_count = 5
    with monkeypatch.context() as full:
        full.setattr(type(shelf.store.watches), "put", refuse)
        watch.mend()
    watch.mend()
    assert shelf.store.watches.of_folders() == {"loras": Coverage(5, 0)}
    monkeypatch.setattr(type(shelf.store.watches), "put", refuse)
    with logged() as said:
        watch.mend()
    assert said == []


def test_an_event_in_a_real_folder_becomes_a_scan(shelf: StepShelf, rings: list[None]) -> None:
    from modelshelf.clock import SystemClock  # noqa: PLC0415

    watch = Watch(shelf.store, shelf.places, SystemClock(), lambda: rings.append(None), POLL_SECONDS)
    watch.open()
    try:
        shelf.put("new.safetensors", b"weights")
        wait_until(lambda: [task.path for task in shelf.tasks()] == [b"new.safetensors"])
        assert rings
    finally:
        watch.close()
    assert not watch.is_alive()
