"""StableQueue's database, as its own program makes it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEMA = """CREATE TABLE models (
    id INTEGER PRIMARY KEY, name TEXT, type TEXT CHECK (type IN ('checkpoint', 'lora') OR type IS NULL),
    local_path TEXT NOT NULL, filename TEXT NOT NULL, preview_path TEXT, preview_url TEXT, civitai_id TEXT,
    civitai_version_id TEXT, forge_format TEXT, hash_autov2 TEXT, hash_sha256 TEXT, civitai_model_name TEXT,
    civitai_model_base TEXT, civitai_model_type TEXT, civitai_model_version_name TEXT, civitai_model_version_desc TEXT,
    civitai_model_version_date TEXT, civitai_download_url TEXT, civitai_trained_words TEXT, civitai_file_size_kb INTEGER,
    metadata_status TEXT NOT NULL DEFAULT 'incomplete', metadata_source TEXT DEFAULT 'none',
    has_embedded_metadata BOOLEAN DEFAULT FALSE, last_used TIMESTAMP, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)"""


def make_database(path: Path, *rows: Mapping[str, object], schema: str = SCHEMA) -> Path:
    """Make a database with these rows, each by its columns."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(schema)
        for row in rows:
            names = ", ".join(row)
            marks = ", ".join("?" for _ in row)
            connection.execute(f"INSERT INTO models ({names}) VALUES ({marks})", tuple(row.values()))
        connection.commit()
    return path


def row_of(path: Path, **columns: object) -> dict[str, object]:
    """Give the row of a file by its path."""
    return {"local_path": str(path.parent), "filename": path.name, **columns}
