"""A Content: bytes known by their hashes. Several ModelFiles may hold one Content: that is what "duplicate" means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from modelshelf.domain.hashes import Hashes


@dataclass(frozen=True, slots=True)
class Content:
    """A row of the catalog. `next_lookup_at` None: no lookup is owed (identified, or never to be asked)."""

    id: int
    size_bytes: int
    hashes: Hashes
    hashed_at: datetime
    version_id: int | None = None
    next_lookup_at: datetime | None = None
    lookup_count: int = 0
    looked_up_at: datetime | None = None
