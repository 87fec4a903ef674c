"""A draft: a file under a temporary name in the directory where it will live, to be made durable and renamed into place."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from modelshelf.domain.display import readable
from modelshelf.errors import FileChanged, WriteRefused
from modelshelf.files.leftovers import temporary_name
from modelshelf.files.likeness import kept_attributes, take_after
from modelshelf.files.trouble import demand_expected, in_the_way
from modelshelf.renaming import rename_without_replacing, sync_directory

_ANY_WRITE_BIT = 0o222


@dataclass(frozen=True, slots=True)
class Old:
    """What stands at a path before it is replaced."""

    status: os.stat_result
    attributes: dict[str, bytes]


@dataclass(slots=True)
class Draft:
    """A file under its temporary name, still open until it is durable. `ready` has the size and mtime that it will keep.

    It takes the place of the `expected` file; None: of nothing.
    """

    path: Path
    temporary: Path
    descriptor: int | None
    ready: os.stat_result
    expected: os.stat_result | None

    @classmethod
    def write(
        cls, path: Path, content: bytes, *, old: Old | None, expected: os.stat_result | None, within: Path | None
    ) -> Self:
        """Write a draft that is like the `old` file; WriteRefused where it may not be, or lies not `within`."""
        temporary = path.with_name(temporary_name(path.name))
        mode = 0o600 if old else 0o666
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        try:
            demand_within(descriptor, path, within)
            with os.fdopen(descriptor, "wb", closefd=False) as opened:
                opened.write(content)
            if old is not None:
                take_after(descriptor, path, old.status, old.attributes)
            return cls(path, temporary, descriptor, os.fstat(descriptor), expected)
        except BaseException:
            _discard(temporary, descriptor)
            raise

    def sync(self) -> None:
        """Make it durable, and close it: closed under its own name it would look to whoever watches like somebody's writing."""
        if self.descriptor is not None:
            os.fsync(self.descriptor)
            os.close(self.descriptor)
            self.descriptor = None

    def put(self) -> os.stat_result:
        """Rename it into place; FileChanged where anything but the `expected` file stands there."""
        if self.expected is not None:
            old = old_at(self.path)
            demand_expected(self.path, old.status if old else None, self.expected)
            self.temporary.replace(self.path)
        else:
            try:
                rename_without_replacing(self.temporary, self.path)
            except FileExistsError:
                raise FileChanged(f"{readable(self.path)} appeared meanwhile: nothing was written") from None
        sync_directory(self.path.parent)
        return self.path.lstat()

    def discard(self) -> None:
        """Leave nothing open, and nothing under the temporary name."""
        _discard(self.temporary, self.descriptor)


def _discard(temporary: Path, descriptor: int | None) -> None:
    if descriptor is not None:
        with suppress(OSError):
            os.close(descriptor)
    with suppress(OSError):
        temporary.unlink()


def old_at(path: Path) -> Old | None:
    """Give the regular file at `path`, None where nothing is; WriteRefused for what is neither."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(status.st_mode):
        raise WriteRefused(f"{readable(path)} is a symbolic link: nothing is written through it or over it")
    if not stat.S_ISREG(status.st_mode):
        raise in_the_way(path)
    return Old(status, kept_attributes(path))


def demand_writable(path: Path, status: os.stat_result) -> None:
    """Raise WriteRefused for a file that nobody may write to."""
    if not status.st_mode & _ANY_WRITE_BIT:
        raise WriteRefused(
            f"{readable(path)} is read-only: it was left alone; chmod u+w lets modelshelf keep it up to date"
        )


def demand_within(descriptor: int, path: Path, within: Path | None) -> None:
    """Ask the kernel where an open file really lies: whatever is swapped on its way afterwards, its name is found no more."""
    if within is None:
        return
    found = str(Path(f"/proc/self/fd/{descriptor}").readlink())
    border = os.path.realpath(within)
    if found != border and not found.startswith(border.rstrip("/") + "/"):
        raise WriteRefused(
            f"{readable(path)} does not lie in {readable(within)}: a directory on its way leads to {readable(found)}"
        )
