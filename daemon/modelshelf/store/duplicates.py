"""Which files of the catalog may be duplicates: those that share a hash with another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.duplicate import Copy
from modelshelf.domain.hashes import EMPTY_AUTOV3
from modelshelf.domain.model_file import Fingerprint
from modelshelf.store.columns import from_big
from modelshelf.store.file_rows import join

if TYPE_CHECKING:
    import sqlite3

    from modelshelf.store.database import Database

_ALIKE = f"""WITH wanted (id) AS (
        SELECT content_id FROM files WHERE content_id IS NOT NULL GROUP BY content_id HAVING count(*) > 1
        UNION SELECT id FROM contents WHERE autov3 IN (
            SELECT autov3 FROM contents WHERE autov3 <> '{EMPTY_AUTOV3}' GROUP BY autov3 HAVING count(*) > 1))
    SELECT f.*, c.sha256, c.autov3 FROM wanted w CROSS JOIN contents c ON c.id = w.id CROSS JOIN files f ON f.content_id = c.id
    WHERE f.missing_since IS NULL AND f.scan_phase = 1 AND f.vouched_by IS NULL
        AND f.folder_id IN (SELECT id FROM folders WHERE is_configured = 1)
        AND NOT EXISTS (SELECT 1 FROM rot r WHERE r.file_id = f.id AND r.ended_at IS NULL)
    ORDER BY f.folder_id, f.directory, f.name"""  # noqa: S608 - constants only
"""Both inner questions are answered by an index alone, and leave few of half a million files to look at."""


def copies_alike(database: Database) -> list[Copy]:
    """Give the files that are there, were read by us, and may share bytes or weights with another, by folder and path.

    What another program told of a file is no proof, what is in a folder no longer configured is nobody's to judge, and what
    has rotted is a copy of nothing.
    """
    return [_copy_from(row) for row in database.rows(_ALIKE)]


def vouched_count(database: Database) -> int:
    """Count the files of which another program told what they hold: they are compared once they are read."""
    found = database.rows("SELECT count(*) FROM files WHERE vouched_by IS NOT NULL AND missing_since IS NULL")
    return int(found[0][0])


def _copy_from(row: sqlite3.Row) -> Copy:
    return Copy(
        file_id=row["id"],
        folder_id=row["folder_id"],
        path=join(row["directory"], row["name"]),
        fingerprint=Fingerprint(
            from_big(row["size_bytes"]), from_big(row["mtime_ns"]), from_big(row["ctime_ns"]), from_big(row["inode"])
        ),
        sha256=row["sha256"],
        autov3=row["autov3"],
    )
