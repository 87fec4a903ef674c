"""What we changed in watchdog, tried without a kernel or a thread; and a canary for what we rely on."""

from __future__ import annotations

import errno
import inspect
import os
from importlib.metadata import version
from queue import Queue
from typing import TYPE_CHECKING, Any, cast

import pytest
from watchdog.events import (
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedNoWriteEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileOpenedEvent,
    generate_sub_created_events,
    generate_sub_moved_events,
)
from watchdog.observers.api import BaseObserver, EventQueue, ObservedWatch
from watchdog.observers.inotify import InotifyEmitter, InotifyWatchGroup
from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyEvent, InotifyFD, Mask, WatchDescriptor
from watchdog.observers.inotify_move_event_grouper import InotifyMoveEventGrouper, PathedInotifyEvent

from modelshelf.watching import inotify
from modelshelf.watching.inotify import EVENTS, DoubtEvent, SafeEmitter, SafeGroup, SafeObserver, SafeReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from watchdog.observers.inotify_c import WatchCallback

MASK = Mask(InotifyConstants.IN_CREATE)
FROM = InotifyConstants.IN_MOVED_FROM | InotifyConstants.IN_ISDIR
TO = InotifyConstants.IN_MOVED_TO | InotifyConstants.IN_ISDIR
MADE = InotifyConstants.IN_CREATE | InotifyConstants.IN_ISDIR


