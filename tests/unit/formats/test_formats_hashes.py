"""The six hashes against hashlib, zlib, published vectors and public tools; and files that change under the reader."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
import threading
import zlib
from typing import TYPE_CHECKING

import pytest
from blake3 import blake3

from modelshelf.domain.hashes import EMPTY_AUTOV3, Hashes
from modelshelf.domain.model_file import Fingerprint
from modelshelf.errors import FileChanged, FileGone, FileUnreadable
from modelshelf.formats.hashes import BLOCK_BYTES, blake3_file, hash_file, use_threads
from tests import builders

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KIB, MIB = 1024, 1024 * 1024
EDGES = (8, 64 * KIB, MIB, MIB + 64 * KIB, 2 * MIB, 4 * MIB, 8 * MIB, 16 * MIB)
SIZES = sorted({0, 1, 7, *(edge + step for edge in EDGES for step in (-1, 0, 1))})
SOURCE = random.Random(20).randbytes(16 * MIB + 1)


def expected(content: bytes) -> Hashes:
    """Say the definitions once more, in the plainest way."""
    sha256 = hashlib.sha256(content).hexdigest().upper()
    autov3: str | None = None
    if len(content) >= 8:
        (length,) = struct.unpack("<Q", content[:8])
        start = 8 + length if length < 16 * MIB else 8
        if start <= len(content):
            autov3 = hashlib.sha256(content[start:]).hexdigest()[:12].upper()
    is_large = len(content) >= 2 * MIB
    return Hashes(
        sha256=sha256,
        blake3=blake3(content).hexdigest().upper(),
        autov1=hashlib.sha256(content[0x100000:0x110000]).hexdigest()[:8].upper() if is_large else None,
        autov2=sha256[:10],
        autov3=autov3,
        crc32=zlib.crc32(content).to_bytes(4, "little").hex().upper(),
    )


def written(folder: Path, content: bytes) -> Path:
    path = folder / "model.safetensors"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("size", SIZES)
def test_every_size_around_an_edge_has_the_hashes_of_its_definition(tmp_path: Path, size: int) -> None:
    content = SOURCE[:size]
    path = written(tmp_path, content)

    found = hash_file(path)

    assert found.hashes == expected(content)
    assert found.fingerprint == Fingerprint.of(path.lstat())
    assert blake3_file(path) == (expected(content).blake3, Fingerprint.of(path.lstat()))


@pytest.mark.parametrize("size", [MIB, 9 * MIB])
@pytest.mark.parametrize("length", [0, 1, 64, BLOCK_BYTES - 8, BLOCK_BYTES - 7, BLOCK_BYTES, 9 * MIB - 8, 9 * MIB - 7])
def test_autov3_begins_behind_the_declared_header(tmp_path: Path, size: int, length: int) -> None:
    content = struct.pack("<Q", length) + SOURCE[: size - 8]

    assert hash_file(written(tmp_path, content)).hashes == expected(content)


@pytest.mark.parametrize("length", [16 * MIB - 1, 16 * MIB, 16 * MIB + 1, 2**63])
def test_a_declared_header_of_16_mib_or_more_skips_eight_bytes_only(tmp_path: Path, length: int) -> None:
    content = struct.pack("<Q", length) + SOURCE[:100]

    found = hash_file(written(tmp_path, content)).hashes.autov3

    assert found == (None if length < 16 * MIB else hashlib.sha256(SOURCE[:100]).hexdigest()[:12].upper())


def test_a_file_without_tensors_has_the_autov3_of_nothing(tmp_path: Path) -> None:
    assert hash_file(written(tmp_path, builders.raw_safetensors(b"{}"))).hashes.autov3 == EMPTY_AUTOV3


def test_the_scanners_own_vector(tmp_path: Path) -> None:
    found = hash_file(written(tmp_path, b"hello world")).hashes

    assert found.crc32 == "85114A0D"
    assert found.sha256 == "B94D27B9934D3E08A52E52D7DA7DABFAC484EFE37A5380EE9088F7ACE2EFCDE9"
    assert found.blake3 == "D74981EFA70A0C880B8D8C1985D075DBCBF679B99A5F9914E5AAF96B831A9E24"
    assert found.autov2 == "B94D27B993"
    assert found.autov1 is None


def test_a_window_of_zeros_has_the_autov1_that_a_thousand_files_share(tmp_path: Path) -> None:
    assert hash_file(written(tmp_path, bytes(2 * MIB))).hashes.autov1 == "DE2F2560"


def test_published_hashes_of_real_files_are_met(recordings: Path) -> None:
    folder = recordings / "civitai" / "hash_vectors"
    vectors = {each["file"]: each for each in json.loads((folder / "VECTORS.json").read_text())}
    for name in ("EasyNegative.pt", "EasyNegativeV2.safetensors"):
        published, computed = vectors[name]["civitai"]["hashes"], vectors[name]["computed"]
        found = hash_file(folder / name).hashes
        assert (found.sha256, found.autov2) == (published["SHA256"], published["AutoV2"])
        assert (found.blake3, found.crc32) == (published["BLAKE3"], published["CRC32"])
        assert (found.autov1, found.autov3) == (computed["AutoV1"], computed["AutoV3_by_scanner_rule"])


@pytest.mark.parametrize(
    ("command", "place"), [(("openssl", "dgst", "-sha256", "-r"), "sha256"), (("b3sum",), "blake3")]
)
def test_public_tools_agree(tmp_path: Path, command: tuple[str, ...], place: str) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    path = written(tmp_path, SOURCE)

    answer = subprocess.run([*command, path], capture_output=True, text=True, check=True).stdout

    assert getattr(hash_file(path).hashes, place) == answer.split()[0].upper()


@pytest.mark.parametrize("size", [100, 5 * MIB, 13 * MIB])
@pytest.mark.parametrize("hashed", [hash_file, blake3_file])
def test_progress_is_told_after_every_block(tmp_path: Path, size: int, hashed: Callable[..., object]) -> None:
    told: list[int] = []

    hashed(written(tmp_path, SOURCE[:size]), on_progress=told.append)

    assert told == [*range(BLOCK_BYTES, size, BLOCK_BYTES), size]


def test_a_small_file_needs_no_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("modelshelf.formats.hashes.crew", refuse)
    path = written(tmp_path, SOURCE[: 8 * MIB - 1])

    assert hash_file(path).hashes == expected(SOURCE[: 8 * MIB - 1])
    assert blake3_file(path)[0] == expected(SOURCE[: 8 * MIB - 1]).blake3


def test_a_large_file_needs_no_threads_where_it_may_have_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("modelshelf.formats.hashes.crew", refuse)
    monkeypatch.setattr("modelshelf.formats.hashes._most_threads", [2])
    use_threads(1)

    assert hash_file(written(tmp_path, SOURCE[: 13 * MIB])).hashes == expected(SOURCE[: 13 * MIB])


class Stop(Exception):
    """What a worker raises to give way to something more urgent."""


@pytest.mark.parametrize("size", [100, 13 * MIB])
def test_what_progress_raises_ends_all_and_passes_through(tmp_path: Path, size: int) -> None:
    path = written(tmp_path, SOURCE[:size])
    threads, descriptors = threading.active_count(), os.listdir("/proc/self/fd")

    def stop(_: int) -> None:
        raise Stop

    for hashed in (hash_file, blake3_file):
        with pytest.raises(Stop):
            hashed(path, on_progress=stop)

    assert threading.active_count() == threads
    assert os.listdir("/proc/self/fd") == descriptors


def once(change: Callable[[], None]) -> Callable[[int], None]:
    """Give a progress callback that changes the file after the first block."""
    pending = [change]

    def on_progress(_: int) -> None:
        if pending:
            pending.pop()()

    return on_progress


def truncate(path: Path) -> None:
    os.truncate(path, 6 * MIB)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"other")


def rewrite_keeping_times(path: Path) -> None:
    status = path.stat()
    overwrite(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace(path: Path) -> None:
    twin = path.with_name("twin")
    shutil.copy2(path, twin)
    twin.replace(path)


@pytest.mark.parametrize("size", [7 * MIB, 13 * MIB])
@pytest.mark.parametrize("hashed", [hash_file, blake3_file])
@pytest.mark.parametrize("change", [truncate, append, overwrite, rewrite_keeping_times, replace])
def test_a_file_that_changes_meanwhile_has_no_hashes(
    tmp_path: Path, size: int, hashed: Callable[..., object], change: Callable[[Path], None]
) -> None:
    path = written(tmp_path, SOURCE[:size])

    with pytest.raises(FileChanged, match="changed while it was read"):
        hashed(path, on_progress=once(lambda: change(path)))


def test_a_file_that_grows_under_the_last_block_has_no_hashes(tmp_path: Path) -> None:
    path = written(tmp_path, b"short")

    with pytest.raises(FileChanged):
        hash_file(path, on_progress=lambda _: append(path))


def test_a_file_removed_meanwhile_is_gone(tmp_path: Path) -> None:
    path = written(tmp_path, SOURCE[:100])

    with pytest.raises(FileGone):
        hash_file(path, on_progress=lambda _: path.unlink())


@pytest.mark.parametrize("size", [100, 13 * MIB])
def test_dropping_behind_changes_no_hash(tmp_path: Path, size: int) -> None:
    path = written(tmp_path, SOURCE[:size])

    assert hash_file(path, is_dropped_behind=True).hashes == expected(SOURCE[:size])
    assert blake3_file(path, is_dropped_behind=True)[0] == expected(SOURCE[:size]).blake3


def test_dropping_behind_tells_the_kernel_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []

    def note(_: int, offset: int, length: int, advice: int) -> None:
        if advice == os.POSIX_FADV_DONTNEED:
            told.append((offset, length))

    monkeypatch.setattr("os.posix_fadvise", note)
    hash_file(written(tmp_path, SOURCE[: 5 * MIB]), is_dropped_behind=True)

    assert told == [(0, BLOCK_BYTES), (BLOCK_BYTES, MIB)]


def test_a_file_system_that_takes_no_advice_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr("os.posix_fadvise", refuse)

    assert hash_file(written(tmp_path, SOURCE), is_dropped_behind=True).hashes == expected(SOURCE)


def test_a_link_is_followed_to_its_file(tmp_path: Path) -> None:
    target = written(tmp_path, SOURCE[:1000])
    link = tmp_path / "link.safetensors"
    link.symlink_to(target)

    found = hash_file(link)

    assert found.hashes == expected(SOURCE[:1000])
    assert found.fingerprint == Fingerprint.of(target.stat())


def test_a_fifo_is_refused_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "pipe.safetensors"
    os.mkfifo(path)

    with pytest.raises(FileUnreadable, match="is a fifo"):
        hash_file(path)
