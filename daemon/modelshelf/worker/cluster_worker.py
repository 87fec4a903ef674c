"""What a Dask worker does for us on its host: it reads one file after another, each in a child process with limits.

It opens no store and knows no configuration: where a folder is mounted on this host, `$MODELSHELF_MAP` says.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelshelf import __version__
from modelshelf.domain.display import readable
from modelshelf.errors import FileChanged, FileGone, FolderOffline, ModelshelfError, UsageError
from modelshelf.formats.regular_file import opened
from modelshelf.worker.chunk_process import ChunkProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from modelshelf.worker.isolation import Limits

MAP_VARIABLE = "MODELSHELF_MAP"
"""Where folders are on this host: `loras=/mnt/nas/loras:checkpoints=/data/ckpt`; any other is where the daemon has it."""

TOPIC = "modelshelf"
"""Under which the scheduler passes on how far each read has come. One for all: it remembers every topic for ever."""

TOLD_SECONDS = 1.0

_UNWANTED = {"cancelled", "released", "forgotten", "gone"}
_ALIVE = {"running", "paused"}


@dataclass(frozen=True, slots=True)
class Order:
    """One file to be read: `function` is called with its path on the host, `args` and `options`.

    `root` is where the daemon has the folder. With `is_progress_told` the function gets an `on_progress`.
    """

    folder_id: str
    root: Path
    relative_path: bytes
    function: Callable[..., Any]
    args: tuple[Any, ...]
    options: dict[str, Any]
    limits: Limits
    stall_seconds: float
    is_progress_told: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What came of an order on the Dask worker at `address`: a value, an error, or a `lack`: why it could not be tried there.

    `size_bytes` and `mtime_ns` are the file's, before and after. `lacks_folder`: it would be the same for every file of the
    folder. `output` is all that a child said before it died.
    """

    address: str
    host: str
    value: Any = None
    size_bytes: int = 0
    mtime_ns: int = 0
    error: ModelshelfError | None = None
    lack: str | None = None
    lacks_folder: bool = False
    output: bytes = b""


class NotWanted(Exception):
    """Whoever gave the order has taken it back, or is gone."""


def introduce() -> str:
    """Give the version that reads here; UsageError where the map of this host is none."""
    mounts_of(os.environ)
    return __version__


def mounts_of(environment: Mapping[str, str]) -> dict[str, Path]:
    """Read the map of folders to places on this host; UsageError names what is wrong."""
    mounts: dict[str, Path] = {}
    for entry in filter(None, environment.get(MAP_VARIABLE, "").split(":")):
        folder_id, is_there, place = entry.partition("=")
        if not is_there or not folder_id or not place.startswith("/"):
            raise UsageError(f"${MAP_VARIABLE}: {entry!r} must be FOLDER_ID=/an/absolute/path")
        mounts[folder_id] = Path(place)
    return mounts


def fulfil(order: Order) -> Report:
    """Read the file in a child of this worker; the task of Dask that does it tells which worker that is."""
    worker: Any = import_module("distributed").get_worker()  # an extra, and only its own workers call this
    task = worker.get_current_task()
    errand = _Errand(order, lambda: _is_wanted(worker, task), lambda done: worker.log_event(TOPIC, [task, done]))
    return errand.run(worker.address, os.uname().nodename)


def _is_wanted(worker: Any, task: str) -> bool:
    """Tell whether Dask still waits for the task: a thread that runs one is never told that it was cancelled."""
    known = worker.state.tasks.get(task)
    return (known.state if known is not None else "gone") not in _UNWANTED and worker.status.name in _ALIVE


class _Errand:
    def __init__(self, order: Order, is_wanted: Callable[[], bool], tell: Callable[[int], object]) -> None:
        self._order = order
        self._is_wanted = is_wanted
        self._tell = tell
        self._tell_at = 0.0

    def run(self, address: str, host: str) -> Report:
        order = self._order
        try:
            path = _place_of(order)
            before = _look(path)
            value = _bench.reader(order.stall_seconds).read(
                order.function, (path, *order.args), self._options(), self._check, order.limits
            )
            if _look(path) != before:
                raise FileChanged(f"{readable(path)} changed while it was read")
        except (FileGone, FolderOffline, UsageError) as error:
            return Report(address, host, lack=str(error), lacks_folder=not isinstance(error, FileGone))
        except ModelshelfError as error:
            return Report(address, host, error=error, output=_bench.take_output())
        return Report(address, host, value, *before)

    def _options(self) -> dict[str, Any]:
        told = {"on_progress": self._advance} if self._order.is_progress_told else {}
        return {**self._order.options, **told}

    def _advance(self, done_bytes: int) -> None:
        now = time.monotonic()
        if now >= self._tell_at:
            self._tell_at = now + TOLD_SECONDS
            self._tell(done_bytes)

    def _check(self) -> None:
        if not self._is_wanted():
            raise NotWanted


def _place_of(order: Order) -> Path:
    root = mounts_of(os.environ).get(order.folder_id, order.root)
    if not root.is_dir():
        raise FolderOffline(f"{readable(root)} is not there")
    return root / os.fsdecode(order.relative_path)


def _look(path: Path) -> tuple[int, int]:
    """Give size and mtime. The file is opened for that: only then does an NFS client ask its server what is true now."""
    with opened(path) as file:
        return file.status.st_size, file.status.st_mtime_ns


class _Bench(threading.local):
    """Where one thread of a Dask worker works: its child stays for the next order."""

    def __init__(self) -> None:
        self._reader: ChunkProcess | None = None
        self._stall_seconds = 0.0
        self._output = b""

    def reader(self, stall_seconds: float) -> ChunkProcess:
        if self._reader is None or self._stall_seconds != stall_seconds:
            if self._reader is not None:
                self._reader.close()
            self._reader, self._stall_seconds = ChunkProcess(self, stall_seconds), stall_seconds
        return self._reader

    def keep(self, content: bytes) -> None:
        """Keep what a child said for the daemon, which has a place for it."""
        self._output = content

    def take_output(self) -> bytes:
        output, self._output = self._output, b""
        return output


_bench = _Bench()
