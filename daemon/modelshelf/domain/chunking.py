"""How deep reading is cut into chunks: whole subtrees where they are small enough, else directories, else files.

Largest-first keeps workers busy to the end only if no piece is large: with a directory of 40 % of a shelf four workers take
60 % longer than they need to, and cut into pieces they end together.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from modelshelf.domain.task import Priority

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from modelshelf.domain.chunk import ChunkLimits

SMALL_BYTES = 1_000_000_000
"""Up to here a file is small: LoRAs and embeddings, most models of a shelf in few of its bytes."""

_REST, _CHANGED, _NEW = 1, 3, 5
"""What files are worth; a small one is worth one more."""

_SEPARATOR, _AFTER_SEPARATOR = b"\0", b"\1"
"""No name holds the one, so that it sorts before all that names do hold; the other comes right behind it."""

_LARGEST = 2**62
"""What a larger size counts as: a sparse file can claim more than is worth adding up."""


class OwedFile(NamedTuple):
    """A file that is to be read; `directory` is relative to its folder."""

    folder_id: str
    directory: bytes
    id: int
    size_bytes: int
    worth: int


class ChunkPlan(NamedTuple):
    """A chunk to be: the ids of its files, and the directory that holds all of them."""

    folder_id: str
    directory: bytes
    file_ids: tuple[int, ...]
    size_bytes: int
    worth: int


def worth_of(priority: int, size_bytes: int, *, is_known: bool) -> int:
    """Give how much is gained by reading a file; higher is sooner, and a chunk holds files of one worth.

    New before changed (`is_known`: it was read before), both before the rest, a small file before a large one, and last what
    is only to be verified.
    """
    if priority <= Priority.VERIFY:
        return 0
    rank = _REST if priority <= Priority.REST else _CHANGED if is_known else _NEW
    return rank + (size_bytes <= SMALL_BYTES)


def priority_of(worth: int) -> Priority:
    """Give the priority of the files in a chunk of this worth."""
    return Priority.CHANGED if worth >= _CHANGED else Priority.REST if worth else Priority.VERIFY


def cap_of(total_bytes: int, limits: ChunkLimits, bytes_per_second: float | None) -> int:
    """Give how many bytes a chunk may have where so many are owed on its device."""
    fair = total_bytes * limits.share
    if bytes_per_second is not None:
        fair = min(fair, bytes_per_second * limits.seconds)
    return min(limits.size_bytes, max(limits.least_bytes, int(fair)))


def cut(files: Iterable[OwedFile], limits: ChunkLimits, bytes_per_second: float | None = None) -> list[ChunkPlan]:
    """Give chunks with every file in exactly one; worthy ones first, of equals the largest first."""
    lots: dict[tuple[str, int], _Lot] = {}
    for folder_id, directory, file_id, size_bytes, worth in files:
        lot = lots.get((folder_id, worth))
        if lot is None:
            lot = lots[folder_id, worth] = _Lot()
        lot.add(directory, file_id, min(size_bytes, _LARGEST))
    cap = cap_of(sum(sum(lot.sizes) for lot in lots.values()), limits, bytes_per_second)
    plans = [
        ChunkPlan(folder_id, chunk.directory, tuple(chunk.ids), chunk.size_bytes, worth)
        for (folder_id, worth), lot in lots.items()
        for chunk in _Cutting(lot, cap, limits.files).chunks()
    ]
    return sorted(plans, key=lambda plan: (-plan.worth, -plan.size_bytes))


class _Lot:
    """The files of one folder and worth, in arrays: half a million of them in ten megabytes."""

    def __init__(self) -> None:
        self.directories: dict[bytes, int] = {}
        self.places: array[int] = array("l")
        self.ids: array[int] = array("q")
        self.sizes: array[int] = array("q")

    def add(self, directory: bytes, file_id: int, size_bytes: int) -> None:
        self.places.append(self.directories.setdefault(directory, len(self.directories)))
        self.ids.append(file_id)
        self.sizes.append(size_bytes)


class _Open:
    """The chunk that is being filled, with files of one directory after another."""

    def __init__(self) -> None:
        self.ids: array[int] = array("q")
        self.size_bytes = 0
        self._first: bytes | None = None
        self._last = b""

    def add(self, ids: Iterable[int], size_bytes: int, first: bytes, last: bytes) -> None:
        """Take files that lie in directories from `first` to `last`."""
        self.ids.extend(ids)
        self.size_bytes += size_bytes
        self._last = last
        if self._first is None:
            self._first = first

    @property
    def directory(self) -> bytes:
        """Directories come in the order of the tree, so what holds the first and the last holds all."""
        return os.path.commonpath([self._first or b"", self._last])


class _Cutting:
    """Goes through the tree of one lot: takes what fits whole, and descends into what does not."""

    def __init__(self, lot: _Lot, cap: int, most_files: int) -> None:
        self._cap, self._most_files = cap, most_files
        self._keys = sorted(map(_key_of, lot.directories))
        ranks = array("l", bytes(array("l").itemsize * len(self._keys)))
        for rank, key in enumerate(self._keys):
            ranks[lot.directories[_directory_of(key)]] = rank
        order = sorted(range(len(lot.ids)), key=lambda each: ranks[lot.places[each]])
        self._ids = array("q", (lot.ids[each] for each in order))
        self._sizes = array("q", (lot.sizes[each] for each in order))
        files, sizes = [0] * len(self._keys), [0] * len(self._keys)
        for place, size_bytes in zip(lot.places, lot.sizes, strict=True):
            files[ranks[place]] += 1
            sizes[ranks[place]] += size_bytes
        self._files_before = list(accumulate(files, initial=0))
        self._bytes_before = list(accumulate(sizes, initial=0))
        self._open = _Open()

    def chunks(self) -> Iterator[_Open]:
        """Give every chunk once it is full. Ranges of directories stand for subtrees: in the tree's order they are just that."""
        ranges = [(0, len(self._keys), 0)]
        while ranges:
            first, end, start = ranges.pop()
            size_bytes = self._bytes_before[end] - self._bytes_before[first]
            files = self._files_before[end] - self._files_before[first]
            if size_bytes <= self._cap and files <= self._most_files:
                yield from self._make_room(files, size_bytes)
                self._take_all(first, end, size_bytes)
            elif end - first == 1:
                yield from self._take_files(first)
            else:
                ranges.extend(reversed([*self._parts(first, end, start)]))
        if self._open.ids:
            yield self._open

    def _parts(self, first: int, end: int, start: int) -> Iterator[tuple[int, int, int]]:
        """Give the directory itself, where it holds files, and each of those in it; their names begin at `start` of the keys."""
        while first < end:
            key = self._keys[first]
            if len(key) < max(start, 1):
                yield first, first + 1, start
                first += 1
                continue
            stop = key.find(_SEPARATOR, start)
            top = key if stop < 0 else key[:stop]
            beyond = bisect_left(self._keys, top + _AFTER_SEPARATOR, first + 1, end)
            yield first, beyond, len(top) + 1
            first = beyond

    def _take_all(self, first: int, end: int, size_bytes: int) -> None:
        ids = self._ids[self._files_before[first] : self._files_before[end]]
        self._open.add(ids, size_bytes, _directory_of(self._keys[first]), _directory_of(self._keys[end - 1]))

    def _take_files(self, place: int) -> Iterator[_Open]:
        directory = _directory_of(self._keys[place])
        files = slice(self._files_before[place], self._files_before[place + 1])
        for file_id, size_bytes in zip(self._ids[files], self._sizes[files], strict=True):
            if size_bytes > self._cap:
                alone = _Open()
                alone.add((file_id,), size_bytes, directory, directory)
                yield alone
                continue
            yield from self._make_room(1, size_bytes)
            self._open.add((file_id,), size_bytes, directory, directory)

    def _make_room(self, files: int, size_bytes: int) -> Iterator[_Open]:
        """Give the chunk that is being filled where so much more is too much for it, and begin another one."""
        is_over = self._open.size_bytes + size_bytes > self._cap or len(self._open.ids) + files > self._most_files
        if is_over:
            yield self._open
            self._open = _Open()


def _key_of(directory: bytes) -> bytes:
    """Give what sorts as the tree goes: a directory, all that is below it, then its next sibling."""
    return directory.replace(b"/", _SEPARATOR)


def _directory_of(key: bytes) -> bytes:
    return key.replace(_SEPARATOR, b"/")
