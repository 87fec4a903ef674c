"""A ModelFile: one weight file on disk, known by folder and relative path, told apart from its past by its Fingerprint."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


NOT_A_MODEL = "not a model file"
"""Why a `.bin` whose bytes are nothing we know is left alone: routers' firmware and game data have that name too."""

TOO_LARGE = "above hashing.max_size"
"""Part of the reason why a file is indexed but not hashed."""


class ScanPhase(IntEnum):
    """How far a file has been read: path and size only, or header and hashes too."""

    INDEXED = 0
    DEEP = 1


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What `lstat` says of a file: bytes, nanoseconds since the epoch, inode number."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Fingerprint:
        """Take the fingerprint from a stat result."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    def is_same(self, other: Fingerprint, *, is_honest: bool) -> bool:
        """Tell whether nothing changed; ctime and inode count only where the file system `is_honest` about them."""
        if (self.size_bytes, self.mtime_ns) != (other.size_bytes, other.mtime_ns):
            return False
        return not is_honest or (self.ctime_ns, self.inode) == (other.ctime_ns, other.inode)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A row of the catalog. `path` is relative to the folder, as bytes; `waiting_reason` says why it is not whole yet.

    `vouched_by` is the program whose word is all that binds the file to its content: it was not read here.
    """

    id: int
    folder_id: str
    path: bytes
    fingerprint: Fingerprint
    scan_phase: ScanPhase
    is_inspected: bool
    content_id: int | None
    first_seen_at: datetime
    missing_since: datetime | None = None
    waiting_reason: str | None = None
    companions: str = ""
    hash_skipped_reason: str | None = None
    vouched_by: str | None = None

    @property
    def stem(self) -> bytes:
        """The relative path without its last extension: what sidecars share."""
        return os.path.splitext(self.path)[0]

    def absolute(self, root: Path) -> Path:
        """Give the absolute path below the folder's `root`."""
        return root / os.fsdecode(self.path)
