"""Outputs: all that a reader said before it died, a file each, for whoever wants to know why."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from modelshelf.domain.display import readable
from modelshelf.errors import ModelshelfError
from modelshelf.files import create_file, make_directory

if TYPE_CHECKING:
    from pathlib import Path

    from modelshelf.clock import Clock

MOST_KEPT = 50
"""The oldest goes where there are more: a disk that breaks kills many readers."""


class Keeper(Protocol):
    """Who takes what a reader said."""

    def keep(self, content: bytes) -> str | None:
        """Keep it, and give where; None where that is not known here."""


class Outputs:
    """A directory of them, made with the first."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._count = 0
        self._lock = threading.Lock()

    def keep(self, content: bytes) -> str | None:
        """Keep one, and give where; None where it cannot be kept, which costs nothing else."""
        with self._lock:
            self._count += 1
            name = f"{self._clock.now():%Y%m%dT%H%M%S}-{os.getpid()}-{self._count}.txt"
            try:
                make_directory(self._directory)
                create_file(self._directory / name, content)
                self._forget_oldest()
            except ModelshelfError:
                return None
            return readable(self._directory / name)

    def _forget_oldest(self) -> None:
        with suppress(OSError):
            kept = sorted(self._directory.glob("*.txt"), key=lambda path: path.stat().st_mtime_ns)
            for path in kept[:-MOST_KEPT]:
                path.unlink()
