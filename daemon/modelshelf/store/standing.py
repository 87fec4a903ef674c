"""Single values that the daemon leaves for other processes to read, each under a name."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelshelf.store.database import Database

OWN_ID = "own_id"


class Standing:
    """How things stand, as the daemon last said it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @cached_property
    def own_id(self) -> str:
        """The random id of this state, made with its tables: by it two modelshelves over one folder are told apart."""
        return self.get(OWN_ID) or ""

    def put(self, name: str, value: str) -> None:
        """Keep a value, over the one before."""
        self._database.execute("INSERT OR REPLACE INTO standing VALUES (?, ?)", (name, value))

    def drop(self, name: str) -> None:
        """Forget a value; nothing is written where there is none."""
        if self.get(name) is not None:
            self._database.execute("DELETE FROM standing WHERE name = ?", (name,))

    def get(self, name: str) -> str | None:
        """Give the value, None where nothing was ever said."""
        row = self._database.row("SELECT value FROM standing WHERE name = ?", (name,))
        return None if row is None else str(row["value"])
