"""Before a walk: can what it finds be kept? Said before the work starts, not at its first batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import DiskFull
from modelshelf.shelf.room import LEAST_FREE_BYTES, room_at

if TYPE_CHECKING:
    from modelshelf.domain.folder import Folder
    from modelshelf.store.store import Store

CHANGED_SHARE = 0.1
BYTES_PER_FILE = 1000
"""What a file takes in the store until it was read, with what the log of a transaction takes meanwhile: measured, doubled."""


def demand_store(store: Store, folder: Folder) -> None:
    """Raise DiskFull unless there is room for a tenth of the folder's files anew, and StoreError where the store is not ours.

    TransientError where nothing can be written now. That the folder itself is there is for its footing to tell. How many files
    a first walk finds nobody knows: it records as it goes, and one that fills the disk is put off with all that it found.
    """
    store.database.demand_own()
    needed = LEAST_FREE_BYTES + round(CHANGED_SHARE * store.folders.state(folder.id).file_count * BYTES_PER_FILE)
    free = room_at(store.database.path.parent).free_bytes
    if free < needed:
        raise DiskFull(
            f"{readable(store.database.path.parent)} has {free} bytes left and looking through {folder.id} may take {needed}"
        )
