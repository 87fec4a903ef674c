"""The ledger: what we wrote into whose directory, so that it never comes back as work or as a fact."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from modelshelf.store.columns import big, from_big, from_json, to_json

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from modelshelf.store.database import Database

_KEPT = 2
"""Writings kept per path: after a crash between intent and rename the one before the last is what lies on disk."""

_ADD = "INSERT INTO writings (path, file_id, dialect, size_bytes, mtime_ns, digests) VALUES (?, ?, ?, ?, ?, ?)"
_LAST = "SELECT * FROM writings WHERE path = ? ORDER BY id DESC LIMIT ?"
_DROP_SAME = (
    "DELETE FROM writings WHERE path = ?1 AND id = (SELECT max(id) FROM writings WHERE path = ?1) AND digests = ?2"
)
_DROP_OLD = """DELETE FROM writings
    WHERE path = ?1 AND id NOT IN (SELECT id FROM writings WHERE path = ?1 ORDER BY id DESC LIMIT ?2)"""


@dataclass(frozen=True, slots=True)
class Writing:
    """One file as we wrote it. `path` is absolute; `digests` tells each key of the file, or the whole, by a digest."""

    path: bytes
    file_id: int | None
    dialect: str
    size_bytes: int
    mtime_ns: int
    digests: Mapping[str, str] = field(default_factory=dict)


class Ledger:
    """The last two writings per path.

    Nothing is pruned: what we wrote beside a file that is forgotten, or on a disk that is away, is still ours and must not
    come back as somebody's word.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def intend(self, writing: Writing) -> None:
        """Keep what is about to be renamed into place; durable when this returns, so that a power cut cannot forget it.

        The same digests again take the place of the last writing: trying again must not push out what lies on disk.
        """
        digests = to_json(dict(sorted(writing.digests.items())))
        with self._database.transaction(is_durable=True):
            self._database.execute(_DROP_SAME, (writing.path, digests))
            self._database.execute(
                _ADD,
                (
                    writing.path,
                    writing.file_id,
                    writing.dialect,
                    big(writing.size_bytes),
                    big(writing.mtime_ns),
                    digests,
                ),
            )
            self._database.execute(_DROP_OLD, (writing.path, _KEPT))

    def of(self, path: bytes) -> Writing | None:
        """Give the last writing to this path, None where we never wrote there."""
        row = self._database.row(_LAST, (path, 1))
        return None if row is None else _writing_from(row)

    def digests_ever(self, path: bytes) -> dict[str, set[str]]:
        """Give, key by key, the digests of the last two writings: whichever of them is found on disk is ours."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for row in self._database.rows(_LAST, (path, _KEPT)):
            for key, digest in _writing_from(row).digests.items():
                found[key].add(digest)
        return dict(found)

    def move(self, old: bytes, new: bytes) -> None:
        """Keep what we wrote at `old` as written at `new`; what was known of `new` is dropped."""
        if old == new:
            return
        with self._database.transaction():
            self._database.execute("DELETE FROM writings WHERE path = ?", (new,))
            self._database.execute("UPDATE writings SET path = ? WHERE path = ?", (new, old))


def _writing_from(row: sqlite3.Row) -> Writing:
    return Writing(
        path=row["path"],
        file_id=row["file_id"],
        dialect=row["dialect"],
        size_bytes=from_big(row["size_bytes"]),
        mtime_ns=from_big(row["mtime_ns"]),
        digests=cast("dict[str, str]", from_json(row["digests"])),
    )
