"""A glimpse of a file: its first MiB and the window of AutoV1, enough to tell that a file is not the one it is said to be."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.model_file import Fingerprint
from modelshelf.formats.regular_file import opened

if TYPE_CHECKING:
    from pathlib import Path

HEAD_BYTES = 1024 * 1024
_AUTOV1_BYTES = 64 * 1024
_AUTOV1_DIGITS = 8
_AUTOV1_SMALLEST_BYTES = 2 * HEAD_BYTES


@dataclass(frozen=True, slots=True)
class Glimpse:
    """`head_sha256`, uppercase, is that of a whole file up to 1 MiB; `autov1` is None below 2 MiB, as Civitai defines it."""

    fingerprint: Fingerprint
    head_sha256: str
    autov1: str | None


def glimpse(path: Path) -> Glimpse:
    """Look at a regular file; FileGone, FileUnreadable or FileChanged where that cannot be done."""
    with opened(path) as file:
        head = _digest(file.head(HEAD_BYTES))
        autov1 = None
        if file.size_bytes >= _AUTOV1_SMALLEST_BYTES:
            autov1 = _digest(file.read_at(HEAD_BYTES, _AUTOV1_BYTES))[:_AUTOV1_DIGITS]
        return Glimpse(Fingerprint.of(file.status), head, autov1)


def _digest(block: bytes) -> str:
    return hashlib.sha256(block).hexdigest().upper()