class Kernel:
    """Gives numbers to watched directories as inotify does: one per directory, whatever the path."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self.removed: list[int] = []
        self.refuses: dict[bytes, int] = {}

    def add_callback(self, path: bytes, _mask: Mask, _callback: WatchCallback, _id: CallbackId) -> WatchDescriptor:
        if path in self.refuses:
            raise OSError(self.refuses[path], os.strerror(self.refuses[path]))
        inode = os.lstat(path).st_ino
        return WatchDescriptor(self.numbers.setdefault(inode, len(self.numbers) + 1))

    def remove_callbacks(self, callbacks: list[tuple[WatchDescriptor, CallbackId]]) -> None:
        self.removed.extend(descriptor for descriptor, _ in callbacks)


class Bench:
    """A group over a Kernel, with what it reports."""

    def __init__(self, root: Path, *, is_recursive: bool = True) -> None:
        self.root = os.fsencode(root)
        self.kernel = Kernel()
        self.reports: list[str] = []
        self.is_recursive = is_recursive

    def group(self) -> SafeGroup:
        return SafeGroup(
            cast("InotifyFD", self.kernel),
            self.root,
            MASK,
            is_recursive=self.is_recursive,
            is_excluded=lambda path: path.endswith(b"/trash"),
            report=self.reports.append,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "trash" / "x").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").touch()
    return Bench(tmp_path)


def watched(group: SafeGroup) -> set[bytes]:
    return {os.path.relpath(path, group.path) for path in group._active_callbacks_by_path}


def event(mask: int, group: SafeGroup, path: bytes = b"", name: bytes = b"") -> InotifyEvent:
    descriptor = group._active_callbacks_by_path[os.path.join(group.path, path) if path else group.path]
    return InotifyEvent(descriptor, Mask(mask), 0, name)


def test_every_directory_is_watched_but_excluded_ones_and_links(bench: Bench) -> None:
    group = bench.group()
    assert watched(group) == {b".", b"a", b"a/b"}
    assert (group.watched_count, group.unwatched_count) == (3, 0)
    assert bench.reports == []


def test_only_the_root_is_watched_where_the_folder_is_not_recursive(tmp_path: Path, bench: Bench) -> None:
    assert watched(Bench(tmp_path, is_recursive=False).group()) == {b"."}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.ENOENT])
def test_a_root_that_cannot_be_watched_is_an_error(bench: Bench, number: int) -> None:
    bench.kernel.refuses[bench.root] = number
    with pytest.raises(OSError, match=os.strerror(number)):
        bench.group()


def test_directories_that_cannot_be_watched_are_reported_once_per_reason(bench: Bench, tmp_path: Path) -> None:
    for name in ("c", "d", "e"):
        (tmp_path / name).mkdir()
    full, closed = errno.ENOSPC, errno.EACCES
    bench.kernel.refuses = {bench.root + b"/c": full, bench.root + b"/d": full, bench.root + b"/e": closed}
    group = bench.group()
    assert group.unwatched_count == 3
    assert len(bench.reports) == 2
    assert any("fs.inotify.max_user_watches" in report for report in bench.reports)
    assert f"directories cannot be watched, {tmp_path}/e for one: Permission denied" in bench.reports


def test_a_reason_is_reported_once_for_as_long_as_it_lasts(bench: Bench, tmp_path: Path) -> None:
    bench.kernel.refuses = {bench.root + b"/a/b": errno.ENOSPC}
    group = bench.group()
    assert group.is_short_of_watches
    assert "fs.inotify.max_user_watches" in str(group.problem)
    bench.kernel.refuses[bench.root + b"/c"] = errno.ENOSPC
    (tmp_path / "c").mkdir()
    group.on_event(event(MADE, group, name=b"c"))
    group.watch_everything()
    assert (group.watched_count, group.unwatched_count, len(bench.reports)) == (2, 2, 1)
    bench.kernel.refuses.clear()
    group.watch_everything()
    assert (group.watched_count, group.unwatched_count, group.problem) == (4, 0, None)
    assert not group.is_short_of_watches
    bench.kernel.refuses[bench.root + b"/c"] = errno.ENOSPC
    group.watch_everything()
    assert len(bench.reports) == 2


def test_a_problem_that_comes_while_the_others_are_read_disturbs_nobody(bench: Bench) -> None:
    bench.kernel.refuses[os.path.join(bench.root, b"a")] = errno.ENOSPC
    group = bench.group()
    reading = iter(group._problems.items())
    bench.kernel.refuses[os.path.join(bench.root, b"a")] = errno.EACCES
    group._add_all_callbacks(os.path.join(bench.root, b"a"))
    assert [number for number, _ in reading] == [errno.ENOSPC]
    assert set(group._problems) == {errno.ENOSPC, errno.EACCES}


def test_a_directory_that_nobody_may_read_is_a_problem_but_no_lack_of_watches(bench: Bench) -> None:
    bench.kernel.refuses = {bench.root + b"/a/b": errno.EACCES}
    group = bench.group()
    assert "Permission denied" in str(group.problem)
    assert not group.is_short_of_watches


def test_a_new_directory_does_not_hide_why_others_are_not_watched(bench: Bench, tmp_path: Path) -> None:
    bench.kernel.refuses = {bench.root + b"/a/b": errno.ENOSPC}
    group = bench.group()
    (tmp_path / "c").mkdir()
    group.on_event(event(MADE, group, name=b"c"))
    assert group.is_short_of_watches


def test_events_beyond_what_may_wait_are_an_overflow(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inotify, "MAX_EVENTS_BEHIND", 3)
    group = bench.group()
    for number in range(10):
        group.on_event(event(InotifyConstants.IN_CREATE, group, name=b"%d" % number))
    created, overflow = InotifyConstants.IN_CREATE, InotifyConstants.IN_Q_OVERFLOW
    assert queued(group) == [created, created, created, overflow]


def test_a_directory_that_vanishes_before_it_is_watched_is_nothing_to_report(bench: Bench) -> None:
    bench.kernel.refuses[bench.root + b"/a"] = errno.ENOENT
    assert bench.group().unwatched_count == 0
    assert bench.reports == []


def test_a_directory_that_cannot_be_listed_is_reported(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real_scandir = os.scandir

    def scandir(path: bytes) -> Any:
        if path.endswith(b"/a"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real_scandir(path)

    monkeypatch.setattr(os, "scandir", scandir)
    group = bench.group()
    assert watched(group) == {b".", b"a"}
    assert bench.reports == [f"directories cannot be watched, {os.fsdecode(bench.root)}/a for one: Input/output error"]


def test_a_new_directory_is_watched_with_all_below_it(bench: Bench, tmp_path: Path) -> None:
    group = bench.group()
    (tmp_path / "new" / "deep").mkdir(parents=True)
    group.on_event(event(MADE, group, name=b"new"))
    assert watched(group) == {b".", b"a", b"a/b", b"new", b"new/deep"}


def test_a_new_excluded_directory_is_not_watched(bench: Bench, tmp_path: Path) -> None:
    group = bench.group()
    (tmp_path / "a" / "trash" / "deep").mkdir(parents=True)
    group.on_event(event(MADE, group, b"a", b"trash"))
    assert watched(group) == {b".", b"a", b"a/b"}


def queued(group: SafeGroup) -> list[Mask]:
    return [cast("PathedInotifyEvent", item).ev.mask for item, _, _ in group._move_event_grouper._queue._queue]


def test_an_overflow_is_queued_once_and_removes_no_watch(bench: Bench) -> None:
    group = bench.group()
    group.on_queue_overflow()
    group.on_queue_overflow()
    assert queued(group) == [InotifyConstants.IN_Q_OVERFLOW]
    assert bench.kernel.removed == []
    assert bench.reports == []


def test_after_an_overflow_missing_watches_are_added_before_it_is_reported(bench: Bench, tmp_path: Path) -> None:
    group = bench.group()
    (tmp_path / "unheard" / "deep").mkdir(parents=True)
    group.on_queue_overflow()
    group.recover()
    assert watched(group) == {b".", b"a", b"a/b", b"unheard", b"unheard/deep"}
    assert bench.reports == ["more events came than could be taken in"]
    assert bench.kernel.removed == []
    group.on_queue_overflow()
    assert len(queued(group)) == 2


def test_after_an_overflow_a_root_that_is_gone_is_reported_and_raises_nothing(bench: Bench) -> None:
    group = bench.group()
    bench.kernel.refuses[bench.root] = errno.ENOENT
    group.watch_everything()
    assert bench.reports[0].endswith("No such file or directory")
    assert group.unwatched_count == 1


def test_a_stopped_group_adds_nothing_more(bench: Bench) -> None:
    group = bench.group()
    group.deactivate()
    group.watch_everything()
    assert (group.watched_count, bench.reports) == (0, [])


def test_an_unmount_is_reported_once_and_again_after_new_watches(bench: Bench, tmp_path: Path) -> None:
    group = bench.group()
    for path in (b"", b"a", b"a/b"):
        group.on_event(event(InotifyConstants.IN_UNMOUNT, group, path))
    assert bench.reports == ["a file system was unmounted"]
    group.watch_everything()
    group.on_event(event(InotifyConstants.IN_UNMOUNT, group, b"a"))
    assert bench.reports.count("a file system was unmounted") == 2


def test_only_the_roots_own_move_is_reported(bench: Bench) -> None:
    group = bench.group()
    group.on_event(event(InotifyConstants.IN_MOVE_SELF, group, b"a"))
    assert bench.reports == []
    group.on_event(event(InotifyConstants.IN_MOVE_SELF, group))
    assert bench.reports == ["the folder was moved or renamed"]
    assert queued(group) == []


def test_a_directory_that_was_moved_out_is_forgotten_with_all_below_it(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "a2").mkdir()
    group = bench.group()
    group.on_event(event(FROM, group, name=b"a"))
    group.forget_departed(0)
    assert watched(group) == {b".", b"a2"}
    assert len(bench.kernel.removed) == 2
    group.forget_departed(0)
    assert len(bench.kernel.removed) == 2


def test_a_directory_that_was_renamed_is_not_forgotten(bench: Bench) -> None:
    group = bench.group()
    group.on_event(event(FROM, group, name=b"a"))
    group.on_event(event(TO, group, name=b"c"))
    group.forget_departed(0)
    assert watched(group) == {b".", b"c", b"c/b"}


def test_a_directory_that_came_back_meanwhile_is_not_forgotten(bench: Bench) -> None:
    group = bench.group()
    group.on_event(event(FROM, group, name=b"a"))
    group.on_event(event(MADE, group, name=b"a"))
    group.forget_departed(0)
    assert watched(group) == {b".", b"a", b"a/b"}


def test_of_two_directories_of_one_name_only_the_one_moved_out_is_forgotten(bench: Bench, tmp_path: Path) -> None:
    group = bench.group()
    first = group._active_callbacks_by_path[bench.root + b"/a/b"]
    group.on_event(event(FROM, group, b"a", b"b"))
    (tmp_path / "a" / "b").rename(tmp_path.parent / "outside-b")
    (tmp_path / "a" / "b").mkdir()
    group.on_event(event(MADE, group, b"a", b"b"))
    group.forget_departed(0)
    assert bench.kernel.removed == [first]
    assert watched(group) == {b".", b"a", b"a/b"}


def test_a_directory_that_left_is_forgotten_even_where_the_one_it_left_was_renamed_since(bench: Bench) -> None:
    group = bench.group()
    group.on_event(event(FROM, group, b"a", b"b"))
    group._move_watches(bench.root + b"/a", bench.root + b"/c")
    group.forget_departed(0)
    assert watched(group) == {b".", b"c"}


def test_a_rename_heard_late_leaves_every_directory_under_its_own_name(bench: Bench, tmp_path: Path) -> None:
    group = bench.group()
    (tmp_path / "a").rename(tmp_path / "c")
    (tmp_path / "a").mkdir()
    group.watch_everything()
    for late in (event(FROM, group, name=b"a"), event(TO, group, name=b"c"), event(MADE, group, name=b"a")):
        group.on_event(late)
    assert watched(group) == {b".", b"a", b"c", b"c/b"}
    for path, descriptor in group._active_callbacks_by_path.items():
        assert group._active_callbacks_by_watch[descriptor] == path
        assert bench.kernel.numbers[os.lstat(path).st_ino] == descriptor


def test_a_departure_from_a_directory_that_is_no_longer_watched_is_nothing(bench: Bench) -> None:
    group = bench.group()
    group.on_event(InotifyEvent(WatchDescriptor(99), Mask(FROM), 0, b"a"))
    group.forget_departed(0)
    assert watched(group) == {b".", b"a", b"a/b"}


def test_watches_of_one_path_may_end_in_any_order(bench: Bench, tmp_path: Path) -> None:
    group = bench.group()
    first = group._active_callbacks_by_path[bench.root + b"/a/b"]
    (tmp_path / "a" / "b").rename(tmp_path.parent / "outside-c")
    (tmp_path / "a" / "b").mkdir()
    group.on_event(event(MADE, group, b"a", b"b"))
    second = group._active_callbacks_by_path[bench.root + b"/a/b"]
    for descriptor in (second, first, first):
        group.on_watch_deleted(descriptor)
    assert watched(group) == {b".", b"a"}


@pytest.fixture
def emitter(tmp_path: Path, bench: Bench) -> SafeEmitter:
    watch = ObservedWatch(str(tmp_path), recursive=True, event_filter=EVENTS)
    emitter = SafeEmitter(
        cast("EventQueue", Queue()),
        watch,
        event_filter=EVENTS,
        inotify_fd=cast("InotifyFD", bench.kernel),
        is_excluded=lambda _path: False,
    )
    emitter.on_thread_start()
    return emitter


def emitted(emitter: SafeEmitter) -> list[Any]:
    return [item[0] for item in cast("Queue[Any]", emitter._event_queue).queue]


def test_guesses_about_a_moved_directorys_content_are_dropped(emitter: SafeEmitter, tmp_path: Path) -> None:
    (tmp_path / "c" / "deep").mkdir(parents=True)
    (tmp_path / "c" / "deep" / "a.safetensors").touch()
    group = emitter.group
    assert group is not None
    left, came = event(FROM, group, name=b"a"), event(TO, group, name=b"c")
    moved = (PathedInotifyEvent(left, group.path + b"/a"), PathedInotifyEvent(came, group.path + b"/c"))
    emitter.build_and_queue_event(moved)
    assert emitted(emitter) == [DirMovedEvent(f"{tmp_path}/a", f"{tmp_path}/c")]


def test_an_overflow_reaches_the_observer_as_a_doubt(emitter: SafeEmitter) -> None:
    group = emitter.group
    assert group is not None
    group.on_queue_overflow()
    overflow = group.read_event()
    assert overflow is not None
    emitter.build_and_queue_event(overflow)
    assert emitted(emitter) == [DoubtEvent(emitter.watch.path, reason="more events came than could be taken in")]


def test_a_directory_that_left_is_deleted_for_the_observer_and_no_longer_watched(
    emitter: SafeEmitter, tmp_path: Path
) -> None:
    group = emitter.group
    assert group is not None
    (tmp_path / "a").rename(tmp_path.parent / "gone")
    left = event(FROM, group, name=b"a")
    group.on_event(left)
    emitter.build_and_queue_event(PathedInotifyEvent(left, group.path + b"/a"))
    assert emitted(emitter) == [DirDeletedEvent(f"{tmp_path}/a")]
    assert group.path + b"/a/b" not in group._active_callbacks_by_path


def test_a_file_that_left_costs_no_directory_its_watch(emitter: SafeEmitter) -> None:
    group = emitter.group
    assert group is not None
    emitter.build_and_queue_event(PathedInotifyEvent(event(InotifyConstants.IN_MOVED_FROM, group), b"/x/a"))
    assert emitted(emitter) == [FileDeletedEvent("/x/a")]
    assert group.watched_count == 5


def test_after_the_end_an_emitter_has_no_watches(emitter: SafeEmitter) -> None:
    emitter.stop()
    assert emitter.group is None
    emitter.build_and_queue_event(PathedInotifyEvent(InotifyEvent(WatchDescriptor(1), MASK, 0, b"x"), b"/x"))


def test_a_rename_within_the_folder_is_one_event(emitter: SafeEmitter) -> None:
    group = emitter.group
    assert group is not None
    ends = (event(InotifyConstants.IN_MOVED_FROM, group), event(InotifyConstants.IN_MOVED_TO, group))
    emitter.build_and_queue_event((PathedInotifyEvent(ends[0], b"/x/a"), PathedInotifyEvent(ends[1], b"/x/b")))
    assert emitted(emitter) == [FileMovedEvent("/x/a", "/x/b")]


def test_reading_makes_no_events(emitter: SafeEmitter) -> None:
    assert not {FileOpenedEvent, FileClosedNoWriteEvent} & set(EVENTS)
    group = emitter.group
    assert group is not None
    reading = InotifyConstants.IN_OPEN | InotifyConstants.IN_ACCESS | InotifyConstants.IN_CLOSE_NOWRITE
    assert group.event_mask & reading == 0
    needed = (
        InotifyConstants.IN_CLOSE_WRITE
        | InotifyConstants.IN_MOVE
        | InotifyConstants.IN_CREATE
        | InotifyConstants.IN_DELETE
        | InotifyConstants.IN_DELETE_SELF
        | InotifyConstants.IN_MOVE_SELF
        | InotifyConstants.IN_ONLYDIR
        | InotifyConstants.IN_DONT_FOLLOW
    )
    assert group.event_mask == needed


def test_a_directory_that_may_not_be_read_is_an_error_and_leaves_no_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchdog.observers.inotify_c.inotify_add_watch", lambda *_arguments: -1)
    monkeypatch.setattr("ctypes.get_errno", lambda: errno.EACCES)
    reader = SafeReader()
    try:
        with pytest.raises(PermissionError):
            reader.add_callback(b"/x", MASK, cast("WatchCallback", None), CallbackId(1))
        assert reader._watch_for_wd == {}
    finally:
        reader._close_resources()


def test_a_directory_that_is_watched_already_is_no_warning(tmp_path: Path) -> None:
    reader = SafeReader()
    callback = cast("WatchCallback", None)
    try:
        path = os.fsencode(tmp_path)
        first = reader.add_callback(path, MASK, callback, CallbackId(1))
        assert reader.add_callback(path, MASK, callback, CallbackId(1)) == first
    finally:
        reader._close_resources()


class StillThread:
    """A thread's face without a thread."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.is_running = True

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> None:
        self.calls.append("stop")

    def join(self) -> None:
        self.calls.append("join")

    def is_alive(self) -> bool:
        return self.is_running


