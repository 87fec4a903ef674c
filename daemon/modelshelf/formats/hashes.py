"""The six hashes of a file from one read, exactly as Civitai defines them; and BLAKE3 alone, for verification.

Definitions: Civitai's model scanner (HashTask.cs). AutoV1 is a window of 64 KiB at 1 MiB and exists from 2 MiB on; AutoV3
is the SHA256 of all behind a safetensors header, and of all but the first 8 bytes where those 8 declare 16 MiB or more;
CRC32 is printed with its bytes swapped. Files are read, never mapped: a file that shrinks under a mapping kills the process.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from modelshelf.domain.hashes import Hashes
from modelshelf.formats.crew import crew
from modelshelf.formats.probe import probe_of, probe_ranges
from modelshelf.formats.regular_file import RegularFile, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from modelshelf.domain.model_file import Fingerprint

BLOCK_BYTES = 4 * 1024 * 1024
_INLINE_BELOW_BYTES = 2 * BLOCK_BYTES
_SIX_WINDOW = 6
_BLAKE3_WINDOW = 2
"""Measured on two cores: fewer blocks leave a core waiting, more fall out of its cache."""

_AUTOV1_START = 0x100000
_AUTOV1_END = 0x110000
_AUTOV1_SMALLEST_BYTES = 0x200000
_HEADER_LENGTH_BYTES = 8
_AUTOV3_HEADER_LIMIT_BYTES = 16 * 1024 * 1024


class _Block(NamedTuple):
    offset: int
    content: memoryview


if TYPE_CHECKING:
    _Feed = Callable[[_Block], None]
    _Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class HashedFile:
    """The hashes, the fingerprint that the file had before and after they were taken, and its probe."""

    hashes: Hashes
    fingerprint: Fingerprint
    probe: bytes = b""


def hash_file(
    path: Path, *, on_progress: _Progress | None = None, is_dropped_behind: bool = False, is_honest: bool = True
) -> HashedFile:
    """Give the six hashes of a file that stayed the same from first to last byte; else FileChanged.

    `on_progress` gets the bytes read so far after every 4 MiB; whatever it raises ends the work and passes through.
    `is_dropped_behind` drops what was read from the page cache: for scrubs, which would push out what is in use.
    `is_honest` is the file system's: where it is not, size and mtime alone tell that the file stayed the same.
    """
    with opened(path) as file:
        streams = _SixStreams(file.size_bytes, file.head(_HEADER_LENGTH_BYTES))
        _feed(file, streams.feeds(), _Pace(_SIX_WINDOW, on_progress, is_dropped_behind))
        return HashedFile(streams.hashes(), file.unchanged(is_honest=is_honest), streams.probe())


def blake3_file(
    path: Path, *, on_progress: _Progress | None = None, is_dropped_behind: bool = False, is_honest: bool = True
) -> tuple[str, Fingerprint]:
    """Give the BLAKE3 alone, on every core, with the same promises as `hash_file`."""
    with opened(path) as file:
        digest = blake3(max_threads=blake3.AUTO)

        def feed_blake3(block: _Block) -> None:
            digest.update(block.content)

        _feed(file, (feed_blake3,), _Pace(_BLAKE3_WINDOW, on_progress, is_dropped_behind))
        return digest.hexdigest().upper(), file.unchanged(is_honest=is_honest)


@dataclass(frozen=True, slots=True)
class _Pace:
    """How a file is read; `window` is how many blocks may be in memory."""

    window: int
    on_progress: _Progress | None
    is_dropped_behind: bool


class _SixStreams:
    """The running hashes of one file. Each feed touches state of its own, so each may have its own thread."""

    def __init__(self, size_bytes: int, head: bytes) -> None:
        self._size_bytes = size_bytes
        self._autov3_start = _autov3_start(size_bytes, head)
        self._sha256 = hashlib.sha256()
        self._autov3 = hashlib.sha256()
        self._autov1 = hashlib.sha256()
        self._blake3 = blake3()
        self._crc32 = 0
        self._probe = blake3()
        self._probe_ranges = probe_ranges(size_bytes)

    def feeds(self) -> tuple[_Feed, ...]:
        return (self._feed_sha256, self._feed_autov3, self._feed_blake3, self._feed_small_ones)

    def _feed_sha256(self, block: _Block) -> None:
        self._sha256.update(block.content)

    def _feed_autov3(self, block: _Block) -> None:
        if self._autov3_start is not None:
            self._autov3.update(_clipped(block, self._autov3_start, self._size_bytes))

    def _feed_blake3(self, block: _Block) -> None:
        self._blake3.update(block.content)

    def _feed_small_ones(self, block: _Block) -> None:
        self._crc32 = zlib.crc32(block.content, self._crc32)
        self._autov1.update(_clipped(block, _AUTOV1_START, _AUTOV1_END))
        for start, end in self._probe_ranges:
            self._probe.update(_clipped(block, start, end))

    def probe(self) -> bytes:
        return probe_of(self._probe)

    def hashes(self) -> Hashes:
        sha256 = self._sha256.hexdigest().upper()
        return Hashes(
            sha256=sha256,
            blake3=self._blake3.hexdigest().upper(),
            autov1=self._autov1.hexdigest()[:8].upper() if self._size_bytes >= _AUTOV1_SMALLEST_BYTES else None,
            autov2=sha256[:10],
            autov3=None if self._autov3_start is None else self._autov3.hexdigest()[:12].upper(),
            crc32=struct.pack("<I", self._crc32).hex().upper(),
        )


def _autov3_start(size_bytes: int, head: bytes) -> int | None:
    if len(head) < _HEADER_LENGTH_BYTES:
        return None
    header_length = int.from_bytes(head, "little")
    if header_length >= _AUTOV3_HEADER_LIMIT_BYTES:
        return _HEADER_LENGTH_BYTES
    start = _HEADER_LENGTH_BYTES + header_length
    return start if start <= size_bytes else None


def _clipped(block: _Block, start: int, end: int) -> memoryview:
    return block.content[max(0, start - block.offset) : max(0, end - block.offset)]


def _feed(file: RegularFile, feeds: Sequence[_Feed], pace: _Pace) -> None:
    is_small = file.size_bytes < _INLINE_BELOW_BYTES
    window = 1 if is_small else pace.window
    size = min(len(feeds), _most_threads[0], len(os.sched_getaffinity(0)))
    fed = _alone(feeds) if is_small or size == 1 else crew(feeds, size=size, window=window)
    with _borrowed(window, file.size_bytes) as buffers, fed as feed_all:
        for block in _blocks(file, buffers):
            feed_all(block)
            if pace.is_dropped_behind:
                _drop_from_cache(file, block)
            if pace.on_progress:
                pace.on_progress(block.offset + len(block.content))


def use_threads(count: int) -> None:
    """Hash each file with so many threads at most: where several processes read, each core has enough to do as it is."""
    _most_threads[0] = count


_most_threads = [len(os.sched_getaffinity(0))]


def keep_buffers() -> None:
    """Use the memory of one read again for the next, in a process that does nothing but read.

    Fresh memory costs a third of the time that hashing it takes. Not for several reads at once.
    """
    _kept.extend(memoryview(bytearray(BLOCK_BYTES)) for _ in range(_SIX_WINDOW))


_kept: list[memoryview] = []


@contextmanager
def _borrowed(count: int, size_bytes: int) -> Iterator[deque[memoryview]]:
    """Give so many buffers, or fewer where the file needs no more."""
    needed = min(count, -(-size_bytes // BLOCK_BYTES))
    taken = [_kept.pop() for _ in range(min(needed, len(_kept)))]
    fresh = [memoryview(bytearray(min(BLOCK_BYTES, size_bytes))) for _ in range(needed - len(taken))]
    try:
        yield deque(taken + fresh)
    finally:
        _kept.extend(taken)


@contextmanager
def _alone(feeds: Sequence[_Feed]) -> Iterator[_Feed]:
    def feed_all(block: _Block) -> None:
        for feed in feeds:
            feed(block)

    yield feed_all


def _blocks(file: RegularFile, buffers: deque[memoryview]) -> Iterator[_Block]:
    """Give the file in blocks, in one buffer after another: each stays untouched until its turn comes again."""
    with suppress(OSError):
        os.posix_fadvise(file.descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    offset = 0
    while offset < file.size_bytes:
        buffers.rotate(-1)
        wanted = buffers[-1][: file.size_bytes - offset]
        if file.fill(wanted) < len(wanted):
            raise file.changed()
        yield _Block(offset, wanted)
        offset += len(wanted)
    if file.fill(memoryview(bytearray(1))):
        raise file.changed()


def _drop_from_cache(file: RegularFile, block: _Block) -> None:
    with suppress(OSError):
        os.posix_fadvise(file.descriptor, block.offset, len(block.content), os.POSIX_FADV_DONTNEED)
