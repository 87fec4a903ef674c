"""What a service that runs for months has to remember of itself and of its folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

_STATEMENTS = (
    # One value per name: the generation of the daemon that owns the store, how it ended, what was told already.
    "CREATE TABLE standing (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    # How many directories of a folder are watched, and why others are not.
    """CREATE TABLE watches (folder_id TEXT PRIMARY KEY, watched_count INTEGER NOT NULL,
        unwatched_count INTEGER NOT NULL, problem TEXT) WITHOUT ROWID""",
    # On which file system a folder's files were last seen, and which directories in it were mounts of their own.
    "CREATE TABLE grounds (folder_id TEXT PRIMARY KEY REFERENCES folders (id), ground TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE mount_points (folder_id TEXT NOT NULL REFERENCES folders (id), path BLOB NOT NULL, lost_since REAL,
        PRIMARY KEY (folder_id, path)) WITHOUT ROWID""",
    # Folders of which too many files vanished at once: since when, a person's word and what the folder stood on when it was
    # given, and what was counted until then.
    """CREATE TABLE holds (folder_id TEXT PRIMARY KEY REFERENCES folders (id), held_since REAL,
        file_count INTEGER NOT NULL DEFAULT 0, sample TEXT NOT NULL DEFAULT '[]', confirmed_at REAL, confirmed_ground TEXT,
        cleared_at REAL
    ) WITHOUT ROWID""",
    "CREATE INDEX files_missing ON files (folder_id, missing_since) WHERE missing_since IS NOT NULL",
)


def apply(database: Database) -> None:
    """Create what is new."""
    for statement in _STATEMENTS:
        database.execute(statement)
