"""What an error of sqlite3 means to us."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import DiskFull, ModelshelfError, StoreDamaged, StoreError, TransientError, from_os_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PRIMARY = 0xFF
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP}
"""A cold open of a WAL database on a full disk fails with IOERR_SHMSIZE, even for a read."""
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def translate(error: sqlite3.Error, path: Path) -> ModelshelfError:
    """Give DiskFull or TransientError where waiting helps; StoreError for all else."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    name = readable(path)
    if code in _FULL or code & _PRIMARY in _FULL:
        return DiskFull(f"no space left for the store {name}: {error}")
    if code & _PRIMARY in _LOCKED:
        return TransientError(f"another process holds the store {name}: {error}")
    if code & _PRIMARY in _DAMAGED:
        return damaged(path, str(error))
    return StoreError(f"the store {name} failed: {error}")


def damaged(path: Path, reason: str) -> StoreDamaged:
    """Give the error for a file that is no sound database."""
    return StoreDamaged(f"the store {readable(path)} is damaged ({reason})")


def translate_os_error(error: OSError, path: Path, doing: str) -> ModelshelfError:
    """Give DiskFull where that is it; else StoreError: without its file the store is nothing."""
    failure = from_os_error(error, os.fspath(path), doing)
    return failure if isinstance(failure, DiskFull) else StoreError(str(failure))


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Let no error of sqlite3 out of the block as itself."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, path) from error
