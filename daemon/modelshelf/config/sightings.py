"""A look at the watched folders while the configuration is read, without waiting for a file server that hangs."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PATIENCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one look at a path gave. `real_path` has symlinks followed, or is the path itself if nothing answered."""

    real_path: str
    is_directory: bool
    is_answering: bool = True


def look_at(paths: Iterable[Path], patience_seconds: float = PATIENCE_SECONDS) -> dict[Path, Sighting]:
    """Give a Sighting of every path.

    Each is looked at in a thread of its own, because a dead NFS mount holds a call to it for ever; a thread that is held
    ends with the process.
    """
    seen: dict[Path, Sighting] = {}

    def look(path: Path) -> None:
        seen[path] = Sighting(os.path.realpath(path), os.path.isdir(path))

    wanted = list(dict.fromkeys(paths))
    threads = [threading.Thread(target=look, args=(path,), daemon=True) for path in wanted]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + patience_seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    silent = {path: Sighting(str(path), is_directory=False, is_answering=False) for path in wanted}
    return silent | dict(seen)
