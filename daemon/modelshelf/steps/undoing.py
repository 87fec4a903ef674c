"""Bringing a sidecar back to what it was before we changed it, and taking that back again."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.task import NewTask, Priority, TaskKind
from modelshelf.errors import FileGone, UsageError
from modelshelf.files import create_file, read_limited, remove_file, replace_file
from modelshelf.sidecars.mark import is_marked, without_ours
from modelshelf.sidecars.reading import LARGEST_BYTES, read_sidecar
from modelshelf.store.former_sidecars import LeftSidecar, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from modelshelf.store.store import Store


class Undone(StrEnum):
    """What an undoing did, in words for a person."""

    BROUGHT_BACK = "is as it was before modelshelf changed it, and stays so; the same command again takes this back"
    REMOVED = "was all modelshelf's, so it is gone and stays so; the same command again brings it back"
    TAKEN_BACK = "is as it was before that, and modelshelf keeps it current again"


@dataclass(frozen=True, slots=True)
class _Present:
    content: bytes
    status: os.stat_result


def is_known_path(store: Store, path: bytes) -> bool:
    """Tell whether anything was ever written to a path, or is to be left there."""
    return store.ledger.of(path) is not None or store.formers.left(path) is not None


def undo_sidecar(store: Store, path: Path, now: datetime, *, is_forced: bool) -> Undone:
    """Put back what stood at `path` before our last change of it; after an undoing, what stood there before that.

    UsageError where nothing is kept, and where somebody changed the file since, unless `is_forced`: what they made of it is kept
    and comes back by another undoing. Wish and former content are on disk before the file changes, so that a crash between
    loses nothing.
    """
    key = os.fsencode(path)
    present = _read(path)
    left = _left(store, key, present)
    is_untouched = present is None or _is_untouched(store, key, present, left)
    if not is_forced and not is_untouched:
        raise UsageError(
            f"{readable(path)} was changed since by somebody else: --force puts back what stood there before all the same, and"
            " keeps what is there now, so that another undo-sidecar brings it back"
        )
    found = digest_of(present.content) if present else ""
    former = next((each for each in store.formers.of(key) if each.digest != found), None)
    if former is None and (left is not None or present is None or not _is_all_ours(store, path)):
        raise UsageError(f"nothing is kept of what stood in {readable(path)} before")

    def decide(status: os.stat_result | None = None) -> None:
        with store.database.transaction(is_durable=True):
            if present is not None:
                store.formers.keep(key, present.content, now)
            if left is None:
                aside = found if is_untouched else ""
                store.formers.leave_alone(key, LeftSidecar(former.digest if former else "", aside), now)
            else:
                _let_go(store, key, status if former and former.digest == left.put_aside else None)
            _owe_describing(store, key, now)

    _put(path, former.content if former else None, present, decide)
    if left is not None:
        return Undone.TAKEN_BACK
    return Undone.BROUGHT_BACK if former else Undone.REMOVED


def _left(store: Store, key: bytes, present: _Present | None) -> LeftSidecar | None:
    """Give the wish about a file; none where what was put aside stands there still, for then a crash came between."""
    left = store.formers.left(key)
    is_in_force = left is not None and (present is None or digest_of(present.content) != left.put_aside)
    return left if is_in_force else None


def _let_go(store: Store, key: bytes, status: os.stat_result | None) -> None:
    """Take the wish back; with a status the file is ours again, as it was written last."""
    store.formers.lift(key)
    writing = store.ledger.of(key)
    if writing is not None and status is not None:
        store.ledger.intend(replace(writing, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns))


def _owe_describing(store: Store, key: bytes, now: datetime) -> None:
    writing = store.ledger.of(key)
    if writing is not None and writing.file_id is not None:
        store.journal.add([NewTask(TaskKind.WRITE_SIDECARS, str(writing.file_id), priority=Priority.PERSON)], now)


def _put(path: Path, content: bytes | None, present: _Present | None, decide: Callable[..., None]) -> None:
    if content is None:
        decide()
        if present is not None:
            remove_file(path, expected=present.status)
    elif present is None:
        create_file(path, content, on_ready=decide)
    else:
        replace_file(path, content, expected=present.status, on_ready=decide)


def _is_untouched(store: Store, key: bytes, present: _Present, left: LeftSidecar | None) -> bool:
    """Tell whether a file is still as we, or an undoing, left it."""
    if left is not None:
        return digest_of(present.content) == left.digest
    writing = store.ledger.of(key)
    told = (present.status.st_size, present.status.st_mtime_ns)
    return writing is not None and told == (writing.size_bytes, writing.mtime_ns)


def _read(path: Path) -> _Present | None:
    try:
        return _Present(*read_limited(path, LARGEST_BYTES))
    except FileGone:
        return None


def _is_all_ours(store: Store, path: Path) -> bool:
    found = read_sidecar(path, store.standing.own_id)
    ours = store.ledger.digests_ever(os.fsencode(path))
    return found is not None and is_marked(found.content) and not without_ours(found.content, ours)
