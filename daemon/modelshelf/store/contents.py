"""Contents: bytes by their hashes, and when Civitai is to be asked about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.content import Content
from modelshelf.domain.hashes import EMPTY_AUTOV3, Hashes
from modelshelf.domain.task import Priority
from modelshelf.store.columns import from_epoch, from_epoch_or_none, to_epoch, to_epoch_or_none

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

    from modelshelf.store.database import Database

_PUT = """INSERT INTO contents (size_bytes, sha256, blake3, autov1, autov2, autov3, crc32, hashed_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (sha256) DO UPDATE SET blake3 = excluded.blake3, autov1 = excluded.autov1, autov2 = excluded.autov2,
        autov3 = excluded.autov3, crc32 = excluded.crc32, hashed_at = excluded.hashed_at
    RETURNING *"""
_FIND = """SELECT * FROM contents
    WHERE sha256 = ?1 OR blake3 = ?1 OR autov1 = ?1 OR autov2 = ?1 OR autov3 = ?2 OR crc32 = ?1 ORDER BY id"""
_OWE = """UPDATE contents SET next_lookup_at = :at, lookup_priority = coalesce(
        (SELECT max(priority) FROM files WHERE content_id = :id AND missing_since IS NULL), :rest)
    WHERE id = :id"""
_HIT = """UPDATE contents SET version_id = ?, next_lookup_at = NULL, lookup_count = lookup_count + 1, looked_up_at = ?
    WHERE id = ?"""
_MISS = """UPDATE contents SET next_lookup_at = ?, looked_up_at = ?, lookup_priority = ?, lookup_count = lookup_count + 1
    WHERE id = ?"""


class Contents:
    """One row per SHA256. A look-up that is owed is a time on the row, so that "ask again in a week" is no task."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def upsert(self, size_bytes: int, hashes: Hashes, now: datetime) -> Content:
        """Give the content with these hashes, made where it is new; a known one keeps what was found out about it."""
        found = self._database.rows(
            _PUT,
            (
                size_bytes,
                hashes.sha256,
                hashes.blake3,
                hashes.autov1,
                hashes.autov2,
                hashes.autov3,
                hashes.crc32,
                to_epoch(now),
            ),
        )
        return _content_from(found[0])

    def get(self, content_id: int) -> Content | None:
        """Give a content by its id."""
        row = self._database.row("SELECT * FROM contents WHERE id = ?", (content_id,))
        return None if row is None else _content_from(row)

    def find(self, any_hash: str) -> list[Content]:
        """Give the contents with this hash, whichever of the six it is, in any case.

        The AutoV3 of no data finds nothing: every file without tensors shares it.
        """
        wanted = any_hash.strip().upper()
        autov3 = None if wanted == EMPTY_AUTOV3 else wanted
        return [_content_from(row) for row in self._database.rows(_FIND, (wanted, autov3))]

    def owe_lookup(self, content_id: int, at: datetime | None) -> None:
        """Owe a look-up at this time, as urgent as the most urgent of its files; None: nothing is owed."""
        self._database.execute(_OWE, {"id": content_id, "at": to_epoch_or_none(at), "rest": Priority.REST})

    def record_hit(self, content_id: int, version_id: int, now: datetime) -> None:
        """Keep which version Civitai knows these bytes as; nothing is owed any more."""
        self._database.execute(_HIT, (version_id, to_epoch(now), content_id))

    def record_miss(self, content_id: int, now: datetime, next_at: datetime) -> None:
        """Keep that Civitai did not know these bytes today, and ask again, at rest; what was found earlier stays."""
        self._database.execute(_MISS, (to_epoch(next_at), to_epoch(now), Priority.REST, content_id))

    def pull_in(self, far: datetime, now: datetime) -> None:
        """Owe at once what is due later than `far`: it was written down while the clock was wrong."""
        self._database.execute(
            "UPDATE contents SET next_lookup_at = ? WHERE next_lookup_at > ?", (to_epoch(now), to_epoch(far))
        )


def _content_from(row: sqlite3.Row) -> Content:
    return Content(
        id=row["id"],
        size_bytes=row["size_bytes"],
        hashes=Hashes(row["sha256"], row["blake3"], row["autov1"], row["autov2"], row["autov3"], row["crc32"]),
        hashed_at=from_epoch(row["hashed_at"]),
        version_id=row["version_id"],
        next_lookup_at=from_epoch_or_none(row["next_lookup_at"]),
        lookup_count=row["lookup_count"],
        looked_up_at=from_epoch_or_none(row["looked_up_at"]),
    )
