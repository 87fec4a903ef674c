"""Which mounts carry a folder and which lie in it: the kernel's table, read without asking any disk or server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache

from modelshelf.errors import ModelshelfError
from modelshelf.shelf.devices import is_at_or_below, mount_table, unescaped


@dataclass(frozen=True, slots=True)
class MountView:
    """The part of the table that concerns one folder; two that differ mean that something was mounted or unmounted there.

    `below` are the mount points inside the folder, relative to it.
    """

    lines: frozenset[bytes] = frozenset()
    below: frozenset[bytes] = frozenset()

    @property
    def devices(self) -> frozenset[bytes]:
        """What is mounted where, whenever that was done: an automounter that lets go and takes hold again changes nothing."""
        return frozenset(line.split(b" ", 2)[2] for line in self.lines)


def mounts_around(absolute: bytes) -> MountView:
    """Give the mounts at, above and below a directory, whose path has no symbolic links; empty where the table is barred."""
    try:
        return _view(mount_table(), absolute)
    except ModelshelfError:
        return MountView()  # what is never seen never changes: the looks at the disk itself have to do then


@lru_cache(maxsize=64)
def _view(table: frozenset[bytes], absolute: bytes) -> MountView:
    points = {line: unescaped(line.split(b" ")[4]) for line in table}
    below = {line: point for line, point in points.items() if point != absolute and is_at_or_below(point, absolute)}
    above = {line for line, point in points.items() if is_at_or_below(absolute, point)}
    return MountView(
        frozenset(above | below.keys()), frozenset(os.path.relpath(point, absolute) for point in below.values())
    )
