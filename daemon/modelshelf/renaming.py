"""Renaming so that nothing is replaced, and making a directory's entries durable: what the kernel offers and Python does not."""

from __future__ import annotations

import ctypes
import errno
import os
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_RENAME_NOREPLACE = 1
_AT_FDCWD = -100
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EMLINK})

_owed: ContextVar[set[Path] | None] = ContextVar("directories to be synced", default=None)


def rename_without_replacing(source: Path, target: Path) -> None:
    """Rename a file within its file system; FileExistsError if anything stands at `target`.

    Where the kernel has no word for that, it is done in two steps: a crash between them leaves both names, never none.
    """
    for attempt in (_rename_exclusively, _link_and_unlink, _claim_and_rename):
        try:
            attempt(source, target)
        except OSError as error:
            if attempt is _claim_and_rename or error.errno not in _UNSUPPORTED:
                raise
        else:
            return


def _rename_exclusively(source: Path, target: Path) -> None:
    """Rename with RENAME_NOREPLACE (Linux 3.15, glibc 2.28), which Python does not offer."""
    rename = getattr(_libc(), "renameat2", None)
    if rename is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if rename(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _link_and_unlink(source: Path, target: Path) -> None:
    os.link(source, target, follow_symlinks=False)
    source.unlink()


def _claim_and_rename(source: Path, target: Path) -> None:
    """Make an empty file of our own at the target, which fails if anything is there, and rename over that."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        source.replace(target)
    except OSError:
        target.unlink()
        raise


@contextmanager
def syncs_put_off() -> Iterator[set[Path]]:
    """Sync no directory in this thread for as long as this lasts; gives those that are owed it."""
    owed: set[Path] = set()
    token = _owed.set(owed)
    try:
        yield owed
    finally:
        _owed.reset(token)


def sync_directory(directory: Path) -> None:
    """Make what was renamed in a directory durable, now or when it is no longer put off."""
    owed = _owed.get()
    if owed is None:
        sync_now(directory)
    else:
        owed.add(directory)


def sync_now(directory: Path) -> None:
    """Make what was renamed in a directory durable, as far as its file system can."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return  # a directory that may be written but not listed cannot be opened, hence not synced
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)
