"""Events: what happened that a person may want to know, for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from modelshelf.store.columns import from_epoch, from_json, to_epoch, to_json

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.store.database import Database

_ADD = "INSERT INTO events (name, happened_at, file_id, folder_id, details) VALUES (?, ?, ?, ?, ?) RETURNING id"


@dataclass(frozen=True, slots=True)
class Event:
    """`name` is a log event's name, in the past tense (`file_moved`)."""

    id: int
    name: str
    happened_at: datetime
    file_id: int | None
    folder_id: str | None
    details: JsonObject


class Events:
    """The events, newest last; ids only grow, so a reader can go on from the last one it saw."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        name: str,
        now: datetime,
        *,
        file_id: int | None = None,
        folder_id: str | None = None,
        details: JsonObject | None = None,
    ) -> int:
        """Keep an event; gives its id."""
        row = (name, to_epoch(now), file_id, folder_id, to_json(details) if details else None)
        return int(self._database.rows(_ADD, row)[0]["id"])

    def latest(self, limit: int) -> list[Event]:
        """Give the last events, newest first."""
        found = self._database.rows("SELECT * FROM events ORDER BY id DESC LIMIT ?", (limit,))
        return [event_from(row) for row in found]

    def of_file(self, file_id: int, limit: int) -> list[Event]:
        """Give the last events of a file, newest first."""
        found = self._database.rows("SELECT * FROM events WHERE file_id = ? ORDER BY id DESC LIMIT ?", (file_id, limit))
        return [event_from(row) for row in found]

    def prune(self, before: datetime) -> int:
        """Forget events older than this time; gives how many."""
        return self._database.execute("DELETE FROM events WHERE happened_at < ?", (to_epoch(before),)).rowcount


def event_from(row: sqlite3.Row) -> Event:
    """Give the Event of a row."""
    return Event(
        id=row["id"],
        name=row["name"],
        happened_at=from_epoch(row["happened_at"]),
        file_id=row["file_id"],
        folder_id=row["folder_id"],
        details=cast("JsonObject", from_json(row["details"])) if row["details"] else {},
    )
