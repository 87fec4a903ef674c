"""A Content: bytes known by their hashes. Several ModelFiles may hold one Content: that is what "duplicate" means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from modelshelf.domain.hashes import Hashes


class Match(StrEnum):
    """How a content was found to be a version: by these very bytes, or by the same tensors under another header."""

    FILE = "file"
    WEIGHTS = "weights"


@dataclass(frozen=True, slots=True)
class Content:
    """A row of the catalog.

    `next_lookup_at` None: no lookup is owed. `absent_since`: Civitai does not list a known content; after a second look it
    is `gone_since` then. `questioned_version_id`: Civitai's answer whose file has another size, so that it is not believed.
    """

    id: int
    size_bytes: int
    hashes: Hashes
    hashed_at: datetime
    version_id: int | None = None
    next_lookup_at: datetime | None = None
    lookup_count: int = 0
    looked_up_at: datetime | None = None
    matched_by: Match | None = None
    gone_since: datetime | None = None
    pinned_version_id: int | None = None
    weights_looked_up_at: datetime | None = None
    absent_since: datetime | None = None
    questioned_version_id: int | None = None

    @property
    def is_read(self) -> bool:
        """Whether these bytes were read here; else another program told their SHA256."""
        return self.hashes.blake3 is not None
