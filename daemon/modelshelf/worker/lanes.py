"""Which work a worker may claim: that of its lane, in the folders that lie on its device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

Devices = Mapping[str, frozenset[str]]
"""Per device the ids of the folders that lie on it."""

NO_DEVICE = ""
"""What a worker has that only asks a server: it reads and writes in no folder."""


class DeviceLanes:
    """Tells which folders a worker works for; where they lie, and whether they are there, is looked up at every claim."""

    def __init__(self, devices: Callable[[], Devices]) -> None:
        self._devices = devices

    def folders_on(self, device: str) -> Collection[str]:
        """Give the ids of the folders on `device` that can be reached; none on `NO_DEVICE`."""
        return self._devices().get(device, frozenset())

    def folders(self) -> Collection[str]:
        """Give the ids of all folders that can be reached."""
        return frozenset().union(*self._devices().values())
