"""A ModelFile: one weight file on disk, known by folder and relative path, told apart from its past by its Fingerprint."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

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


class Fingerprint(NamedTuple):
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
        """Tell whether nothing changed; ctime and inode count only where the file system `is_honest` about them.

        Where it is not, times come back coarser than they were given: in two seconds from FAT, in whole ones from many a
        server, in 100 ns from NTFS and SMB.
        """
        if is_honest:
            return self == other
        return self.size_bytes == other.size_bytes and _is_one_time(self.mtime_ns, other.mtime_ns)


_COARSE_NS = 2_000_000_000
_FINE_NS = 100


def _is_one_time(one_ns: int, other_ns: int) -> bool:
    """Tell whether these may be one moment, kept the second time in coarser units: whole seconds, or 100 ns."""
    is_coarse = one_ns % 1_000_000_000 == 0 or other_ns % 1_000_000_000 == 0
    return abs(one_ns - other_ns) < (_COARSE_NS if is_coarse else _FINE_NS)


Stamp: TypeAlias = tuple[bytes, int, int, int, int]
"""A name in a directory with the four values of its Fingerprint, as Fingerprint has them: half a million are compared at once."""


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
