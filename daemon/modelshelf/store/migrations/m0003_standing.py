"""What a service that runs for months has to remember of itself and of its folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

_STATEMENTS = (
    # One value per name: the generation of the daemon that owns the store, how it ended, what was told already.
    "CREATE TABLE standing (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
)


def apply(database: Database) -> None:
    """Create what is new."""
    for statement in _STATEMENTS:
        database.execute(statement)
