"""The first schema.

Times are REAL epoch seconds, paths BLOB, flags 0 or 1. Columns that hold what a disk says (sizes, times, inodes) may hold a
BLOB of digits where a number leaves 64 bits. `has_task` is kept by triggers: 1 while a task's row stands for work that is
otherwise derived, so that a claim finds derived work by a partial index alone, however much of it is held back.
`folders.file_count` is kept by triggers too: it is asked for at every claim, where counting half a million rows takes 50 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

_CATALOG = (
    """CREATE TABLE folders (
        id TEXT PRIMARY KEY,
        path BLOB NOT NULL,
        model_type TEXT,
        is_configured INTEGER NOT NULL DEFAULT 1,
        offline_since REAL,
        offline_reason TEXT,
        file_count INTEGER NOT NULL DEFAULT 0,
        last_scan_at REAL
    )""",
    """CREATE TABLE contents (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        size_bytes INTEGER NOT NULL,
        sha256 TEXT NOT NULL UNIQUE,
        blake3 TEXT NOT NULL,
        autov1 TEXT,
        autov2 TEXT NOT NULL,
        autov3 TEXT,
        crc32 TEXT NOT NULL,
        hashed_at REAL NOT NULL,
        version_id INTEGER,
        next_lookup_at REAL,
        lookup_priority INTEGER NOT NULL DEFAULT 10,
        lookup_count INTEGER NOT NULL DEFAULT 0,
        looked_up_at REAL,
        has_task INTEGER NOT NULL DEFAULT 0
    )""",
    "CREATE INDEX contents_by_blake3 ON contents (blake3)",
    "CREATE INDEX contents_by_autov1 ON contents (autov1)",
    "CREATE INDEX contents_by_autov2 ON contents (autov2)",
    "CREATE INDEX contents_by_autov3 ON contents (autov3)",
    "CREATE INDEX contents_by_crc32 ON contents (crc32)",
    "CREATE INDEX contents_by_version ON contents (version_id)",
    """CREATE INDEX contents_to_look_up ON contents (lookup_priority, next_lookup_at)
        WHERE next_lookup_at IS NOT NULL AND has_task = 0""",
    """CREATE INDEX contents_next_lookup ON contents (next_lookup_at)
        WHERE next_lookup_at IS NOT NULL AND has_task = 0""",
    """CREATE TABLE files (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        folder_id TEXT NOT NULL REFERENCES folders (id),
        directory BLOB NOT NULL,
        name BLOB NOT NULL,
        size_bytes INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        ctime_ns INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        scan_phase INTEGER NOT NULL DEFAULT 0,
        is_inspected INTEGER NOT NULL DEFAULT 0,
        content_id INTEGER REFERENCES contents (id),
        priority INTEGER NOT NULL,
        first_seen_at REAL NOT NULL,
        last_changed_at REAL NOT NULL,
        missing_since REAL,
        waiting_reason TEXT,
        companions TEXT NOT NULL DEFAULT '',
        hash_skipped_reason TEXT,
        run_id INTEGER,
        has_task INTEGER NOT NULL DEFAULT 0,
        UNIQUE (folder_id, directory, name)
    )""",
    "CREATE INDEX files_by_inode ON files (inode, size_bytes)",
    "CREATE INDEX files_by_content ON files (content_id)",
    "CREATE INDEX files_present ON files (folder_id, directory) WHERE missing_since IS NULL",
    """CREATE INDEX files_to_read ON files (folder_id, is_inspected, priority DESC, size_bytes)
        WHERE scan_phase = 0 AND missing_since IS NULL AND waiting_reason IS NULL AND has_task = 0""",
    """CREATE TRIGGER folders_count_new_files AFTER INSERT ON files WHEN NEW.missing_since IS NULL BEGIN
        UPDATE folders SET file_count = file_count + 1 WHERE id = NEW.folder_id;
    END""",
    """CREATE TRIGGER folders_count_dropped_files AFTER DELETE ON files WHEN OLD.missing_since IS NULL BEGIN
        UPDATE folders SET file_count = file_count - 1 WHERE id = OLD.folder_id;
    END""",
    """CREATE TRIGGER folders_count_moved_files AFTER UPDATE OF folder_id, missing_since ON files
        WHEN OLD.folder_id <> NEW.folder_id OR (OLD.missing_since IS NULL) <> (NEW.missing_since IS NULL) BEGIN
        UPDATE folders SET file_count = file_count - (OLD.missing_since IS NULL) WHERE id = OLD.folder_id;
        UPDATE folders SET file_count = file_count + (NEW.missing_since IS NULL) WHERE id = NEW.folder_id;
    END""",
    """CREATE TABLE headers (
        file_id INTEGER PRIMARY KEY REFERENCES files (id) ON DELETE CASCADE,
        format TEXT NOT NULL,
        verdict TEXT NOT NULL,
        reason TEXT,
        body BLOB NOT NULL
    )""",
    """CREATE TABLE facts (
        owner TEXT NOT NULL CHECK (owner IN ('file', 'content')),
        owner_id INTEGER NOT NULL,
        source TEXT NOT NULL,
        field TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (owner, owner_id, source, field)
    )""",
    """CREATE TRIGGER files_take_their_facts AFTER DELETE ON files BEGIN
        DELETE FROM facts WHERE owner = 'file' AND owner_id = OLD.id;
    END""",
    """CREATE TABLE versions (
        id INTEGER PRIMARY KEY,
        model_id INTEGER,
        body BLOB NOT NULL,
        received_at REAL NOT NULL
    )""",
    "CREATE INDEX versions_by_model ON versions (model_id)",
    """CREATE TABLE models (
        id INTEGER PRIMARY KEY,
        body BLOB,
        received_at REAL,
        absent_since REAL
    )""",
    """CREATE TABLE entries (
        file_id INTEGER PRIMARY KEY REFERENCES files (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        model_type TEXT,
        base_model TEXT,
        creator TEXT,
        search_text TEXT NOT NULL,
        effective TEXT NOT NULL,
        digest BLOB NOT NULL,
        preview BLOB,
        has_page INTEGER NOT NULL DEFAULT 0
    )""",
    "CREATE INDEX entries_by_name ON entries (name COLLATE NOCASE, file_id)",
    """CREATE TABLE writings (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        path BLOB NOT NULL,
        file_id INTEGER,
        dialect TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        digests TEXT NOT NULL
    )""",
    "CREATE INDEX writings_by_path ON writings (path, id)",
)

_JOURNAL = (
    """CREATE TABLE tasks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        path BLOB NOT NULL DEFAULT x'',
        folder_id TEXT NOT NULL DEFAULT '',
        state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'failed')),
        priority INTEGER NOT NULL,
        queued_at REAL NOT NULL,
        due_at REAL NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        crashes INTEGER NOT NULL DEFAULT 0,
        run_id INTEGER,
        is_forced INTEGER NOT NULL DEFAULT 0,
        last_error TEXT,
        failure_kind TEXT,
        failed_at REAL,
        again_due_at REAL,
        again_priority INTEGER,
        again_is_forced INTEGER,
        UNIQUE (kind, subject, path)
    )""",
    "CREATE INDEX tasks_by_urgency ON tasks (kind, folder_id, priority, due_at) WHERE state = 'queued' AND crashes < 2",
    "CREATE INDEX tasks_suspected ON tasks (due_at, id) WHERE state = 'queued' AND crashes >= 2",
    "CREATE INDEX tasks_by_due_time ON tasks (kind, due_at) WHERE state = 'queued'",
    "CREATE INDEX tasks_in_hand ON tasks (kind) WHERE state = 'running'",
    "CREATE INDEX tasks_in_trouble ON tasks (state) WHERE attempts > 0",
    """CREATE TRIGGER tasks_hold_files AFTER INSERT ON tasks WHEN NEW.kind IN ('inspect_file', 'hash_file') BEGIN
        UPDATE files SET has_task = 1 WHERE id = CAST(NEW.subject AS INTEGER);
    END""",
    """CREATE TRIGGER tasks_free_files AFTER DELETE ON tasks WHEN OLD.kind IN ('inspect_file', 'hash_file') BEGIN
        UPDATE files SET has_task = EXISTS (
            SELECT 1 FROM tasks WHERE kind IN ('inspect_file', 'hash_file') AND subject = OLD.subject
        ) WHERE id = CAST(OLD.subject AS INTEGER);
    END""",
    """CREATE TRIGGER tasks_hold_contents AFTER INSERT ON tasks WHEN NEW.kind = 'identify_content' BEGIN
        UPDATE contents SET has_task = 1 WHERE id = CAST(NEW.subject AS INTEGER);
    END""",
    """CREATE TRIGGER tasks_free_contents AFTER DELETE ON tasks WHEN OLD.kind = 'identify_content' BEGIN
        UPDATE contents SET has_task = 0 WHERE id = CAST(OLD.subject AS INTEGER);
    END""",
    """CREATE TABLE runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        job_name TEXT,
        started_at REAL NOT NULL,
        ended_at REAL,
        total INTEGER NOT NULL DEFAULT 0,
        added INTEGER NOT NULL DEFAULT 0,
        updated INTEGER NOT NULL DEFAULT 0,
        moved INTEGER NOT NULL DEFAULT 0,
        missing INTEGER NOT NULL DEFAULT 0,
        errors INTEGER NOT NULL DEFAULT 0,
        hashes_calculated INTEGER NOT NULL DEFAULT 0,
        hashes_skipped INTEGER NOT NULL DEFAULT 0
    )""",
    "CREATE INDEX runs_by_job ON runs (job_name, id)",
    """CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        happened_at REAL NOT NULL,
        file_id INTEGER,
        folder_id TEXT,
        details TEXT
    )""",
    "CREATE INDEX events_by_time ON events (happened_at)",
    "CREATE INDEX events_by_file ON events (file_id, id)",
)


def apply(database: Database) -> None:
    """Create every table, index and trigger."""
    for statement in (*_CATALOG, *_JOURNAL):
        database.execute(statement)
