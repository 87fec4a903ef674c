"""Former files: what was known of a file when another known one was moved over it, kept for ever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from modelshelf.domain.fact import Field
from modelshelf.store.columns import from_big, from_epoch, from_json, to_epoch
from modelshelf.store.file_rows import split

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from modelshelf.domain.jsontypes import JsonValue
    from modelshelf.store.database import Database

_KEEP = """INSERT INTO former_files (folder_id, directory, name, size_bytes, content_id, effective,
        first_seen_at, missing_since, superseded_at)
    SELECT f.folder_id, f.directory, f.name, f.size_bytes, f.content_id, coalesce(e.effective, '{}'),
        f.first_seen_at, f.missing_since, ?2 FROM files f LEFT JOIN entries e ON e.file_id = f.id WHERE f.id = ?1"""
_AT = """SELECT o.size_bytes, o.effective, o.first_seen_at, o.superseded_at, c.sha256
    FROM former_files o LEFT JOIN contents c ON c.id = o.content_id
    WHERE o.folder_id = ? AND o.directory = ? AND o.name = ? ORDER BY o.id DESC"""


@dataclass(frozen=True, slots=True)
class FormerFile:
    """A file that lay at a path before the one that lies there now. `values`: the effective ones of that time."""

    size_bytes: int
    sha256: str | None
    values: Mapping[Field, JsonValue]
    first_seen_at: datetime
    superseded_at: datetime


def keep_former(database: Database, file_id: int, now: datetime) -> None:
    """Keep the record of a file that is about to be merged away."""
    database.execute(_KEEP, (file_id, to_epoch(now)))


def former_at(database: Database, folder_id: str, path: bytes) -> list[FormerFile]:
    """Give what lay at this path before, the latest first."""
    return [
        FormerFile(
            size_bytes=from_big(row["size_bytes"]),
            sha256=row["sha256"],
            values=_values(row["effective"]),
            first_seen_at=from_epoch(row["first_seen_at"]),
            superseded_at=from_epoch(row["superseded_at"]),
        )
        for row in database.rows(_AT, (folder_id, *split(path)))
    ]


def _values(effective: str) -> dict[Field, JsonValue]:
    fields = cast("dict[str, list[JsonValue]]", from_json(effective))
    return {Field(field): value for field, (_, value) in fields.items()}
