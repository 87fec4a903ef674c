"""watchdog's inotify observer, made to survive: overflow, unmounts, full watch tables and directories moved away.

watchdog 7.1.0 answers an overflow by removing and adding every watch; each removal queues an event, so above some 16,000
directories the answer is the next overflow, for ever. Directories it cannot watch, and unmounts, it keeps to itself.
Here an overflow is reported, and watches are only ever added. The classes override private names: the version is pinned,
and a canary test fails when one of them is gone.
"""

from __future__ import annotations

import errno
import os
import threading
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any, cast

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
)
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter, InotifyWatchGroup
from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchCallback,
    WatchDescriptor,
)
from watchdog.observers.inotify_move_event_grouper import GroupedInotifyEvent, PathedInotifyEvent

from modelshelf.domain.display import readable
from modelshelf.watching.limits import explain, is_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_VANISHED = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}

MAX_EVENTS_BEHIND = 16_384
"""So many events may wait for their turn, as many as the kernel itself keeps; more are lost, and a scan makes up for them."""


@dataclass(unsafe_hash=True)
class DoubtEvent(FileSystemEvent):
    """Events were lost or will be: what is below `src_path` must be scanned. `reason` is for a person."""

    reason: str = ""
    event_type = "doubt"


EVENTS: list[type[FileSystemEvent]] = [
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
    DoubtEvent,
]
"""What is asked of the kernel. Never Opened or ClosedNoWrite: our own reading, and watchdog's own walk, would make events."""


class SafeReader(InotifyFD):
    """The inotify descriptor and its reading thread, without watchdog's two traps when a watch is added.

    A directory that may not be read becomes an error, not a watch called -1; one that is watched already is no warning,
    as that is normal for directories made in quick succession.
    """

    def _add_callback(self, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId) -> WatchDescriptor:
        watch = self._get_or_create_watch(path, mask)
        if watch.wd == -1:
            del self._watch_for_wd[watch.wd]
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        watch.callbacks[id_] = callback
        return watch.wd


