"""How much room a file system has."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.errors import from_os_error

if TYPE_CHECKING:
    from pathlib import Path

LEAST_FREE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Room:
    """What a file system has, and what is free of it for who is not root; `device` tells it from others."""

    device: int
    size_bytes: int
    free_bytes: int

    @property
    def is_full(self) -> bool:
        """Whether a journal on it may not be written to."""
        return self.free_bytes < LEAST_FREE_BYTES


def room_at(path: Path) -> Room:
    """Ask the file system of `path`, by `statvfs`, which wakes no sleeping disk; a dead mount never answers."""
    try:
        status, device = os.statvfs(path), path.stat().st_dev
    except OSError as error:
        raise from_os_error(error, os.fsencode(path), "look at") from error
    return Room(device, status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize)
