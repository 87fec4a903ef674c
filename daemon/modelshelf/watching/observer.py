"""The observer of one Folder: it hears events and says which paths are dirty, or that it can no longer be relied on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

from watchdog.events import (
    DirDeletedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)

from modelshelf.domain.display import readable
from modelshelf.errors import FileUnreadable, FolderOffline
from modelshelf.files import is_leftover
from modelshelf.shelf import partial
from modelshelf.watching.dirty import WHOLE, DirtyReach
from modelshelf.watching.inotify import EVENTS, DoubtEvent, SafeObserver
from modelshelf.watching.limits import explain

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelshelf.domain.folder import Folder
    from modelshelf.shelf.intake import Intake

    OnDirty: TypeAlias = Callable[[str, bytes, DirtyReach], None]
    OnDoubt: TypeAlias = Callable[[str, str], None]


class FolderObserver:
    """Watches one Folder with inotify.

    `on_dirty` gets folder id, relative path and reach; it must be quick, for the kernel's queue is short. `on_doubt` gets
    folder id and a reason: whatever lies in the folder may have changed unheard, so the caller scans. Both are called from
    the observer's own thread. A stopped observer cannot be started again: make another.
    """

    def __init__(self, folder: Folder, intake: Intake, on_dirty: OnDirty, on_doubt: OnDoubt) -> None:
        """Nothing is opened before `start`."""
        self._folder = folder
        self._door = EventDoor(folder, intake, on_dirty, on_doubt)
        self._observer: SafeObserver | None = None

    def start(self) -> None:
        """Watch every directory of the folder, which takes some 16 us for each.

        Raises FolderOffline where the folder is not there, FileUnreadable where it may not be watched or a limit of
        inotify is reached. Directories within it that cannot be watched are a doubt, no error.
        """
        if not os.path.isdir(self._door.root):
            raise FolderOffline(f"{readable(self._folder.path)} is no directory: not mounted, moved or renamed?")
        try:
            observer = SafeObserver(self._door.is_excluded)
        except OSError as error:
            raise self._translated(error) from error
        try:
            root = os.fsdecode(self._door.root)
            observer.schedule(self._door, root, recursive=self._folder.is_recursive, event_filter=EVENTS)
            observer.start()
        except OSError as error:
            observer.stop()
            raise self._translated(error) from error
        self._observer = observer

    def stop(self) -> None:
        """Stop watching and wait for the threads; harmless where nothing runs, and from two threads at once."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join()

    def is_alive(self) -> bool:
        """Tell whether every thread behind it lives and the root is watched; where not, only a new observer helps.

        A removed root ends a thread; one that was unmounted or moved away ends none, and nothing is heard any more.
        """
        observer = self._observer
        if observer is None or not observer.is_healthy():
            return False
        return all(group.is_rooted for group in observer.groups)

    @property
    def watched_count(self) -> int:
        """How many directories are watched."""
        return sum(group.watched_count for group in self._observer.groups) if self._observer else 0

    @property
    def unwatched_count(self) -> int:
        """How many directories could not be watched since the start or the last overflow: only scans see into them."""
        return sum(group.unwatched_count for group in self._observer.groups) if self._observer else 0

    @property
    def problem(self) -> str | None:
        """Why some directories are not watched, None where all are."""
        problems = [group.problem for group in self._observer.groups if group.problem] if self._observer else []
        return "; ".join(problems) or None

    @property
    def is_short_of_watches(self) -> bool:
        """Whether a limit keeps directories unwatched that a scan can see into."""
        return self._observer is not None and any(group.is_short_of_watches for group in self._observer.groups)

    def watch_the_rest(self) -> None:
        """Try once more to watch what could not be watched; what is watched stays so."""
        for group in self._observer.groups if self._observer else []:
            group.watch_everything()

    def _translated(self, error: OSError) -> FileUnreadable:
        return FileUnreadable(f"cannot watch {readable(self._folder.path)}: {explain(error)}", errno=error.errno)


class EventDoor(FileSystemEventHandler):
    """Where events come in. It marks and reports, and does nothing else: no file is looked at, no name opened."""

    def __init__(self, folder: Folder, intake: Intake, on_dirty: OnDirty, on_doubt: OnDoubt) -> None:
        """Resolve the folder's path: inotify does not follow a link, not even as the root."""
        self.root = os.path.realpath(os.fsencode(folder.path))
        self._folder_id = folder.id
        self._is_recursive = folder.is_recursive
        self._intake = intake
        self._on_dirty = on_dirty
        self._on_doubt = on_doubt

    def is_excluded(self, directory: bytes) -> bool:
        """Tell whether this absolute path is a directory that is never watched."""
        relative = self._relative(directory)
        return relative is None or self._intake.is_excluded_directory(relative)

    def dispatch(self, event: FileSystemEvent) -> None:
        """Take one event in; whatever goes wrong with it becomes a doubt, since the thread must live."""
        try:
            self._take(event)
        except Exception as error:  # noqa: BLE001 - the watcher's event door, one of the five
            self._on_doubt(self._folder_id, f"an event could not be taken in: {error!r}")

    def _take(self, event: FileSystemEvent) -> None:
        if isinstance(event, DoubtEvent):
            self._on_doubt(self._folder_id, event.reason)
        elif event.is_directory:
            self._take_directory_event(event)
        else:
            self._take_file_event(event)

    def _take_directory_event(self, event: FileSystemEvent) -> None:
        """Mark all below it."""
        if isinstance(event, DirDeletedEvent) and self._relative(event.src_path) == WHOLE:
            self._on_doubt(self._folder_id, "the folder was removed")
            return
        if not self._is_recursive:
            return
        for path in self._paths(event):
            if not self._intake.is_excluded_directory(path):
                self._on_dirty(self._folder_id, path, DirtyReach.TREE)

    def _take_file_event(self, event: FileSystemEvent) -> None:
        if isinstance(event, FileMovedEvent) and is_leftover(os.path.basename(os.fsencode(event.src_path))):
            return  # our own writing, put in place: whoever wrote it records it
        for path in self._paths(event):
            interesting = self._interesting(path, is_gone=isinstance(event, FileDeletedEvent))
            if interesting is not None:
                self._on_dirty(self._folder_id, interesting, DirtyReach.FILE)

    def _interesting(self, path: bytes, *, is_gone: bool) -> bytes | None:
        """Give the path to mark: itself, or the model that a vanished download's control file was holding back."""
        directory, name = os.path.split(path)
        if self._intake.is_excluded_directory(directory):
            return None
        if self._intake.is_partial(name):
            finished = partial.finished_name(name) if is_gone else None
            model = os.path.join(directory, finished) if finished else b""
            return model if self._intake.is_model_name(model) else None
        return None if name.startswith(b".") else path

    def _paths(self, event: FileSystemEvent) -> list[bytes]:
        ends = (event.src_path, event.dest_path)
        return [path for path in map(self._relative, ends) if path]

    def _relative(self, path: bytes | str) -> bytes | None:
        absolute = os.fsencode(path)
        if absolute == self.root:
            return WHOLE
        below = self.root.rstrip(b"/") + b"/"
        return absolute[len(below) :] if absolute.startswith(below) else None
