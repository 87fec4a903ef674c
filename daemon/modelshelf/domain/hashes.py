"""The six hashes of a file, with Civitai's names and definitions."""

from __future__ import annotations

from dataclasses import dataclass

EMPTY_AUTOV3 = "E3B0C44298FC"
"""The AutoV3 of no data at all: shared by every file without tensors, so it identifies nothing."""


@dataclass(frozen=True, slots=True)
class Hashes:
    """UPPERCASE hex, as Civitai prints them.

    `autov1` is None below 2 MiB, `autov3` where the header makes it undefined. `crc32` is byte-swapped as Civitai's is.
    `blake3` and `crc32` are None only of bytes that nobody here has read: another program vouches for their SHA256.
    """

    sha256: str
    blake3: str | None
    autov1: str | None
    autov2: str
    autov3: str | None
    crc32: str | None
