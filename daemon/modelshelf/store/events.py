"""Events: what happened that a person may want to know, for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from modelshelf.store.columns import from_epoch, from_json, id_list, to_epoch, to_json

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from datetime import datetime

    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.store.database import Database

_ADD = "INSERT INTO events (name, happened_at, file_id, folder_id, details) VALUES (?, ?, ?, ?, ?) RETURNING id"
_SUBJECT = "coalesce(file_id, folder_id || coalesce(json_extract(details, '$.path'), ''), -id)"
_HOLDS_GOOD = """(name NOT IN ('file_found_broken', 'file_found_incomplete') OR EXISTS (
    SELECT 1 FROM headers h JOIN files f ON f.id = h.file_id WHERE h.file_id = events.file_id
        AND h.verdict IN ('broken', 'incomplete') AND f.missing_since IS NULL))
    AND (name <> 'pickle_found_dangerous' OR EXISTS (
    SELECT 1 FROM headers h JOIN files f ON f.id = h.file_id WHERE h.file_id = events.file_id
        AND h.pickle_verdict = 'dangerous' AND f.missing_since IS NULL))
    AND (name <> 'file_found_rotten' OR EXISTS (
    SELECT 1 FROM rot r WHERE r.file_id = events.file_id AND r.ended_at IS NULL AND r.dismissed_at IS NULL))"""
"""A download that paused is found incomplete, and whole a little later."""

_NEWS = f"""SELECT name, count(DISTINCT {_SUBJECT}) AS count, min(happened_at) AS first_at, max(id) AS last_id
    FROM events WHERE id > ? AND name IN (SELECT value FROM json_each(?)) AND {_HOLDS_GOOD} GROUP BY name"""  # noqa: S608 - constants
_SOME = f"""SELECT *, max(id) FROM events WHERE id > ? AND id <= ? AND name = ? AND {_HOLDS_GOOD}
    GROUP BY {_SUBJECT} ORDER BY id LIMIT ?"""  # noqa: S608 - constants
_LAST_OF_EACH = """SELECT *, max(id) FROM events WHERE name IN (SELECT value FROM json_each(?))
    GROUP BY json_extract(details, '$.path') ORDER BY id"""
_READER = "events_read_by:"


@dataclass(frozen=True, slots=True)
class Event:
    """`name` is a log event's name, in the past tense (`file_moved`)."""

    id: int
    name: str
    happened_at: datetime
    file_id: int | None
    folder_id: str | None
    details: JsonObject


@dataclass(frozen=True, slots=True)
class News:
    """What happened under one name since a reader last read: to how many files or folders, since when, up to which event."""

    name: str
    count: int
    first_at: datetime
    last_id: int


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

    def last_id(self) -> int:
        """Give the id of the newest event, 0 where there is none."""
        return int(self._database.rows("SELECT coalesce(max(id), 0) AS id FROM events")[0]["id"])

    def news(self, after_id: int, names: Iterable[str]) -> list[News]:
        """Tell what happened after an event and still holds good, name by name; a file or folder counts once per name."""
        rows = self._database.rows(_NEWS, (after_id, id_list(names)))
        return [News(row["name"], row["count"], from_epoch(row["first_at"]), row["last_id"]) for row in rows]

    def some_of(self, news: News, after_id: int, limit: int) -> list[Event]:
        """Give the first few of these news, of each file or folder the last event."""
        found = self._database.rows(_SOME, (after_id, news.last_id, news.name, limit))
        return [event_from(row) for row in found]

    def last_of_each_path(self, names: Iterable[str]) -> list[Event]:
        """Give, of each `path` in the details, the last event that has one of these names."""
        return [event_from(row) for row in self._database.rows(_LAST_OF_EACH, (id_list(names),))]

    def position(self, reader: str) -> int | None:
        """Give the id of the last event that a reader has read, None for a new one."""
        row = self._database.row("SELECT value FROM standing WHERE name = ?", (_READER + reader,))
        return None if row is None else int(row["value"])

    def keep_position(self, reader: str, event_id: int) -> None:
        """Keep how far a reader has come."""
        self._database.execute(
            "INSERT OR REPLACE INTO standing (name, value) VALUES (?, ?)", (_READER + reader, event_id)
        )

    def forget_readers(self, but: Iterable[str]) -> None:
        """Drop the positions of all readers but these: who comes back later is not told what happened meanwhile."""
        kept = {_READER + reader for reader in but}
        rows = self._database.rows("SELECT name FROM standing WHERE name GLOB ?", (f"{_READER}*",))
        for name in {row["name"] for row in rows} - kept:
            self._database.execute("DELETE FROM standing WHERE name = ?", (name,))

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
