"""Deep scans in chunks, what was verified and what rotted, and what a run reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.store.migrations.m0005_counts_and_search import COUNTS, SEARCH

if TYPE_CHECKING:
    from sqlite_utils import Database

_STATEMENTS: tuple[str, ...] = (
    # When a file was last read and held its own bytes (0: never; negative: doubted), and the order in which they are read again.
    "ALTER TABLE files ADD COLUMN verified_at REAL NOT NULL DEFAULT 0",
    """UPDATE files SET verified_at = (SELECT c.hashed_at FROM contents c WHERE c.id = files.content_id)
        WHERE scan_phase = 1 AND content_id IS NOT NULL AND vouched_by IS NULL""",
    """CREATE INDEX files_to_verify ON files (folder_id, verified_at, size_bytes)
        WHERE scan_phase = 1 AND content_id IS NOT NULL AND missing_since IS NULL AND vouched_by IS NULL""",
    # The evidence of rot: one row stands per file until it has an end.
    """CREATE TABLE rot (id INTEGER PRIMARY KEY, file_id INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE,
        content_id INTEGER NOT NULL, sha256 TEXT NOT NULL, blake3 TEXT NOT NULL, sound_at REAL NOT NULL,
        found_at REAL NOT NULL, seen_at REAL NOT NULL, dismissed_at REAL, ended_at REAL, outcome TEXT)""",
    "CREATE UNIQUE INDEX rot_standing ON rot (file_id) WHERE ended_at IS NULL",
    "CREATE INDEX rot_by_file ON rot (file_id, id)",
    # Which folders a run looks through, what else it counts, and what it reported at its end.
    "ALTER TABLE runs ADD COLUMN folder_ids TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE runs ADD COLUMN described INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE runs ADD COLUMN verified INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE runs ADD COLUMN verified_bytes INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE runs ADD COLUMN rotten INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX runs_going_on ON runs (id) WHERE ended_at IS NULL",
    """CREATE TABLE run_reports (run_id INTEGER PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
        body BLOB NOT NULL)""",
    # Chunks of deep reading. The ids of their files, which may take many pages, stand last and go once a chunk is done.
    """CREATE TABLE chunks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        folder_id TEXT NOT NULL REFERENCES folders (id),
        device TEXT NOT NULL,
        directory BLOB NOT NULL,
        file_count INTEGER NOT NULL,
        size_bytes INTEGER NOT NULL,
        worth INTEGER NOT NULL,
        newest_file_id INTEGER NOT NULL,
        state TEXT NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'running', 'done', 'failed')),
        planned_at REAL NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        started_at REAL,
        heard_at REAL,
        ended_at REAL,
        busy_seconds REAL NOT NULL DEFAULT 0,
        earlier_bytes INTEGER NOT NULL DEFAULT 0,
        done_files INTEGER NOT NULL DEFAULT 0,
        done_bytes INTEGER NOT NULL DEFAULT 0,
        failed_files INTEGER NOT NULL DEFAULT 0,
        reason TEXT,
        file_ids BLOB NOT NULL
    )""",
    "CREATE INDEX chunks_by_state ON chunks (state, folder_id)",
    "CREATE INDEX chunks_by_folder ON chunks (folder_id, newest_file_id)",
    # A digest of a few small parts of it: enough to see that a file whose ctime alone is another was most likely not written.
    "ALTER TABLE contents ADD COLUMN probe BLOB",
    # By it two modelshelves over one folder are told apart.
    "INSERT INTO standing (name, value) VALUES ('own_id', lower(hex(randomblob(8))))",
)

_READ = "({0}.missing_since IS NULL AND {0}.scan_phase = 1)"
_OWED = "({0}.missing_since IS NULL AND {0}.scan_phase = 0 AND {0}.waiting_reason IS NULL)"


def _tallied(sign: str, row: str) -> str:
    """Give what a row of `files` adds to, or takes from, what is told of its folder's reading."""
    read, owed = _READ.format(row), _OWED.format(row)
    return f"""read_files = read_files {sign} {read}, read_bytes = read_bytes {sign} {read} * {row}.size_bytes,
        owed_files = owed_files {sign} {owed}, owed_bytes = owed_bytes {sign} {owed} * {row}.size_bytes"""


_TALLIES: tuple[str, ...] = (
    # How much of a folder was read and how much is owed, kept by triggers like `file_count`: it is told every few seconds.
    *(
        f"ALTER TABLE folders ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0"
        for name in ("read_files", "read_bytes", "owed_files", "owed_bytes")
    ),
    f"""UPDATE folders SET (read_files, read_bytes, owed_files, owed_bytes) = (
        SELECT total({_READ.format("f")}), total({_READ.format("f")} * size_bytes),
            total({_OWED.format("f")}), total({_OWED.format("f")} * size_bytes)
        FROM files f WHERE f.folder_id = folders.id)""",  # noqa: S608 - constants only
    f"""CREATE TRIGGER folders_tally_dropped_files AFTER DELETE ON files WHEN OLD.missing_since IS NULL BEGIN
        UPDATE folders SET {_tallied("-", "OLD")} WHERE id = OLD.folder_id;
    END""",  # noqa: S608 - constants only
    f"""CREATE TRIGGER folders_tally_files AFTER UPDATE OF folder_id, missing_since, waiting_reason, scan_phase, size_bytes
        ON files WHEN (OLD.folder_id, OLD.size_bytes, {_READ.format("OLD")}, {_OWED.format("OLD")})
            IS NOT (NEW.folder_id, NEW.size_bytes, {_READ.format("NEW")}, {_OWED.format("NEW")}) BEGIN
        UPDATE folders SET {_tallied("-", "OLD")} WHERE id = OLD.folder_id;
        UPDATE folders SET {_tallied("+", "NEW")} WHERE id = NEW.folder_id;
    END""",  # noqa: S608 - constants only
    # Files that a first scan finds come by the hundred thousand, where a trigger for each costs more than all else: who adds
    # files counts them in one go. None of them has a content yet.
    "DROP TRIGGER folders_count_new_files",
    "CREATE INDEX files_with_companions ON files (folder_id, directory) WHERE companions <> '' AND missing_since IS NULL",
    "DROP INDEX files_by_content",
    "CREATE INDEX files_by_content ON files (content_id) WHERE content_id IS NOT NULL",
)


def apply(database: Database) -> None:
    """Make the tables and columns."""
    for statement in (*_STATEMENTS, *_TALLIES, *COUNTS, *SEARCH):
        database.execute(statement)
