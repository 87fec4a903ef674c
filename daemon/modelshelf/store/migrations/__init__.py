"""The schema, step by step: each migration once, in order, all that are pending in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from modelshelf.store.migrations import (
    m0001_initial,
    m0002_previews_and_failures,
    m0003_standing,
    m0004_believing,
    m0005_scanning,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from sqlite_utils import Database as SqliteUtils

    Migration: TypeAlias = Callable[[SqliteUtils], None]

APPLICATION_ID = 0x6D6F7368
"""`mosh` in the file's header: SQLite's own way to tell whose database it is."""

MIGRATIONS: tuple[Migration, ...] = (
    m0001_initial.apply,
    m0002_previews_and_failures.apply,
    m0003_standing.apply,
    m0004_believing.apply,
    m0005_scanning.apply,
)
"""Only ever appended to. The schema's version is how many have run, kept as `user_version`."""


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> None:
    """Run what is pending and stamp the file; a kill or an error in the middle leaves it as it was.

    A migration runs inside the transaction opened here, where `executescript` would commit half of it.
    """
    from sqlite_utils import Database, Migrations  # noqa: PLC0415 -- 20 ms that only an older store is worth

    pending = Migrations("modelshelf")
    for number, migration in enumerate(migrations, start=1):
        pending(name=f"{number:04}")(migration)
    connection.execute("BEGIN IMMEDIATE")
    try:
        pending.apply(Database(connection, execute_plugins=False))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
