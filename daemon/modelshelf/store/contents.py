"""Contents: bytes by their hashes, and when Civitai is to be asked about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.content import Content, Match
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
_HIT = """UPDATE contents SET version_id = :version, matched_by = :match, next_lookup_at = :next, looked_up_at = :now,
        lookup_priority = :rest, lookup_count = lookup_count + 1, absent_since = NULL, gone_since = NULL,
        questioned_version_id = NULL, next_weights_lookup_at = NULL
    WHERE id = :id"""
_WEIGHTS_HIT = """UPDATE contents SET version_id = ?, matched_by = 'weights' WHERE id = ? AND version_id IS NULL"""
_STILL_KNOWN = """UPDATE contents SET next_lookup_at = :next, looked_up_at = :now, lookup_priority = :rest,
        absent_since = NULL, gone_since = NULL WHERE id = :id"""
_MISS = """UPDATE contents SET next_lookup_at = :next, looked_up_at = :now, lookup_priority = :rest,
        lookup_count = :count, questioned_version_id = coalesce(:questioned, questioned_version_id)
    WHERE id = :id"""
_ABSENT = """UPDATE contents SET next_lookup_at = :next, looked_up_at = :now, lookup_priority = :rest,
        absent_since = coalesce(absent_since, :now), gone_since = CASE WHEN :is_gone THEN coalesce(absent_since, :now) END
    WHERE id = :id"""
_OWE_WEIGHTS = """UPDATE contents SET next_weights_lookup_at = :at
    WHERE id = :id AND autov3 <> :empty AND version_id IS NULL AND (:is_again OR weights_looked_up_at IS NULL)
        AND EXISTS (SELECT 1 FROM files f JOIN headers h ON h.file_id = f.id AND h.format = 'safetensors'
            WHERE f.content_id = contents.id AND f.missing_since IS NULL)"""
_ASKED_BY_WEIGHTS = "UPDATE contents SET weights_looked_up_at = ?, next_weights_lookup_at = NULL WHERE id = ?"
_NEXT_UNKNOWN = """SELECT sha256 FROM contents
    WHERE lookup_priority = :priority AND next_lookup_at <= :until AND next_lookup_at IS NOT NULL AND has_task = 0
        AND version_id IS NULL AND EXISTS (SELECT 1 FROM files f WHERE f.content_id = contents.id AND f.missing_since IS NULL)
    ORDER BY next_lookup_at LIMIT :limit"""
_NEXT_TRIED = """SELECT c.sha256 FROM tasks t JOIN contents c ON c.id = CAST(t.subject AS INTEGER) AND c.version_id IS NULL
    WHERE t.kind = 'identify_content' AND t.folder_id = '' AND t.priority = :priority AND t.due_at <= :until
        AND t.state = 'queued' ORDER BY t.due_at LIMIT :limit"""
_ASK_UNKNOWN = """UPDATE contents SET next_lookup_at = ?, lookup_count = 0
    WHERE version_id IS NULL AND looked_up_at IS NOT NULL AND next_lookup_at > ?"""


@dataclass(frozen=True, slots=True)
class Miss:
    """What Civitai did not know: how often it has said so now, and which version it named that cannot be believed."""

    count: int
    questioned_version_id: int | None = None


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
                hashes.blake3 or "",
                hashes.autov1,
                hashes.autov2,
                hashes.autov3,
                hashes.crc32 or "",
                to_epoch(now),
            ),
        )
        return _content_from(found[0])

    def keep_probe(self, content_id: int, probe: bytes) -> None:
        """Keep the probe of a content that was read."""
        self._database.execute("UPDATE contents SET probe = ?1 WHERE id = ?2 AND probe IS NOT ?1", (probe, content_id))

    def probe_of(self, content_id: int) -> bytes | None:
        """Give the probe of a content, None where it was read before there were any."""
        row = self._database.row("SELECT probe FROM contents WHERE id = ?", (content_id,))
        return None if row is None else row["probe"]

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
        return [_content_from(row) for row in self._database.rows(_FIND, (wanted, autov3))] if wanted else []

    def owe_lookup(self, content_id: int, at: datetime | None) -> None:
        """Owe a look-up at this time, as urgent as the most urgent of its files; None: nothing is owed."""
        self._database.execute(_OWE, {"id": content_id, "at": to_epoch_or_none(at), "rest": Priority.REST})

    def record_hit(
        self,
        content_id: int,
        version_id: int,
        now: datetime,
        next_at: datetime | None = None,
        match: Match | None = Match.FILE,
    ) -> None:
        """Keep which version Civitai knows these bytes as; it is asked again at `next_at`, at rest.

        `match` is None where a person says so. Whatever was doubted before is so no more.
        """
        self._record(_HIT, content_id, now, next_at, version=version_id, match=match)

    def record_weights(self, content_id: int, version_id: int | None, now: datetime) -> None:
        """Keep that Civitai was asked by the weights, once; a version found so never takes the place of another."""
        with self._database.transaction():
            self._database.execute(_ASKED_BY_WEIGHTS, (to_epoch(now), content_id))
            if version_id is not None:
                self._database.execute(_WEIGHTS_HIT, (version_id, content_id))

    def record_still_known(self, content_id: int, now: datetime, next_at: datetime) -> None:
        """Keep that Civitai lists a known content as before; one that was gone is back."""
        self._record(_STILL_KNOWN, content_id, now, next_at)

    def record_miss(self, content_id: int, now: datetime, next_at: datetime, miss: Miss | None = None) -> None:
        """Keep that Civitai did not know these bytes today, and ask again, at rest; what was found earlier stays."""
        told = miss or Miss(1)
        self._record(_MISS, content_id, now, next_at, count=told.count, questioned=told.questioned_version_id)

    def record_absence(self, content_id: int, now: datetime, next_at: datetime, *, is_gone: bool) -> None:
        """Keep that Civitai does not list a known content, or that this is certain now; everything else stays."""
        self._record(_ABSENT, content_id, now, next_at, is_gone=is_gone)

    def put_off(self, content_id: int, next_at: datetime) -> None:
        """Look again at another time, at rest; nothing was learnt."""
        self._database.execute(
            "UPDATE contents SET next_lookup_at = ?, lookup_priority = ? WHERE id = ?",
            (to_epoch(next_at), Priority.REST, content_id),
        )

    def next_to_look_up(self, priority: int, until: datetime, limit: int) -> list[str]:
        """Give the SHA256 of contents that are unknown and due by then, but not in hand, the longest due first.

        Those that were tried before and are to be tried again come after the others.
        """
        parameters = {"priority": priority, "until": to_epoch(until), "limit": limit}
        found = [row for sql in (_NEXT_UNKNOWN, _NEXT_TRIED) for row in self._database.rows(sql, parameters)]
        return [row["sha256"] for row in found[:limit]]

    def owe_weights(self, content_id: int, at: datetime, *, is_again: bool = False) -> None:
        """Owe a look-up by the weights where these can tell anything and it was not made yet, or `is_again`."""
        parameters = {"id": content_id, "at": to_epoch(at), "empty": EMPTY_AUTOV3, "is_again": is_again}
        self._database.execute(_OWE_WEIGHTS, parameters)

    def ask_again(self, now: datetime) -> int:
        """Owe at once every look-up that waits because Civitai did not know the content; gives how many."""
        return self._database.execute(_ASK_UNKNOWN, (to_epoch(now), to_epoch(now))).rowcount

    def _record(self, sql: str, content_id: int, now: datetime, next_at: datetime | None, **columns: object) -> None:
        parameters = {"id": content_id, "now": to_epoch(now), "next": to_epoch_or_none(next_at), "rest": Priority.REST}
        self._database.execute(sql, {**parameters, **columns})

    def pull_in(self, far: datetime, now: datetime) -> None:
        """Owe at once what is due later than `far`: it was written down while the clock was wrong."""
        self._database.execute(
            "UPDATE contents SET next_lookup_at = ? WHERE next_lookup_at > ?", (to_epoch(now), to_epoch(far))
        )


def hashes_from(row: sqlite3.Row) -> Hashes:
    """Give the hashes of a row; those that need a reading are empty where nobody has read these bytes."""
    return Hashes(
        row["sha256"], row["blake3"] or None, row["autov1"], row["autov2"], row["autov3"], row["crc32"] or None
    )


def _content_from(row: sqlite3.Row) -> Content:
    return Content(
        id=row["id"],
        size_bytes=row["size_bytes"],
        hashes=hashes_from(row),
        hashed_at=from_epoch(row["hashed_at"]),
        version_id=row["version_id"],
        next_lookup_at=from_epoch_or_none(row["next_lookup_at"]),
        lookup_count=row["lookup_count"],
        looked_up_at=from_epoch_or_none(row["looked_up_at"]),
        matched_by=Match(row["matched_by"]) if row["matched_by"] else None,
        gone_since=from_epoch_or_none(row["gone_since"]),
        pinned_version_id=row["pinned_version_id"],
        weights_looked_up_at=from_epoch_or_none(row["weights_looked_up_at"]),
        absent_since=from_epoch_or_none(row["absent_since"]),
        questioned_version_id=row["questioned_version_id"],
    )
