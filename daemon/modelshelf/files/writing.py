"""The only door by which files leave: whole or not at all, never over somebody else's, and known before they appear.

A file is written under a temporary name in the directory where it will live, made durable, and renamed into place. A power
cut leaves the old file or the new one, at worst beside a `.<name>.modelshelf-<random>.tmp` that `remove_leftovers` takes away.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import FileChanged, FileUnreadable, WriteRefused
from modelshelf.files.draft import Draft, Old, demand_within, demand_writable, old_at
from modelshelf.files.trouble import demand_expected, identity, in_the_way, translated
from modelshelf.renaming import rename_without_replacing, sync_directory, sync_now, syncs_put_off

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a file is written: over what, over nothing but what, telling whom, and not beyond where."""

    old: Old | None
    expected: os.stat_result | None
    on_ready: Callable[[os.stat_result], None] | None
    within: Path | None


def replace_file(
    path: Path,
    content: bytes,
    *,
    expected: os.stat_result | None = None,
    on_ready: Callable[[os.stat_result], None] | None = None,
    within: Path | None = None,
) -> os.stat_result:
    """Put `content` at `path`, over the regular file that may be there, and give the result's stat.

    The new file gets the old one's owner, group, mode, ACL and user attributes; where that is not permitted nothing is
    replaced. `on_ready` is called with the stat (size and mtime stay) before the file appears. Equal content: nothing is
    touched and `on_ready` is not called. WriteRefused: a symlink, a directory, a read-only file or one of another owner is
    in the way, or a directory on the way leads out of `within`. FileChanged: the file is not the `expected` one, or a file
    appeared meanwhile.
    """
    with translated(path, "write"):
        old = old_at(path)
        demand_expected(path, old.status if old else None, expected)
        if old is None:
            return _written(path, content, _Manner(None, expected, on_ready, within))
        demand_writable(path, old.status)
        if _holds(path, old.status, content):
            return old.status
        return _written(path, content, _Manner(old, expected or old.status, on_ready, within))


def create_file(
    path: Path,
    content: bytes,
    *,
    on_ready: Callable[[os.stat_result], None] | None = None,
    within: Path | None = None,
) -> os.stat_result:
    """Put `content` at `path` where nothing is; WriteRefused if anything is, even a dangling symlink."""
    with translated(path, "write"):
        if os.path.lexists(path):
            raise in_the_way(path)
        try:
            return _written(path, content, _Manner(None, None, on_ready, within))
        except FileChanged:
            raise in_the_way(path) from None


def remove_file(path: Path, *, expected: os.stat_result, within: Path | None = None) -> None:
    """Remove a file of ours; FileChanged if it is not the `expected` one any more, WriteRefused if it lies not `within`."""
    with translated(path, "remove"):
        directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            demand_within(directory, path, within)
            demand_expected(path, os.lstat(path.name, dir_fd=directory), expected)
            os.unlink(path.name, dir_fd=directory)
        finally:
            os.close(directory)
        sync_directory(path.parent)


def read_limited(path: Path, max_bytes: int) -> tuple[bytes, os.stat_result]:
    """Give the bytes of a regular file and its stat; a pipe, a device or a file above `max_bytes` is FileUnreadable.

    FileChanged if it changed while it was read. A symlink is followed; nothing is opened that could block.
    """
    with translated(path, "read"):
        _demand_regular(path, path.stat())
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with os.fdopen(descriptor, "rb") as opened:
            before = os.fstat(descriptor)
            _demand_regular(path, before)
            content = opened.read(max_bytes + 1)
            after = os.fstat(descriptor)
    if len(content) > max_bytes:
        raise FileUnreadable(f"{readable(path)} is larger than {max_bytes} bytes", errno=errno.EFBIG)
    if identity(before) != identity(after):
        raise FileChanged(f"{readable(path)} changed while it was read")
    return content, after


def move_without_replacing(source: Path, target: Path) -> None:
    """Move a file within its file system; WriteRefused if anything stands at `target`.

    A crash on a file system without RENAME_NOREPLACE may leave the file under both names, never under none.
    """
    with translated(source, "move"):
        _demand_not_directory(source)
        try:
            rename_without_replacing(source, target)
        except FileExistsError:
            raise in_the_way(target) from None
        sync_directory(target.parent)
        if source.parent != target.parent:
            sync_directory(source.parent)


def make_directory(path: Path) -> None:
    """Make a directory and those above it; one that is there is left as it is."""
    with translated(path, "make"):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def directories_synced_once() -> Iterator[None]:
    """Make the directory entries of all that is written in here durable at its end, each directory once.

    Until then a power cut may undo what was put in place, but not tear it: so nothing of it may be recorded as done before.
    FileUnreadable if a directory cannot be synced; one that has gone takes along what was written there.
    """
    with syncs_put_off() as owed:
        try:
            yield
        finally:
            _sync_all(sorted(owed))


def _sync_all(directories: Iterable[Path]) -> None:
    for directory in directories:
        with translated(directory, "sync"), suppress(FileNotFoundError, NotADirectoryError):
            sync_now(directory)


def _demand_regular(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise FileUnreadable(f"{readable(path)} is not a regular file")


def _demand_not_directory(path: Path) -> None:
    if stat.S_ISDIR(path.lstat().st_mode):
        raise WriteRefused(f"{readable(path)} is a directory: only files are moved")


def _holds(path: Path, status: os.stat_result, content: bytes) -> bool:
    if status.st_size != len(content):
        return False
    try:
        return read_limited(path, len(content))[0] == content
    except FileUnreadable:
        return False  # budget: what cannot be read is not known to be equal, so it is replaced


def _written(path: Path, content: bytes, manner: _Manner) -> os.stat_result:
    draft = Draft.write(path, content, old=manner.old, expected=manner.expected, within=manner.within)
    try:
        draft.sync()
        if manner.on_ready is not None:
            manner.on_ready(draft.ready)
        return draft.put()
    finally:
        draft.discard()
