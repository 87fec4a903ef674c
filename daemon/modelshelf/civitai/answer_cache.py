"""Answers that were given before: in memory what was used last, on disk the rest, each with its ETag and its date.

Everything here can be asked for again, so a cache that cannot be read or written costs questions and nothing else: what
is broken is thrown away, and a full disk is left to those who need it. Only whole answers of status 200 come in; a miss
is never kept here, for when to ask again is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import zlib
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cachetools import LRUCache

from modelshelf.errors import FileGone, ModelshelfError, from_os_error
from modelshelf.files import read_limited, remove_leftovers, replace_file
from modelshelf.logs import get_log

if TYPE_CHECKING:
    from modelshelf.clock import Clock

log = get_log(__name__)

MOST_ANSWER_BYTES = 1024 * 1024
"""A larger answer is a list of many things, which is hardly ever asked for in the same words again."""

MEMORY_BYTES = 4 * 1024 * 1024
DISK_BYTES = 64 * 1024 * 1024
LEAST_FREE_BYTES = 256 * 1024 * 1024
"""Below this the disk's last room is for the catalog, sidecars and pictures."""

DIRECTORY_NAME = "civitai-answers"
_SUFFIX = ".answer"
_HEAD_BYTES = 8 * 1024
_LONGEST_ETAG = 200


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer from before: its body as it came, and what the server calls this state of it."""

    content: bytes
    etag: str | None
    checked_at: float
    is_from_memory: bool = False


class AnswerCache:
    """Safe for several threads. Only files of our own names are counted or removed, whatever else lies there."""

    def __init__(
        self, directory: Path | None, memory_count: int, clock: Clock, *, disk_bytes: int = DISK_BYTES
    ) -> None:
        self._directory = directory / DIRECTORY_NAME if directory else None
        self._memory_count = memory_count
        self._clock = clock
        self._disk_bytes = disk_bytes
        self._lock = threading.Lock()
        self._disk_lock = threading.Lock()
        self._memory: LRUCache[str, bytes] = LRUCache(MEMORY_BYTES, getsizeof=len)
        self._kept_bytes: int | None = None
        self._is_ailing = False

    def get(self, name: str) -> Kept | None:
        """Give what is kept under this name, however old; what is broken is removed."""
        with self._lock:
            packed = self._memory.get(name)
        kept = _unpacked(packed, name) if packed is not None else None
        return replace(kept, is_from_memory=True) if kept is not None else self._from_disk(name)

    def keep(self, name: str, content: bytes, etag: str | None) -> None:
        """Keep an answer that came just now, or was just said to hold still."""
        if len(content) > MOST_ANSWER_BYTES:
            self.forget(name)
            return
        packed = _packed(name, Kept(content, etag, self._clock.now().timestamp()))
        self._remember(name, packed)
        path = self._path(name)
        if path is None:
            return
        try:
            self._write(path, packed)
        except ModelshelfError as error:
            self._complain(error)
        else:
            self._is_ailing = False

    def forget(self, name: str) -> None:
        """Remove what is kept under this name."""
        with self._lock:
            self._memory.pop(name, None)
        path = self._path(name)
        if path is not None:
            with suppress(OSError):
                path.unlink()

    def _from_disk(self, name: str) -> Kept | None:
        path = self._path(name)
        if path is None:
            return None
        try:
            packed, _ = read_limited(path, MOST_ANSWER_BYTES + _HEAD_BYTES)
        except FileGone:
            return None
        except ModelshelfError:
            packed = b""
        kept = _unpacked(packed, name)
        if kept is None:
            self.forget(name)
            return None
        self._remember(name, packed)
        return kept

    def _remember(self, name: str, packed: bytes) -> None:
        if not self._memory_count:
            return
        with self._lock:
            self._memory[name] = packed
            while len(self._memory) > self._memory_count:
                self._memory.popitem()

    def _path(self, name: str) -> Path | None:
        return (
            self._directory / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}{_SUFFIX}" if self._directory else None
        )

    def _write(self, path: Path, packed: bytes) -> None:
        directory = path.parent
        with self._disk_lock:
            if self._kept_bytes is None:
                _make_private(directory)
                remove_leftovers(directory)
                self._kept_bytes = _swept(directory, self._disk_bytes)
        if _free_bytes(directory) < LEAST_FREE_BYTES:
            return
        replace_file(path, packed)
        with self._disk_lock:
            self._kept_bytes += len(packed)
            if self._kept_bytes > self._disk_bytes:
                self._kept_bytes = _swept(directory, self._disk_bytes // 4 * 3)

    def _complain(self, error: ModelshelfError) -> None:
        """Say it once, until something is written again."""
        if not self._is_ailing:
            log.warning("answers_not_kept", reason=str(error))
        self._is_ailing = True


def _packed(name: str, kept: Kept) -> bytes:
    etag = kept.etag if kept.etag and kept.etag.isprintable() and len(kept.etag) <= _LONGEST_ETAG else None
    head = json.dumps({"name": name, "etag": etag, "checked_at": kept.checked_at})
    return zlib.compress(head.encode() + b"\n" + kept.content, 1)


def _unpacked(packed: bytes, name: str) -> Kept | None:
    """Give what was packed under this name, None for anything else; no more is unfolded than can have been packed."""
    unfolding = zlib.decompressobj()
    try:
        whole = unfolding.decompress(packed, MOST_ANSWER_BYTES + _HEAD_BYTES)
        head, _, content = whole.partition(b"\n")
        said = json.loads(head)
        kept = Kept(content, said["etag"], float(said["checked_at"]))
    except (zlib.error, ValueError, KeyError, TypeError, RecursionError):
        return None
    is_whole = unfolding.eof and said["name"] == name and isinstance(kept.etag, str | None)
    return kept if is_whole else None


def _make_private(directory: Path) -> None:
    """Make the directory, for nobody else to read or write; one that is somebody else's, or a link, is not used."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.lstat()
        if status.st_uid != os.geteuid() or directory.is_symlink():
            raise PermissionError(1, "it is not ours")
        directory.chmod(0o700)
    except OSError as error:
        raise from_os_error(error, os.fsencode(directory), "use") from error


def _free_bytes(directory: Path) -> int:
    try:
        found = os.statvfs(directory)
    except OSError as error:
        raise from_os_error(error, os.fsencode(directory), "use") from error
    return found.f_bavail * found.f_frsize


def _swept(directory: Path, most_bytes: int) -> int:
    """Remove the oldest answers above `most_bytes`, and give how many bytes are left."""
    try:
        with os.scandir(directory) as entries:
            answers = [each for each in entries if each.name.endswith(_SUFFIX) and each.is_file(follow_symlinks=False)]
        found = [(each.stat(follow_symlinks=False), Path(each.path)) for each in answers]
    except OSError as error:
        raise from_os_error(error, os.fsencode(directory), "list") from error
    left_bytes = sum(status.st_size for status, _ in found)
    for status, path in sorted(found, key=lambda each: each[0].st_mtime_ns):
        if left_bytes <= most_bytes:
            break
        with suppress(OSError):
            path.unlink()
            left_bytes -= status.st_size
    return left_bytes
