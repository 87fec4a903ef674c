"""Is there anything left to do in a house? What a test waits for; the daemon itself never asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.worker.postponed import NETWORK_KINDS

if TYPE_CHECKING:
    from modelshelf.daemon import House


def is_idle(house: House) -> bool:
    """Tell whether nothing is in hand, and nothing owed that is due by now in a folder that is there."""
    now = house.clock.now()
    away = NETWORK_KINDS if house.config.is_offline else set()
    owed = [house.store.journal.owed(folder_id, until=now) for folder_id in house.hall.lanes.folders()]
    is_owed = any(count for each in owed for kind, count in each.items() if kind not in away)
    return not house.hall.in_hand and not is_owed
