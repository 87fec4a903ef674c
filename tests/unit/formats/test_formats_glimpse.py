from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from modelshelf.errors import FileGone, FileUnreadable
from modelshelf.formats.glimpse import HEAD_BYTES, glimpse
from modelshelf.formats.hashes import hash_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("size_bytes", [0, 1, HEAD_BYTES, HEAD_BYTES + 1, 2 * HEAD_BYTES - 1, 2 * HEAD_BYTES])
def test_a_glimpse_is_a_part_of_what_a_full_reading_gives(tmp_path: Path, size_bytes: int) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(bytes(range(251)) * (size_bytes // 251 + 1))
    with path.open("r+b") as file:
        file.truncate(size_bytes)
    seen, read = glimpse(path), hash_file(path)
    assert seen.autov1 == read.hashes.autov1
    assert seen.head_sha256 == hashlib.sha256(path.read_bytes()[:HEAD_BYTES]).hexdigest().upper()
    assert (seen.head_sha256 == read.hashes.sha256) == (size_bytes <= HEAD_BYTES)
    assert seen.fingerprint == read.fingerprint


def test_what_is_no_file_is_no_glimpse(tmp_path: Path) -> None:
    with pytest.raises(FileGone):
        glimpse(tmp_path / "none")
    with pytest.raises(FileUnreadable):
        glimpse(tmp_path)
