"""Rot: a file whose size and mtime are what they were, and whose bytes are not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path


class RotEnd(StrEnum):
    """How a rot came to its end."""

    ACCEPTED = "accepted"
    CHANGED = "changed since"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Rot:
    """The evidence. What the file should be is its Content, which it keeps.

    `sha256` and `blake3` are those of the bytes that were found. `sound_at` is when the file was last read with its own bytes,
    `found_at` when it first was not, `seen_at` when that was seen last. A person may dismiss it: nobody is told then unless it
    goes on rotting. It stands until `ended_at`.
    """

    id: int
    file_id: int
    content_id: int
    sha256: str
    blake3: str
    sound_at: datetime
    found_at: datetime
    seen_at: datetime
    dismissed_at: datetime | None = None
    ended_at: datetime | None = None
    end: RotEnd | None = None

    @property
    def is_told(self) -> bool:
        """Whether a person still has to decide."""
        return self.ended_at is None and self.dismissed_at is None


@dataclass(frozen=True, slots=True)
class GoodCopy:
    """Another file with the bytes that a rotten one should have, and when they were last read there."""

    folder_id: str
    path: Path
    sound_at: datetime
    is_offline: bool


@dataclass(frozen=True, slots=True)
class Rescue:
    """Where the right bytes can be had: copies, those read last first; Civitai's address, or since when it is gone there."""

    copies: Sequence[GoodCopy] = ()
    download_url: str | None = None
    gone_since: datetime | None = None
