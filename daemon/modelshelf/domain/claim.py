"""A Claim: what another program told of a file, and how the file looked when that was believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from modelshelf.domain.fact import Fact


@dataclass(frozen=True, slots=True)
class Claim:
    """It holds while the file has this size and mtime. `autov1` was read from the file itself, `sha256` was not."""

    size_bytes: int
    mtime_ns: int
    sha256: str | None
    autov1: str | None
    first_seen_at: datetime | None
    last_used_at: datetime | None
    facts: Sequence[Fact]
