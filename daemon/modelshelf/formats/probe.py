"""A probe: a digest of three small parts of a file. Another one proves other bytes; the same one is a good sign, no proof.

Where nothing but a file's ctime or inode is new, as after `chmod`, `chown`, a hard link or a copy with its times, hundreds of
gigabytes need not be read at once: what tools change in a model is its header, and another model differs everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blake3 import blake3

from modelshelf.formats.regular_file import opened

if TYPE_CHECKING:
    from pathlib import Path

_PART_BYTES = 64 * 1024
_MIDDLE = 1024 * 1024
"""Where AutoV1 looks, too."""

_WHOLE_BELOW_BYTES = _MIDDLE + 2 * _PART_BYTES
_DIGEST_BYTES = 16


def probe_ranges(size_bytes: int) -> tuple[tuple[int, int], ...]:
    """Give what of a file of this size goes into its probe, as starts and ends: all of a small one."""
    if size_bytes < _WHOLE_BELOW_BYTES:
        return ((0, size_bytes),)
    return ((0, _PART_BYTES), (_MIDDLE, _MIDDLE + _PART_BYTES), (size_bytes - _PART_BYTES, size_bytes))


def probe_of(digest: blake3) -> bytes:
    """Give the probe, once the digest was fed with all of those ranges in order."""
    return digest.digest(length=_DIGEST_BYTES)


def probe_file(path: Path) -> bytes:
    """Read the probe of a file; FileChanged where it is cut short meanwhile."""
    with opened(path) as file:
        digest = blake3()
        for start, end in probe_ranges(file.size_bytes):
            digest.update(file.read_at(start, end - start))
        return probe_of(digest)
