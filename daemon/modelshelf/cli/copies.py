"""Duplicates as a person is told of them: looked at on disk once more, so that no name of a file passes for a copy of it."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING

from modelshelf.cli.wording import count_text, path_json, size_text
from modelshelf.domain.display import readable
from modelshelf.domain.duplicate import Likeness, group_copies, remembered
from modelshelf.errors import ModelshelfError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from modelshelf.domain.duplicate import Copy, DuplicateGroup
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.store.store import Store

LOOKS_AT_ONCE = 500
WORDS = {Likeness.BYTES: "the same bytes", Likeness.WEIGHTS: "the same weights under another header"}


def find_duplicates(store: Store, folder_ids: Collection[str] | None = None) -> list[DuplicateGroup]:
    """Give the groups that have a file in one of these folders (None: any), the one that frees most first.

    What changed or went away since it was read is left out. Of a folder that does not answer the catalog is believed.
    """
    from modelshelf.store.duplicates import copies_alike  # noqa: PLC0415 -- sqlite_utils comes with its package

    copies = copies_alike(store.database)
    roots = roots_of(store)
    seen = _identities(copies, roots)
    there = [copy for copy in copies if seen.get(copy.file_id, ()) is not None]
    groups = group_copies(there, lambda copy: seen.get(copy.file_id) or remembered(copy))
    return [group for group in groups if folder_ids is None or _is_within(group, folder_ids)]


def roots_of(store: Store) -> dict[str, Path]:
    """Give where each folder lies."""
    return {state.id: state.path for state in store.folders.states()}


def _is_within(group: DuplicateGroup, folder_ids: Collection[str]) -> bool:
    return any(copy.folder_id in folder_ids for names in group.files for copy in names)


def _identities(copies: Sequence[Copy], roots: Mapping[str, Path]) -> dict[int, tuple[int, int] | None]:
    """Give the device and inode of each, None where the file is another one now; nothing where nobody answers."""
    from modelshelf.shelf.patience import Patience  # noqa: PLC0415 -- only where a shelf is looked at

    by_folder: defaultdict[str, list[Copy]] = defaultdict(list)
    for copy in copies:
        by_folder[copy.folder_id].append(copy)
    patience = Patience()
    found: dict[int, tuple[int, int] | None] = {}
    for folder_id, listed in by_folder.items():
        root = os.fsencode(roots[folder_id])
        try:
            for start in range(0, len(listed), LOOKS_AT_ONCE):
                some = listed[start : start + LOOKS_AT_ONCE]
                found |= patience.ask(folder_id, lambda some=some, root=root: _look(some, root))  # type: ignore[misc]
        except ModelshelfError:
            continue  # a disk that hangs or is away: `status` says so
    return found


def _look(copies: Iterable[Copy], root: bytes) -> dict[int, tuple[int, int] | None]:
    found: dict[int, tuple[int, int] | None] = {}
    for copy in copies:
        try:
            status = os.lstat(os.path.join(root, copy.path))
        except (FileNotFoundError, NotADirectoryError):
            if not os.path.isdir(root):
                return found
            found[copy.file_id] = None
        except OSError:
            continue  # it cannot be told now: what is remembered counts
        else:
            is_same = (status.st_size, status.st_mtime_ns) == (copy.fingerprint.size_bytes, copy.fingerprint.mtime_ns)
            found[copy.file_id] = (status.st_dev, status.st_ino) if is_same else None
    return found


def freed_bytes(groups: Iterable[DuplicateGroup], likeness: Likeness) -> int:
    """Give how much space all but one file of each of these groups take."""
    return sum(group.freed_bytes for group in groups if group.likeness is likeness)


def group_lines(group: DuplicateGroup, roots: Mapping[str, Path]) -> list[str]:
    """Give a group for eyes: what is alike, then each file with its size, and its other names below it."""
    freed = f"{size_text(group.freed_bytes)} could be freed"
    lines = [f"{len(group.files)} files with {WORDS[group.likeness]} ({group.hash[:10]}): {freed}"]
    for names in group.files:
        first, *links = (readable(_absolute(copy, roots)) for copy in names)
        lines.append(f"  {first} ({size_text(names[0].fingerprint.size_bytes)})")
        lines += [f"    the same file: {link}" for link in links]
    return lines


def summary_line(groups: Sequence[DuplicateGroup]) -> str:
    """Give how many groups there are, and what they would free."""
    told = []
    for likeness, words in WORDS.items():
        count = sum(group.likeness is likeness for group in groups)
        if count:
            freed = size_text(freed_bytes(groups, likeness))
            told.append(f"{count_text(count, 'group', 'groups')} of files with {words}, {freed} could be freed")
    return "; ".join(told)


def duplicates_json(groups: Sequence[DuplicateGroup], roots: Mapping[str, Path]) -> JsonObject:
    """Give the groups in StableQueue's shape, with what each would free."""
    return {
        "count": len(groups),
        "freed_bytes": {likeness.value: freed_bytes(groups, likeness) for likeness in Likeness},
        "groups": [
            {
                "alike": group.likeness.value,
                "hash": group.hash,
                "freed_bytes": group.freed_bytes,
                "files": [_file_json(names, roots) for names in group.files],
            }
            for group in groups
        ],
    }


def _file_json(names: Sequence[Copy], roots: Mapping[str, Path]) -> JsonObject:
    first, *links = names
    return {
        **_name_json(first, roots),
        "file_id": first.file_id,
        "size_bytes": first.fingerprint.size_bytes,
        "sha256": first.sha256,
        "hard_links": [_name_json(link, roots) for link in links],
    }


def _name_json(copy: Copy, roots: Mapping[str, Path]) -> JsonObject:
    return {
        "filename": readable(os.path.basename(copy.path)),
        "folder": copy.folder_id,
        **path_json(_absolute(copy, roots)),
    }


def _absolute(copy: Copy, roots: Mapping[str, Path]) -> bytes:
    return os.path.join(os.fsencode(roots[copy.folder_id]), copy.path)
