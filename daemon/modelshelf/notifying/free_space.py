"""Free space: an event when a disk is nearly full, another when it has room again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import ModelshelfError, TransientError
from modelshelf.logs import get_log
from modelshelf.shelf.patience import Patience
from modelshelf.shelf.room import room_at

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from modelshelf.clock import Clock
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.shelf.room import Room
    from modelshelf.store.store import Store

log = get_log(__name__)

LOOK_SECONDS = 3600.0
LEAST_SHARE = 0.05
LEAST_BYTES = 50 * 10**9
"""A twentieth of a disk is little on a small one; on a large one, room for a few models is."""

RELIEF = 1.5
"""So many times the least must be free before a disk counts as relieved: one that fills and empties is told of once."""

FILLED, RELIEVED = "disk_filled_up", "disk_relieved"


class FreeSpace:
    """Looks once an hour; a dead mount is not waited for."""

    def __init__(self, store: Store, clock: Clock, paths: Mapping[str, Path]) -> None:
        self._store = store
        self._clock = clock
        self._paths = paths
        self._patience = Patience()
        self._looked_at: float | None = None
        self._full: set[str] | None = None

    def look(self) -> None:
        """Look at every disk if the hour is over, and note what changed since the last time, restarts included."""
        now = self._clock.monotonic()
        if self._looked_at is not None and now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        if self._full is None:
            last = self._store.events.last_of_each_path((FILLED, RELIEVED))
            self._full = {str(event.details["path"]) for event in last if event.name == FILLED}
        try:
            for path, room in self._rooms().items():
                self._judge(path, room, self._full)
        except TransientError as error:
            log.warning("journal_not_written", reason=str(error))

    def _rooms(self) -> dict[str, Room]:
        """Give each file system once, under the first path on it; what does not answer is told of elsewhere."""
        rooms: dict[str, Room] = {}
        for name, path in self._paths.items():
            try:
                room = self._patience.ask(name, lambda path=path: room_at(path))  # type: ignore[misc]
            except ModelshelfError:
                continue
            if room.device not in {each.device for each in rooms.values()}:
                rooms[readable(path)] = room
        return rooms

    def _judge(self, path: str, room: Room, full: set[str]) -> None:
        if path not in full and room.free_bytes < least_bytes(room):
            log.warning("disk_filled_up", path=path, free_bytes=room.free_bytes)
            self._note(FILLED, path, room)
            full.add(path)
        elif path in full and room.free_bytes >= RELIEF * least_bytes(room):
            log.info("disk_relieved", path=path, free_bytes=room.free_bytes)
            self._note(RELIEVED, path, room)
            full.remove(path)

    def _note(self, name: str, path: str, room: Room) -> None:
        details: JsonObject = {"path": path, "free_bytes": room.free_bytes, "size_bytes": room.size_bytes}
        self._store.events.add(name, self._clock.now(), details=details)


def least_bytes(room: Room) -> float:
    """Give what should be free at least; nothing where a file system does not tell its size."""
    return min(LEAST_BYTES, LEAST_SHARE * room.size_bytes)
