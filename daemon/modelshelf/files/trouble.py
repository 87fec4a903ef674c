"""What stands in the way of a file, in words for a person; and errors of the system as errors of ours."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import FileChanged, WriteRefused, from_os_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def translated(path: Path, doing: str) -> Iterator[None]:
    """Raise errors of ours for those of the system, with what was being done to which file."""
    try:
        yield
    except OSError as error:
        raise from_os_error(error, os.fsencode(path), doing) from error


def in_the_way(path: Path) -> WriteRefused:
    """Give the error that says that something stands where nothing should."""
    return WriteRefused(f"something else is in the way at {readable(path)}: it was left alone; move it to make room")


def demand_expected(path: Path, status: os.stat_result | None, expected: os.stat_result | None) -> None:
    """Raise FileChanged unless the file is the `expected` one, where one is."""
    if expected is not None and (status is None or identity(status) != identity(expected)):
        raise FileChanged(f"{readable(path)} changed since it was read: nothing was written")


def identity(status: os.stat_result) -> tuple[int, int, int]:
    """Give what tells a file from what it was and from others."""
    return status.st_ino, status.st_size, status.st_mtime_ns