class SafeGroup(InotifyWatchGroup):
    """The watches of one root: they follow what the events say, never enter what is excluded, and report every loss."""

    def __init__(
        self,
        reader: InotifyFD,
        root: bytes,
        mask: Mask,
        *,
        is_recursive: bool,
        is_excluded: Callable[[bytes], bool],
        report: Callable[[str], None],
    ) -> None:
        """Add every watch at once; raises OSError where the root itself cannot be watched."""
        self._is_excluded = is_excluded
        self._report = report
        self._unwatched: dict[int, tuple[bytes, OSError]] = {}
        self._departed: dict[int, set[WatchDescriptor]] = {}
        self._is_overflow_queued = False
        self._is_unmount_reported = False
        self._is_moved = False
        self._rewatching = threading.Lock()
        self.unwatched_count = 0
        self._problems: dict[int, str] = {}
        super().__init__(reader, root, mask, is_recursive)

    @property
    def watched_count(self) -> int:
        """How many directories are watched."""
        return len(self._active_callbacks_by_watch)

    @property
    def problem(self) -> str | None:
        """Why some directories are not watched, None where all are."""
        return "; ".join(self._problems.values()) or None

    @property
    def is_short_of_watches(self) -> bool:
        """Whether a limit keeps directories unwatched that a scan can see into."""
        return any(is_limit(number) for number in self._problems)

    @property
    def is_rooted(self) -> bool:
        """Whether the root itself is watched where it was: an unmount takes the watch away, a rename takes it along."""
        return not self._is_moved and self.path in self._active_callbacks_by_path

    def on_queue_overflow(self) -> None:
        """Queue the overflow behind the events that were still read; the emitter's thread deals with it."""
        if not self._is_overflow_queued:
            self._is_overflow_queued = True
            overflow = InotifyEvent(WatchDescriptor(-1), InotifyConstants.IN_Q_OVERFLOW, 0, b"")
            self._move_event_grouper.put_event(PathedInotifyEvent(overflow, self.path))

    def on_event(self, event: InotifyEvent) -> None:
        """Report what watchdog passes over, and leave the rest to it."""
        if event.mask & InotifyConstants.IN_UNMOUNT:
            self._report_unmount()
        elif self._is_behind():
            self.on_queue_overflow()
        elif event.is_move_self:
            if self._active_callbacks_by_watch.get(event.wd) == self.path:
                self._is_moved = True
                self._report("the folder was moved or renamed")
        else:
            if event.is_moved_from and event.is_directory:
                self._note_departure(event)
            elif event.is_moved_to:
                self._departed.pop(event.cookie, None)
            super().on_event(event)

    def recover(self) -> None:
        """Deal with an overflow: directories made while events were lost are blind until they are watched."""
        self._is_overflow_queued = False
        self.watch_everything()
        self._report("more events came than could be taken in")

    def watch_everything(self) -> None:
        """Add whatever watches are missing.

        Nothing is removed, so the kernel queues nothing: adding a watch that exists only gives its number again.
        """
        with self._rewatching:
            self.unwatched_count = 0
            for directory in takewhile(lambda _: self.is_active, self._tree(self.path)):
                self._watch_one(directory)
            self._problems = {number: each for number, each in self._problems.items() if number in self._unwatched}
            self._report_unwatched()

    def _watch_one(self, directory: bytes) -> None:
        with self._lock:
            if self.is_active:
                self._add_callback(directory)

    def forget_departed(self, cookie: int) -> None:
        """Drop the watches of a directory that was moved out; they would report its new place under an old name."""
        with self._lock:
            departed = self._departed.pop(cookie, set())
            self._remove_callbacks([each for each in departed if each in self._active_callbacks_by_watch])

    def _note_departure(self, event: InotifyEvent) -> None:
        """Remember which watches leave, by number: until it is sure that they left, their paths may change again."""
        with self._lock:
            path = self._build_event_source_path(event)
            if path is not None:
                watches = self._active_callbacks_by_watch.items()
                self._departed[event.cookie] = {
                    descriptor for descriptor, watched in watches if watched == path or watched.startswith(path + b"/")
                }

    def _is_behind(self) -> bool:
        waiting = self._move_event_grouper._queue._queue  # noqa: SLF001 - watchdog counts them nowhere
        return len(waiting) >= MAX_EVENTS_BEHIND

    def _recursive_simulate(self, src_path: bytes) -> list[InotifyEvent]:  # noqa: ARG002 - watchdog's own
        """Guess nothing of what a new directory holds: the mark on it covers all."""
        return []

    def _report_unmount(self) -> None:
        """Once: the kernel tells it of every single directory of the file system."""
        if not self._is_unmount_reported:
            self._is_unmount_reported = True
            self._report("a file system was unmounted")

    def _add_all_callbacks(self, path: bytes) -> None:
        for directory in self._tree(path):
            self._add_callback(directory)
        self._report_unwatched()

    def _add_callback(self, path: bytes) -> None:
        try:
            descriptor = self._inotify_fd.add_callback(path, self.event_mask, self, self._id)
        except OSError as error:
            if path == self.path and not self.is_active:
                raise
            self._note_unwatched(path, error)
            return
        previous = self._active_callbacks_by_watch.get(descriptor)
        if previous is not None and self._active_callbacks_by_path.get(previous) == descriptor:
            del self._active_callbacks_by_path[previous]
        self._active_callbacks_by_path[path] = descriptor
        self._active_callbacks_by_watch[descriptor] = path
        self._is_unmount_reported = False
        for departed in self._departed.values():
            departed.discard(descriptor)

    def _move_watches(self, move_src_path: bytes, move_dst_path: bytes) -> bool:
        """Ask the kernel again what lies at the new place.

        By the time a rename is heard, the old name may long belong to another directory, which was then watched in its stead.
        """
        was_watched = super()._move_watches(move_src_path, move_dst_path)
        if was_watched:
            self._add_all_callbacks(move_dst_path)
        return was_watched

    def _remove_watch_internally(self, wd: WatchDescriptor) -> None:
        """Forget a watch; watchdog's own raises KeyError, and ends its thread, where a path had two in turn."""
        path = self._active_callbacks_by_watch.pop(wd, None)
        if path is not None and self._active_callbacks_by_path.get(path) == wd:
            del self._active_callbacks_by_path[path]

    def _note_unwatched(self, path: bytes, error: OSError) -> None:
        if error.errno not in _VANISHED or path == self.path:
            self.unwatched_count += 1
            self._unwatched.setdefault(error.errno or 0, (path, error))

    def _report_unwatched(self) -> None:
        """Report each reason once, with one directory as the example, for as long as it lasts."""
        noted, self._unwatched = self._unwatched, {}
        wanted = self.watched_count + self.unwatched_count
        reasons = {
            number: f"directories cannot be watched, {readable(example)} for one: {explain(error, wanted)}"
            for number, (example, error) in noted.items()
        }
        for number in reasons.keys() - self._problems.keys():
            self._report(reasons[number])
        self._problems = {**self._problems, **reasons}  # a new one: another thread may be reading the old

    def _tree(self, top: bytes) -> Iterator[bytes]:
        """Give `top` and what is below it; each is to be watched before the next is asked for, so that none slips by."""
        pending = [] if self._is_excluded(top) else [top]
        while pending:
            directory = pending.pop()
            yield directory
            if self.is_recursive:
                pending.extend(self._subdirectories(directory))

    def _subdirectories(self, directory: bytes) -> Iterable[bytes]:
        try:
            with os.scandir(directory) as entries:
                found = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError as error:
            self._note_unwatched(directory, error)
            return []
        return [path for path in found if not self._is_excluded(path)]


