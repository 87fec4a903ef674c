"""Claims: what another program told of files. It waits here until a file is to be read, and hangs on the file from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from modelshelf.domain.claim import Claim
from modelshelf.domain.fact import Fact, Field, Source
from modelshelf.domain.hashes import Hashes
from modelshelf.store.columns import (
    big,
    from_big,
    from_epoch,
    from_epoch_or_none,
    from_json,
    to_epoch,
    to_epoch_or_none,
    to_json,
)
from modelshelf.store.facts import FactTable
from modelshelf.store.file_rows import split

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

    from modelshelf.domain.jsontypes import JsonValue
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.store.database import Database

_AUTOV2_DIGITS = 10
_AT = "SELECT * FROM claims WHERE folder_id = ? AND directory = ? AND name = ?"
_PUT = """INSERT OR REPLACE INTO claims
        (folder_id, directory, name, size_bytes, mtime_ns, sha256, autov1, first_seen_at, last_used_at, facts)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_DROP = "DELETE FROM claims WHERE folder_id = ? AND directory = ? AND name = ?"
_VOUCH = """INSERT INTO contents (size_bytes, sha256, blake3, autov1, autov2, crc32, hashed_at)
    VALUES (?, ?, '', ?, ?, '', ?) ON CONFLICT (sha256) DO NOTHING"""
_OLDER = "UPDATE files SET first_seen_at = ?1 WHERE id = ?2 AND first_seen_at > ?1"
_USED = """INSERT INTO usage (file_id, last_used_at) VALUES (?, ?)
    ON CONFLICT (file_id) DO UPDATE SET last_used_at = excluded.last_used_at
        WHERE last_used_at < excluded.last_used_at"""
_HISTORY = """SELECT f.first_seen_at, u.last_used_at FROM files f LEFT JOIN usage u ON u.file_id = f.id
    WHERE f.id = ?"""


class Claims:
    """One claim per path. It is believed of no file that looks otherwise than it did when the claim was kept."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._facts = FactTable(database)

    def at(self, folder_id: str, path: bytes) -> Claim | None:
        """Give what is claimed of the file at this path."""
        row = self._database.row(_AT, (folder_id, *split(path)))
        return None if row is None else _claim_from(row)

    def put(self, folder_id: str, path: bytes, claim: Claim) -> None:
        """Keep a claim about the file at this path, in the place of an earlier one."""
        facts = to_json({fact.field: fact.value for fact in claim.facts})
        times = (to_epoch_or_none(claim.first_seen_at), to_epoch_or_none(claim.last_used_at))
        look = (big(claim.size_bytes), big(claim.mtime_ns), claim.sha256, claim.autov1)
        self._database.execute(_PUT, (folder_id, *split(path), *look, *times, facts))

    def hashes_of(self, file: ModelFile) -> Hashes | None:
        """Give the hashes that are claimed of a file, None where it has to be read.

        A content that was read under this SHA256 has to be of the same size and have the same window of weights.
        """
        claim = self.at(file.folder_id, file.path)
        if claim is None or claim.sha256 is None or not _is_about(claim, file):
            return None
        known = self._database.row("SELECT size_bytes, autov1 FROM contents WHERE sha256 = ?", (claim.sha256,))
        if known is not None and (from_big(known["size_bytes"]), known["autov1"]) != (claim.size_bytes, claim.autov1):
            return None
        return Hashes(claim.sha256, None, claim.autov1, claim.sha256[:_AUTOV2_DIGITS], None, None)

    def vouch(self, file: ModelFile, hashes: Hashes, now: datetime) -> int:
        """Give the id of the content that a file is said to hold; one that was read in full keeps all its hashes."""
        columns = (big(file.fingerprint.size_bytes), hashes.sha256, hashes.autov1, hashes.autov2, to_epoch(now))
        self._database.execute(_VOUCH, columns)
        return int(self._database.rows("SELECT id FROM contents WHERE sha256 = ?", (hashes.sha256,))[0]["id"])

    def settle(self, file: ModelFile, sha256: str) -> None:
        """Take over what is claimed of a file that is known by its hash now, and forget the claim.

        Where the file or its hash is another one, nothing of the claim is true of it.
        """
        claim = self.at(file.folder_id, file.path)
        if claim is None:
            return
        self._database.execute(_DROP, (file.folder_id, *split(file.path)))
        if _is_about(claim, file) and claim.sha256 in {None, sha256}:
            self.take_over(file.id, claim)

    def take_over(self, file_id: int, claim: Claim) -> None:
        """Hang a claim on a file: its facts as those of their own source, the earlier first sight, the later use."""
        with self._database.transaction():
            self._facts.replace_of_file(file_id, Source.STABLEQUEUE, claim.facts)
            if claim.first_seen_at is not None:
                self._database.execute(_OLDER, (to_epoch(claim.first_seen_at), file_id))
            if claim.last_used_at is not None:
                self._database.execute(_USED, (file_id, to_epoch(claim.last_used_at)))

    def is_taken_over(self, file_id: int, claim: Claim) -> bool:
        """Tell whether all of a claim hangs on the file already."""
        told = {fact.field: fact.value for fact in self._facts.of_file(file_id) if fact.source is Source.STABLEQUEUE}
        row = self._database.rows(_HISTORY, (file_id,))[0]
        first, last = to_epoch_or_none(claim.first_seen_at), to_epoch_or_none(claim.last_used_at)
        return (
            told == {fact.field: fact.value for fact in claim.facts}
            and (first is None or row["first_seen_at"] <= first)
            and (last is None or (row["last_used_at"] is not None and row["last_used_at"] >= last))
        )

    def last_used_at(self, file_id: int) -> datetime | None:
        """Give when a file was last used, as far as anybody told."""
        row = self._database.row("SELECT last_used_at FROM usage WHERE file_id = ?", (file_id,))
        return None if row is None else from_epoch(row["last_used_at"])


def _is_about(claim: Claim, file: ModelFile) -> bool:
    return (claim.size_bytes, claim.mtime_ns) == (file.fingerprint.size_bytes, file.fingerprint.mtime_ns)


def _claim_from(row: sqlite3.Row) -> Claim:
    facts = cast("dict[str, JsonValue]", from_json(row["facts"]))
    return Claim(
        size_bytes=from_big(row["size_bytes"]),
        mtime_ns=from_big(row["mtime_ns"]),
        sha256=row["sha256"],
        autov1=row["autov1"],
        first_seen_at=from_epoch_or_none(row["first_seen_at"]),
        last_used_at=from_epoch_or_none(row["last_used_at"]),
        facts=tuple(Fact(Field(field), Source.STABLEQUEUE, value) for field, value in facts.items()),
    )
