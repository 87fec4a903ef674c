"""The end of a zip: the records that tell where its directory is, and whether no program can take them for something else."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_END = struct.Struct("<4s4H2LH")
_END_MAGIC = b"PK\x05\x06"
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64_LOCATOR_MAGIC = b"PK\x06\x07"
_END64 = struct.Struct("<4sQ2H2L4Q")
_END64_MAGIC = b"PK\x06\x06"
_END64_COUNTED_BYTES = _END64.size - 12
_MAX_COMMENT_BYTES = 0xFFFF
_LONGEST_BYTES = _END64.size + _END64_LOCATOR.size + _END.size + _MAX_COMMENT_BYTES
_LARGER = (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
"""What count, size and offset are in the ordinary record where the zip64 record has them."""
_ANY_RECORD = re.compile(rb"PK(?:\x01\x02|\x03\x04|\x05\x06|\x06\x06|\x06\x07)")


@dataclass(frozen=True, slots=True)
class ZipEnd:
    """What the last end record tells.

    `is_certain`: every way to the directory leads to the same one. Programs disagree on which of the records they follow, so
    a zip that shows one directory to us could show another to who loads it.
    """

    member_count: int
    directory_bytes: int
    end: int
    is_certain: bool


def find_zip_end(read_at: Callable[[int, int], bytes], size_bytes: int) -> ZipEnd | None:
    """Look for the end of a zip; None where there is none, or its comment is cut off. `read_at` takes offset and length."""
    start = max(0, size_bytes - _LONGEST_BYTES)
    tail = read_at(start, size_bytes - start)
    at = tail.rfind(_END_MAGIC)
    if at < 0 or len(tail) < at + _END.size:
        return None
    _, *disks, count_here, count, size, offset, comment_bytes = _END.unpack_from(tail, at)
    told = (count, size, offset)
    end = start + at + _END.size + comment_bytes
    if end > size_bytes:
        return None
    large = _find_end64(tail[:at], start)
    count, size, offset = large.told if large else told
    directory_end = large.at if large else start + at
    is_certain = (
        not any(disks)
        and count_here == told[0]
        and offset + size == directory_end
        and end == size_bytes
        and not _ANY_RECORD.search(tail, at + _END.size)
        and (large is None or large.is_alone(told))
    )
    return ZipEnd(count, size, end, is_certain)


@dataclass(frozen=True, slots=True)
class _End64:
    """The zip64 record right before its locator, which torch writes always: count, size and offset of the directory."""

    at: int
    told: tuple[int, int, int]
    counted_bytes: int
    disks: tuple[int, ...]
    count_here: int
    located_at: int

    def is_alone(self, ordinary: tuple[int, int, int]) -> bool:
        """Tell whether neither its locator nor the ordinary record leads elsewhere."""
        is_told_alike = all(one in {large, mark} for one, large, mark in zip(ordinary, self.told, _LARGER, strict=True))
        is_here = self.located_at == self.at and self.counted_bytes == _END64_COUNTED_BYTES
        return is_told_alike and is_here and self.count_here == self.told[0] and not any(self.disks)


def _find_end64(before: bytes, start: int) -> _End64 | None:
    """Give the zip64 record at the very end of `before`, whose first byte is at `start` of the file."""
    at = len(before) - _END64_LOCATOR.size - _END64.size
    if at < 0:
        return None
    magic, counted_bytes, _, _, *disks, count_here, count, size, offset = _END64.unpack_from(before, at)
    locator_magic, locator_disk, located_at, _ = _END64_LOCATOR.unpack_from(before, at + _END64.size)
    if (magic, locator_magic) != (_END64_MAGIC, _END64_LOCATOR_MAGIC):
        return None
    told = (count, size, offset)
    return _End64(start + at, told, counted_bytes, (*disks, locator_disk), count_here, located_at)
