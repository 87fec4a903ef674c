"""Stores with something in them, and what may become of them on a bad disk."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from modelshelf.store.database import Database

if TYPE_CHECKING:
    from pathlib import Path

PAGE_BYTES = 4096


def grown(path: Path, folder_id: str = "grown") -> Path:
    """Make, or extend, a store so that it has a few hundred pages, with indexes."""
    with closing(Database.open(path)) as database, database.transaction():
        database.execute("INSERT INTO folders (id, path) VALUES (?, x'2F61')", (folder_id,))
        for number in range(2000):
            details = f'{{"text": "{number:0200}"}}'
            database.execute("INSERT INTO events (name, happened_at, details) VALUES ('x', ?, ?)", (number, details))
    return path


def damage_pages(path: Path, *, first: int = 30, count: int = 3) -> None:
    """Write garbage over whole pages in the midst of a file."""
    with path.open("r+b") as file:
        file.seek(first * PAGE_BYTES)
        file.write(os.urandom(count * PAGE_BYTES))


def folder_ids(path: Path) -> list[str]:
    """Give the folders that a database file knows."""
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM folders ORDER BY id")]
