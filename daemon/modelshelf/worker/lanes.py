"""Which work a worker may claim: by lane, and on the disk lane one worker per device at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

Devices = Mapping[str, frozenset[str]]
"""Per device the ids of the folders that lie on it."""


class DeviceLanes:
    """Hands each device to one worker at a time; which folders lie where is looked up at every claim."""

    def __init__(self, devices: Callable[[], Devices]) -> None:
        self._devices = devices
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def take(self, device: str) -> Iterator[bool]:
        """Hold `device` for the length of the block; gives False if another worker has it."""
        with self._lock:
            is_free = device not in self._busy
            self._busy.add(device)
        try:
            yield is_free
        finally:
            if is_free:
                with self._lock:
                    self._busy.discard(device)

    def current(self) -> Devices:
        """Give every device with its folders as they lie now."""
        return self._devices()

    def free_folders(self) -> Collection[str]:
        """Give the ids of the folders on devices that no worker holds now."""
        with self._lock:
            busy = set(self._busy)
        return frozenset().union(*(ids for device, ids in self._devices().items() if device not in busy))

    def folders(self) -> Collection[str]:
        """Give the ids of all folders that can be reached."""
        return frozenset().union(*self._devices().values())
