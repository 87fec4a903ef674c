"""A probe tells most other bytes, and costs little."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from modelshelf.errors import FileGone
from modelshelf.formats.hashes import hash_file
from modelshelf.formats.probe import probe_file, probe_ranges

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024
SIZES = [0, 1, 65536, MIB, MIB + 131071, MIB + 131072, 5 * MIB, 9 * MIB + 1]


@pytest.mark.parametrize("size_bytes", SIZES)
def test_what_hashing_gives_by_the_way_is_what_a_probe_reads(tmp_path: Path, size_bytes: int) -> None:
    path = tmp_path / "model"
    path.write_bytes(bytes(number * number % 251 for number in range(4096)) * (size_bytes // 4096 + 1))
    with path.open("r+b") as file:
        file.truncate(size_bytes)
    assert hash_file(path).probe == probe_file(path)


@pytest.mark.parametrize("size_bytes", SIZES)
def test_it_reads_little_and_nothing_twice(size_bytes: int) -> None:
    ranges = probe_ranges(size_bytes)
    assert all(0 <= start <= end <= size_bytes for start, end in ranges)
    assert all(before[1] <= after[0] for before, after in pairwise(ranges))
    assert sum(end - start for start, end in ranges) <= MIB + 131072


@pytest.mark.parametrize("offset", [0, 65535, MIB, MIB + 65535, 3 * MIB - 65536, 3 * MIB - 1])
def test_other_bytes_in_any_of_its_parts_give_another(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "model"
    path.write_bytes(bytes(3 * MIB))
    before = probe_file(path)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\1")
    assert probe_file(path) != before


def test_what_is_not_there_has_none(tmp_path: Path) -> None:
    with pytest.raises(FileGone):
        probe_file(tmp_path / "never")
