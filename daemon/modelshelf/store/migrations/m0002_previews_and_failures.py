"""Tables for previews, for the records of files that another one was moved onto, and for failures without a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

_STATEMENTS = (
    """CREATE TABLE previews (
        file_id INTEGER PRIMARY KEY REFERENCES files (id) ON DELETE CASCADE,
        path BLOB NOT NULL
    )""",
    "INSERT INTO previews (file_id, path) SELECT file_id, preview FROM entries WHERE preview IS NOT NULL",
    "ALTER TABLE entries DROP COLUMN preview",
    """CREATE TABLE former_files (
        id INTEGER PRIMARY KEY,
        folder_id TEXT NOT NULL REFERENCES folders (id),
        directory BLOB NOT NULL,
        name BLOB NOT NULL,
        size_bytes INTEGER NOT NULL,
        content_id INTEGER REFERENCES contents (id),
        effective TEXT NOT NULL,
        first_seen_at REAL NOT NULL,
        missing_since REAL,
        superseded_at REAL NOT NULL
    )""",
    "CREATE INDEX former_files_by_path ON former_files (folder_id, directory, name)",
    """CREATE TABLE failures (
        folder_id TEXT NOT NULL REFERENCES folders (id),
        path BLOB NOT NULL,
        reason TEXT NOT NULL,
        failed_at REAL NOT NULL,
        PRIMARY KEY (folder_id, path)
    ) WITHOUT ROWID""",
)


def apply(database: Database) -> None:
    """Move the pictures' places over and create what is new."""
    for statement in _STATEMENTS:
        database.execute(statement)