def test_an_observer_is_healthy_only_while_all_its_threads_live(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, emitter = StillThread(), StillThread()
    monkeypatch.setattr(inotify, "SafeReader", lambda: reader)
    observer = SafeObserver(lambda _path: False)
    monkeypatch.setattr(observer, "is_alive", lambda: True)
    assert not observer.is_healthy()
    observer._emitters.add(cast("SafeEmitter", emitter))
    assert observer.is_healthy()
    for thread in (reader, emitter):
        thread.is_running = False
        assert not observer.is_healthy()
        thread.is_running = True
    observer.stop()
    assert reader.calls == ["start", "stop", "join"]
    assert emitter.calls == ["stop", "join"]


def test_an_observer_shows_the_watches_of_its_emitters(emitter: SafeEmitter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inotify, "SafeReader", StillThread)
    observer = SafeObserver(lambda _path: False)
    observer._emitters.add(emitter)
    assert observer.groups == [emitter.group]
    emitter.stop()
    assert observer.groups == []


def test_canary_watchdog_is_the_version_whose_private_parts_we_know() -> None:
    assert version("watchdog") == "7.1.0"


def test_canary_what_we_override_and_use_is_still_there() -> None:
    overridden = {
        SafeReader: (InotifyFD, ["_add_callback"]),
        SafeGroup: (
            InotifyWatchGroup,
            [
                "on_queue_overflow",
                "on_event",
                "_add_all_callbacks",
                "_add_callback",
                "_move_watches",
                "_remove_watch_internally",
                "_recursive_simulate",
            ],
        ),
        SafeEmitter: (InotifyEmitter, ["on_thread_start", "build_and_queue_event", "queue_event"]),
    }
    for ours, (theirs, names) in overridden.items():
        for name in names:
            assert list(inspect.signature(getattr(ours, name)).parameters) == list(
                inspect.signature(getattr(theirs, name)).parameters
            ), name
    assert list(inspect.signature(InotifyFD._get_or_create_watch).parameters) == ["self", "path", "mask"]
    assert callable(InotifyMoveEventGrouper.put_event)
    assert callable(InotifyWatchGroup._remove_callbacks)
    assert callable(BaseObserver.on_thread_stop)


def test_canary_the_events_that_wait_can_be_counted(bench: Bench) -> None:
    group = bench.group()
    assert len(group._move_event_grouper._queue._queue) == 0
    group.on_event(event(InotifyConstants.IN_CREATE, group, name=b"a"))
    assert len(group._move_event_grouper._queue._queue) == 1


def test_canary_what_watchdog_guesses_is_marked_as_a_guess(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert all(guess.is_synthetic for guess in generate_sub_moved_events("/before", str(tmp_path)))
    assert all(guess.is_synthetic for guess in generate_sub_created_events(str(tmp_path)))


def test_canary_watchdogs_own_callers_still_come_through_what_we_override() -> None:
    calls: dict[Callable[..., Any], str] = {
        InotifyWatchGroup._activate: "self._add_all_callbacks(",
        InotifyWatchGroup.on_event: "self._add_all_callbacks(",
        InotifyWatchGroup.on_watch_deleted: "self._remove_watch_internally(",
        InotifyWatchGroup._remove_callbacks: "self._remove_watch_internally(",
        InotifyFD.add_callback: "self._add_callback(",
        InotifyFD.handle_event: "callback.on_queue_overflow(",
        InotifyEmitter.queue_events: "self.build_and_queue_event(",
    }
    for caller, call in calls.items():
        assert call in inspect.getsource(caller), caller
