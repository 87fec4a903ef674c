"""What may have changed: paths collapsed to directories and whole folders, so that no storm can fill the memory."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelshelf.clock import Clock

MAX_FILES_PER_DIRECTORY = 128
MAX_MARKS_PER_FOLDER = 512
"""Beyond these a scan of the directory, or of the folder, is cheaper than the list; Syncthing's numbers (watchaggregator)."""

LINGER_SECONDS = 0.15
"""How long the first mark waits for company, so that a burst becomes one batch."""

WHOLE = b""
"""The path of a folder's own directory."""


class DirtyReach(StrEnum):
    """How much a mark covers: one file, the files directly in a directory, or all that lies below it."""

    FILE = "file"
    DIRECTORY = "directory"
    TREE = "tree"


@dataclass(frozen=True, slots=True)
class Dirty:
    """Something to look at again. `path` is relative to the folder; empty, it is the folder's own directory."""

    folder_id: str
    path: bytes
    reach: DirtyReach


class DirtySet:
    """Collects marks from any thread and gives them out in batches, collapsed; its size is bounded per folder."""

    def __init__(self, clock: Clock, linger_seconds: float = LINGER_SECONDS) -> None:
        """`clock` tells how long a mark has waited."""
        self._clock = clock
        self._linger_seconds = linger_seconds
        self._folders: dict[str, _FolderMarks] = {}
        self._is_woken = False
        self._changed = threading.Condition()

    def mark(self, folder_id: str, path: bytes, reach: DirtyReach) -> None:
        """Remember that this may have changed."""
        with self._changed:
            marks = self._folders.get(folder_id)
            if marks is None:
                marks = self._folders[folder_id] = _FolderMarks(self._clock.monotonic() + self._linger_seconds)
                self._changed.notify_all()
            marks.add(path, reach)

    def take(self, now_monotonic: float) -> list[Dirty]:
        """Give, and forget, the marks of every folder that has waited long enough; no mark repeats what another covers."""
        with self._changed:
            due = {folder_id: marks for folder_id, marks in self._folders.items() if marks.due_at <= now_monotonic}
            for folder_id in due:
                del self._folders[folder_id]
        return [Dirty(folder_id, path, reach) for folder_id, marks in due.items() for path, reach in marks.collapsed()]

    def wait(self, timeout_seconds: float) -> bool:
        """Sleep until `take` has something to give, at most this long; False where there is nothing after all."""
        deadline = self._clock.monotonic() + timeout_seconds
        with self._changed:
            while not self._is_woken:
                now = self._clock.monotonic()
                due_at = min((marks.due_at for marks in self._folders.values()), default=None)
                if due_at is not None and due_at <= now:
                    return True
                until = deadline if due_at is None else min(due_at, deadline)
                if until <= now:
                    return False
                self._changed.wait(min(until - now, threading.TIMEOUT_MAX))
            self._is_woken = False
            return False

    def wake(self) -> None:
        """End the present `wait`, or the next one, at once: somebody wants to stop."""
        with self._changed:
            self._is_woken = True
            self._changed.notify_all()


class _FolderMarks:
    """The marks of one folder. `due_at` is when the first of them has lingered long enough."""

    def __init__(self, due_at: float) -> None:
        self.due_at = due_at
        self._files: defaultdict[bytes, set[bytes]] = defaultdict(set)
        self._directories: dict[bytes, DirtyReach] = {}
        self._count = 0

    def add(self, path: bytes, reach: DirtyReach) -> None:
        """Add one mark, unless a wider one covers it already."""
        directory = os.path.dirname(path) if reach is DirtyReach.FILE else path
        if self._is_covered(directory, reach):
            return
        if reach is DirtyReach.FILE:
            self._add_file(directory, path)
        else:
            self._add_directory(directory, reach)
        if self._count > MAX_MARKS_PER_FOLDER:
            self._files.clear()
            self._directories = {WHOLE: DirtyReach.TREE}
            self._count = 1

    def collapsed(self) -> Iterator[tuple[bytes, DirtyReach]]:
        """Give directories first, then files, leaving out what lies in a marked tree."""
        for directory, reach in sorted(self._directories.items()):
            if directory == WHOLE or not self._is_in_tree(os.path.dirname(directory)):
                yield directory, reach
        for directory, paths in sorted(self._files.items()):
            if not self._is_covered(directory, DirtyReach.FILE):
                yield from ((path, DirtyReach.FILE) for path in sorted(paths))

    def _add_file(self, directory: bytes, path: bytes) -> None:
        paths = self._files[directory]
        self._count += path not in paths
        paths.add(path)
        if len(paths) > MAX_FILES_PER_DIRECTORY:
            self._add_directory(directory, DirtyReach.DIRECTORY)

    def _add_directory(self, directory: bytes, reach: DirtyReach) -> None:
        self._count -= len(self._files.pop(directory, ()))
        self._count += directory not in self._directories
        self._directories[directory] = reach

    def _is_covered(self, directory: bytes, reach: DirtyReach) -> bool:
        is_listed = reach is not DirtyReach.TREE and directory in self._directories
        return is_listed or self._is_in_tree(directory)

    def _is_in_tree(self, directory: bytes) -> bool:
        while self._directories.get(directory) is not DirtyReach.TREE:
            parent = os.path.dirname(directory)
            if parent == directory:
                return False
            directory = parent
        return True
