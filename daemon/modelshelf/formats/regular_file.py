"""One regular file held open for reading: a fifo never blocks us and a device is never touched."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.model_file import Fingerprint
from modelshelf.errors import FileChanged, FileUnreadable, from_os_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, slots=True)
class RegularFile:
    """An open file and what `fstat` said of it at the start."""

    path: Path
    descriptor: int
    status: os.stat_result

    @property
    def size_bytes(self) -> int:
        """The size when it was opened."""
        return self.status.st_size

    def read_at(self, offset: int, length: int) -> bytes:
        """Give exactly `length` bytes; FileChanged if the file no longer reaches that far."""
        parts: list[bytes] = []
        while length > 0:
            try:
                part = os.pread(self.descriptor, length, offset)
            except OSError as error:
                raise from_os_error(error, os.fsencode(self.path), "read") from error
            if not part:
                raise self.changed()
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return b"".join(parts)

    def head(self, length: int) -> bytes:
        """Give the first `length` bytes, or all of a shorter file."""
        return self.read_at(0, min(length, self.size_bytes))

    def fill(self, buffer: memoryview) -> int:
        """Read on from the current position until `buffer` is full or the file ends; give the bytes read."""
        filled = 0
        while filled < len(buffer):
            try:
                count = os.readv(self.descriptor, [buffer[filled:]])
            except OSError as error:
                raise from_os_error(error, os.fsencode(self.path), "read") from error
            if not count:
                break
            filled += count
        return filled

    def unchanged(self, *, is_honest: bool = True) -> Fingerprint:
        """Give the fingerprint if neither the open file nor what its path names changed since; else FileChanged.

        The path is followed as it was at opening: for anything but a symbolic link this is its `lstat`. Where the file
        system is not `is_honest`, an open file and its path may have inodes and ctimes of their own, so these do not count.
        """
        try:
            named = os.stat(self.path)
            held = os.fstat(self.descriptor)
        except OSError as error:
            raise from_os_error(error, os.fsencode(self.path), "read") from error
        before = Fingerprint.of(self.status)
        for now in (held, named):
            is_same_device = now.st_dev == self.status.st_dev or not is_honest
            if not is_same_device or not before.is_same(Fingerprint.of(now), is_honest=is_honest):
                raise self.changed()
        return before

    def changed(self) -> FileChanged:
        """Build the error for a file that is no longer what was opened."""
        return FileChanged(f"{readable(self.path)} changed while it was read")


@contextmanager
def opened(path: Path) -> Iterator[RegularFile]:
    """Open a regular file, or one that a symbolic link leads to; anything else is FileUnreadable.

    Looked at before opening, because opening alone can rewind a tape or arm a watchdog; O_NONBLOCK covers the race.
    """
    name = os.fsencode(path)
    try:
        _require_regular(path, os.stat(path))
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise from_os_error(error, name, "read") from error
    try:
        status = os.fstat(descriptor)
        _require_regular(path, status)
        yield RegularFile(path, descriptor, status)
    finally:
        os.close(descriptor)


def _require_regular(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise FileUnreadable(f"{readable(path)} is {kind}, not a file")
