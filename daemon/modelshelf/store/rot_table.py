"""Rot: which files hold other bytes than they should, with the evidence, until that has an end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.domain.rot import GoodCopy, Rot, RotEnd
from modelshelf.store.columns import big, from_epoch, from_epoch_or_none, to_epoch
from modelshelf.store.file_rows import join

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

    from modelshelf.domain.hashes import Hashes
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.store.database import Database

_PUT = """INSERT INTO rot (file_id, content_id, sha256, blake3, sound_at, found_at, seen_at)
    SELECT id, content_id, :sha256, :blake3, iif(verified_at, abs(verified_at), first_seen_at), :now, :now
    FROM files WHERE id = :file
    ON CONFLICT (file_id) WHERE ended_at IS NULL DO UPDATE SET seen_at = excluded.seen_at,
        dismissed_at = CASE WHEN sha256 = excluded.sha256 THEN dismissed_at END,
        sha256 = excluded.sha256, blake3 = excluded.blake3
    RETURNING *"""
END_ROT = "UPDATE rot SET ended_at = ?, outcome = ? WHERE file_id = ? AND ended_at IS NULL"
_STANDING = """SELECT r.* FROM rot r INDEXED BY rot_standing JOIN files f ON f.id = r.file_id
    WHERE r.ended_at IS NULL AND f.missing_since IS NULL ORDER BY r.found_at, r.id"""
_COPIES = """SELECT f.folder_id, f.directory, f.name, abs(f.verified_at) AS sound_at,
        d.path, d.offline_since
    FROM files f JOIN folders d ON d.id = f.folder_id AND d.is_configured = 1
    WHERE f.content_id = ? AND f.id <> ? AND f.inode <> ? AND f.missing_since IS NULL AND f.vouched_by IS NULL
        AND NOT EXISTS (SELECT 1 FROM rot r WHERE r.file_id = f.id AND r.ended_at IS NULL)
    ORDER BY d.offline_since IS NOT NULL, sound_at DESC, f.id LIMIT ?"""

COPIES_TOLD = 3


class RotTable:
    """At most one rot stands per file; those that ended are kept with the file as what happened to it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def found(self, file: ModelFile, hashes: Hashes, now: datetime) -> Rot:
        """Keep that a file holds other bytes than its content; one that was dismissed is told again if it has gone on."""
        row = {"file": file.id, "sha256": hashes.sha256, "blake3": hashes.blake3 or "", "now": to_epoch(now)}
        return _rot_from(self._database.rows(_PUT, row)[0])

    def of(self, file_id: int) -> Rot | None:
        """Give the rot that stands of a file, dismissed or not, None where there is none."""
        row = self._database.row("SELECT * FROM rot WHERE file_id = ? AND ended_at IS NULL", (file_id,))
        return None if row is None else _rot_from(row)

    def ever_of(self, file_id: int) -> list[Rot]:
        """Give every rot that a file ever had, the latest first."""
        found = self._database.rows("SELECT * FROM rot WHERE file_id = ? ORDER BY id DESC", (file_id,))
        return [_rot_from(row) for row in found]

    def standing(self) -> list[Rot]:
        """Give the rot of all files that are there, dismissed ones too, the oldest first."""
        return [_rot_from(row) for row in self._database.rows(_STANDING)]

    def dismiss(self, file_id: int, now: datetime) -> None:
        """Keep that a person knows, and wants to hear no more of it."""
        self._database.execute(
            "UPDATE rot SET dismissed_at = ? WHERE file_id = ? AND ended_at IS NULL", (to_epoch(now), file_id)
        )

    def end(self, file_id: int, end: RotEnd, now: datetime) -> bool:
        """Keep how the rot of a file ended; tells whether there was any."""
        return bool(self._database.execute(END_ROT, (to_epoch(now), end, file_id)).rowcount)

    def good_copies(self, file: ModelFile) -> list[GoodCopy]:
        """Give other files that hold what this one should, read here and not found rotten; at most `COPIES_TOLD`.

        Another name of this very file is none, and rots with it.
        """
        parameters = (file.content_id, file.id, big(file.fingerprint.inode), COPIES_TOLD)
        found = self._database.rows(_COPIES, parameters)
        return [
            GoodCopy(
                row["folder_id"],
                Path(os.fsdecode(join(row["path"], join(row["directory"], row["name"])))),
                from_epoch(row["sound_at"]),
                row["offline_since"] is not None,
            )
            for row in found
        ]


def _rot_from(row: sqlite3.Row) -> Rot:
    return Rot(
        id=row["id"],
        file_id=row["file_id"],
        content_id=row["content_id"],
        sha256=row["sha256"],
        blake3=row["blake3"],
        sound_at=from_epoch(row["sound_at"]),
        found_at=from_epoch(row["found_at"]),
        seen_at=from_epoch(row["seen_at"]),
        dismissed_at=from_epoch_or_none(row["dismissed_at"]),
        ended_at=from_epoch_or_none(row["ended_at"]),
        end=RotEnd(row["outcome"]) if row["outcome"] else None,
    )
