"""Single values that the daemon leaves for other processes to read, each under a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelshelf.store.database import Database


class Standing:
    """How things stand, as the daemon last said it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, name: str, value: str) -> None:
        """Keep a value, over the one before."""
        self._database.execute("INSERT OR REPLACE INTO standing VALUES (?, ?)", (name, value))

    def get(self, name: str) -> str | None:
        """Give the value, None where nothing was ever said."""
        row = self._database.row("SELECT value FROM standing WHERE name = ?", (name,))
        return None if row is None else str(row["value"])
