"""Wakefulness: when the daemon was not awake, so that a window that passed meanwhile can be made up for; and what was ordered."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from modelshelf.domain.task import TaskKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelshelf.worker.hall import Hall

LOOKED_AT = 100
"""So many of the last runs and events tell until when the daemon was awake; other processes write some of them too."""

AWAKE_STANDING = "awake_at"
"""The standing value that tells when the daemon was started or stopped last."""


def rise(hall: Hall) -> None:
    """At a start: make up for the time since the daemon was last known to be awake."""
    now = hall.clock.now()
    seen_at = max((each for each in _signs(hall) if each <= now), default=None)
    if seen_at is not None:
        hall.leave.make_up_for(seen_at, now)
    note_awake(hall)


def _signs(hall: Hall) -> Iterator[datetime]:
    """Give moments at which the daemon was awake: a start or stop, a chunk, the end of a run, and what became of a file.

    One that was killed has kept no note of its end; and neither the beginning of a run nor an event of a folder proves it,
    for a person may have asked while it was off, and a start may have written of folders by now.
    """
    store = hall.store
    noted, heard_at = store.standing.get(AWAKE_STANDING), store.chunks.last_heard_at()
    if noted is not None:
        yield datetime.fromisoformat(noted)
    if heard_at is not None:
        yield heard_at
    yield from (each.ended_at for each in store.runs.latest(LOOKED_AT) if each.ended_at is not None)
    yield from (each.happened_at for each in store.events.latest(LOOKED_AT) if each.file_id is not None)


def note_awake(hall: Hall) -> None:
    """Keep that the daemon is awake now; after a power cut it counts as having slept since it last left any trace."""
    hall.store.standing.put(AWAKE_STANDING, hall.clock.now().isoformat())


def wake_up(hall: Hall, slept_seconds: float) -> None:
    """Make up for the time that the machine slept, or the clock was set forward by; one that was set back missed nothing."""
    now = hall.clock.now()
    hall.leave.make_up_for(now - timedelta(seconds=slept_seconds), now)


def fulfil_orders(hall: Hall) -> None:
    """Take the orders off whose folders were looked through and owe no reading any more; without orders it looks at nothing."""
    ordered = hall.store.orders.folder_ids
    done = [folder_id for folder_id in ordered if not _owes(hall, folder_id)]
    if done:
        hall.store.orders.fulfil(done)


def _owes(hall: Hall, folder_id: str) -> bool:
    store = hall.store
    if store.journal.is_owed(TaskKind.SCAN_FOLDER, folder_id) or store.runs.owes_reading(folder_id):
        return True
    return TaskKind.VERIFY_FILE in store.journal.owed(folder_id, until=hall.clock.now())