class SafeEmitter(InotifyEmitter):
    """Turns the kernel's events of one root into watchdog's, and our doubts with them."""

    def __init__(self, *arguments: Any, is_excluded: Callable[[bytes], bool], **options: Any) -> None:
        """`is_excluded` is asked with absolute paths of directories."""
        super().__init__(*arguments, **options)
        self._is_excluded = is_excluded

    def on_thread_start(self) -> None:
        """Watch the root and all below; raises OSError where the root cannot be watched."""
        self._inotify = SafeGroup(
            self._inotify_fd,
            os.fsencode(self.watch.path),
            Mask(self.get_event_mask_from_filter() | InotifyConstants.IN_MOVE_SELF | InotifyConstants.IN_ONLYDIR),
            is_recursive=self.watch.is_recursive,
            is_excluded=self._is_excluded,
            report=self._report,
        )

    @property
    def group(self) -> SafeGroup | None:
        """The watches; None before the start and after the end."""
        return cast("SafeGroup | None", self._inotify)

    def build_and_queue_event(self, event: GroupedInotifyEvent, *, full_events: bool = False) -> None:
        """Deal with an overflow here, where the reading thread is not held up; leave the rest to watchdog."""
        group = self.group
        if isinstance(event, PathedInotifyEvent) and group is not None:
            if event.ev.is_queue_overflow:
                group.recover()
                return
            if event.ev.is_moved_from and event.ev.is_directory:
                group.forget_departed(event.ev.cookie)
        super().build_and_queue_event(event, full_events=full_events)

    def queue_event(self, event: FileSystemEvent) -> None:
        """Pass on what the kernel said; what watchdog guesses of the content of a directory is dropped."""
        if not event.is_synthetic:
            super().queue_event(event)

    def _report(self, reason: str) -> None:
        self.queue_event(DoubtEvent(self.watch.path, reason=reason))


class SafeObserver(BaseObserver):
    """One inotify instance with its queue, its reading thread, its emitter and the thread that hands events out."""

    def __init__(self, is_excluded: Callable[[bytes], bool]) -> None:
        """Open the inotify instance; raises OSError (EMFILE) where the user has too many."""
        self._reader = SafeReader()
        self._reader.start()
        super().__init__(SafeEmitter, inotify_fd=self._reader, is_excluded=is_excluded)

    def on_thread_stop(self) -> None:
        """End the emitter, then the reader."""
        super().on_thread_stop()
        self._reader.stop()
        self._reader.join()

    def is_healthy(self) -> bool:
        """Tell whether every thread lives; watchdog's `is_alive` speaks of the one that hands out."""
        emitters = list(self.emitters)
        return bool(emitters) and all(thread.is_alive() for thread in (self, self._reader, *emitters))

    @property
    def groups(self) -> list[SafeGroup]:
        """The watches of each root."""
        groups = [cast("SafeEmitter", emitter).group for emitter in list(self.emitters)]
        return [group for group in groups if group is not None]
