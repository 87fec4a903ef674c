"""Wakefulness: when the daemon was not awake, so that a window that passed meanwhile can be made up for; and what was ordered."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from modelshelf.domain.task import TaskKind

if TYPE_CHECKING:
    from modelshelf.worker.hall import Hall

AWAKE_STANDING = "awake_at"
"""The standing value that tells when the daemon was last known to be awake: at its last start or stop."""


def rise(hall: Hall) -> None:
    """At a start: make up for the time since the daemon was last known to be awake."""
    now, seen = hall.clock.now(), hall.store.standing.get(AWAKE_STANDING)
    if seen is not None:
        hall.leave.make_up_for(datetime.fromisoformat(seen), now)
    note_awake(hall)


def note_awake(hall: Hall) -> None:
    """Keep that the daemon is awake now; after a power cut it counts as having slept since the last such note."""
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
