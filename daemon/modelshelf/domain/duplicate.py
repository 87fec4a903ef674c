"""Duplicates: files that hold the same, told by hash alone; names of one file (hard links) are one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from modelshelf.domain.hashes import EMPTY_AUTOV3

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from modelshelf.domain.model_file import Fingerprint

    Key = TypeVar("Key", bound=Hashable)
    Each = TypeVar("Each")

_NO_WEIGHTS = frozenset({None, EMPTY_AUTOV3})


class Likeness(StrEnum):
    """What files have in common: all bytes, or all tensors under headers that differ."""

    BYTES = "bytes"
    WEIGHTS = "weights"


@dataclass(frozen=True, slots=True)
class Copy:
    """One name of a file that was read in full. `path` is relative to the folder."""

    file_id: int
    folder_id: str
    path: bytes
    fingerprint: Fingerprint
    sha256: str
    autov3: str | None


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Files that are alike. `hash` is the SHA256 they share, or the AutoV3; each file comes with all its names."""

    likeness: Likeness
    hash: str
    files: tuple[tuple[Copy, ...], ...]

    @property
    def freed_bytes(self) -> int:
        """How much space there would be if only the largest of these files stayed."""
        sizes = [names[0].fingerprint.size_bytes for names in self.files]
        return sum(sizes) - max(sizes)


def group_copies(copies: Iterable[Copy], identity: Callable[[Copy], Hashable]) -> list[DuplicateGroup]:
    """Give every group of files that are alike, the one that frees most first.

    Copies of one `identity` are names of one file. Of bytes that lie here more than once, a group of weights counts one
    file: the rest is told by the group of those bytes. The AutoV3 of no data makes nothing alike.
    """
    of_contents = {
        sha256: _files(same, identity) for sha256, same in _gathered(copies, lambda each: each.sha256).items()
    }
    one_of_each = [files[0] for files in of_contents.values()]
    of_weights = _gathered(one_of_each, lambda names: names[0].autov3)
    groups = [
        *_alike(Likeness.BYTES, of_contents.items()),
        *_alike(Likeness.WEIGHTS, ((key, tuple(alike)) for key, alike in of_weights.items() if key not in _NO_WEIGHTS)),
    ]
    return sorted(groups, key=lambda group: (-group.freed_bytes, group.likeness, group.hash))


def remembered(copy: Copy) -> tuple[object, ...]:
    """Which file a name was of when it was last looked at: no two files have all of this in common."""
    fingerprint = copy.fingerprint
    return copy.sha256, fingerprint.inode, fingerprint.mtime_ns, fingerprint.ctime_ns


def _alike(
    likeness: Likeness, found: Iterable[tuple[str | None, tuple[tuple[Copy, ...], ...]]]
) -> Iterator[DuplicateGroup]:
    for key, files in found:
        if key is not None and len(files) > 1:
            yield DuplicateGroup(likeness, key, files)


def _files(copies: Iterable[Copy], identity: Callable[[Copy], Hashable]) -> tuple[tuple[Copy, ...], ...]:
    return tuple(tuple(names) for names in _gathered(copies, identity).values())


def _gathered(things: Iterable[Each], key: Callable[[Each], Key]) -> dict[Key, list[Each]]:
    found: defaultdict[Key, list[Each]] = defaultdict(list)
    for thing in things:
        found[key(thing)].append(thing)
    return found
