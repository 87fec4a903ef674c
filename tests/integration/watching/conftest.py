"""A real observer on a real directory."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.folder import Folder
from modelshelf.shelf.intake import Intake
from modelshelf.watching.observer import FolderObserver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from modelshelf.watching.dirty import DirtyReach


class Heard:
    """What an observer said, kept from its threads; `observer` is the one that says it."""

    observer: FolderObserver

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._dirty: set[tuple[bytes, DirtyReach]] = set()
        self._doubts: list[str] = []

    def on_dirty(self, _folder_id: str, path: bytes, reach: DirtyReach) -> None:
        with self._lock:
            self._dirty.add((path, reach))

    def on_doubt(self, _folder_id: str, reason: str) -> None:
        with self._lock:
            self._doubts.append(reason)

    @property
    def dirty(self) -> set[tuple[bytes, DirtyReach]]:
        with self._lock:
            return set(self._dirty)

    @property
    def paths(self) -> set[bytes]:
        return {path for path, _ in self.dirty}

    @property
    def doubts(self) -> list[str]:
        with self._lock:
            return list(self._doubts)

    def has(self, path: bytes) -> bool:
        """Whether the file at `path` is marked by itself."""
        return path in self.paths

    def covers(self, path: bytes) -> bool:
        """Whether the file at `path` is marked, by itself or with a directory above it."""
        parents = [path[:end] for end in range(len(path)) if path[end : end + 1] == b"/"]
        return bool(self.paths & {path, *parents})

    def forget(self) -> None:
        with self._lock:
            self._dirty.clear()
            self._doubts.clear()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "models"
    path.mkdir()
    return path


@pytest.fixture
def watch(root: Path) -> Iterator[Callable[[], Heard]]:
    """Give a function that starts watching `root` as it is then; what it started is stopped at the end."""
    started: list[FolderObserver] = []

    def begin() -> Heard:
        heard = Heard(root)
        folder = Folder("loras", root, None, ("*.safetensors",), ("trash",))
        heard.observer = FolderObserver(folder, Intake(folder), heard.on_dirty, heard.on_doubt)
        heard.observer.start()
        started.append(heard.observer)
        return heard

    before = threading.active_count()
    descriptors = len(os.listdir("/proc/self/fd"))
    yield begin
    for observer in started:
        observer.stop()
    assert threading.active_count() == before
    assert len(os.listdir("/proc/self/fd")) == descriptors
