"""Civitai's records as they were received, compressed: what we know of them can be read out again by a later version.

Whoever keeps one adds what only the former one says: the body here is replaced as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.store.columns import from_epoch_or_none, id_list, pack, to_epoch, to_epoch_or_none, unpack

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.store.database import Database

_KEEP_VERSION = """INSERT INTO versions (id, model_id, body, received_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET model_id = coalesce(excluded.model_id, model_id),
        body = excluded.body, received_at = excluded.received_at
    WHERE body <> excluded.body OR model_id IS NOT coalesce(excluded.model_id, model_id)"""
_KEEP_MODEL = """INSERT INTO civitai_models (id, body, received_at, next_check_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET received_at = CASE WHEN body IS excluded.body THEN received_at ELSE excluded.received_at END,
        body = excluded.body, next_check_at = excluded.next_check_at, absent_since = NULL, gone_since = NULL"""
_MARK_ABSENT = """INSERT INTO civitai_models (id, absent_since, next_check_at) VALUES (?1, ?2, ?3)
    ON CONFLICT (id) DO UPDATE SET absent_since = coalesce(absent_since, excluded.absent_since),
        gone_since = CASE WHEN body IS NOT NULL AND excluded.absent_since - absent_since >= 7200
            THEN coalesce(gone_since, absent_since) ELSE gone_since END,
        next_check_at = excluded.next_check_at"""
_ON_SHELF = """SELECT DISTINCT v.id FROM versions v JOIN contents c ON c.version_id = v.id
    JOIN files f ON f.content_id = c.id WHERE v.model_id = ? AND f.missing_since IS NULL ORDER BY v.id"""

_CHECK = """UPDATE civitai_models SET next_check_at = :now WHERE next_check_at > :now AND id IN (
    SELECT v.model_id FROM files f JOIN contents c ON c.id = f.content_id JOIN versions v ON v.id = c.version_id
    WHERE f.missing_since IS NULL AND f.folder_id IN (SELECT value FROM json_each(:folders)))"""


class Remote:
    """The versions behind hashes and the models above them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep_version(self, version_id: int, model_id: int | None, body: JsonObject, now: datetime) -> None:
        """Keep a version; one that comes without its model keeps the model it was known under.

        The very same body once more changes nothing.
        """
        self._database.execute(_KEEP_VERSION, (version_id, model_id, pack(body), to_epoch(now)))

    def keep_model(self, model_id: int, body: JsonObject, now: datetime, next_at: datetime | None = None) -> None:
        """Keep a model, which so is there again, and when it is asked for again."""
        self._database.execute(_KEEP_MODEL, (model_id, pack(body), to_epoch(now), to_epoch_or_none(next_at)))

    def version_body(self, version_id: int) -> JsonObject | None:
        """Give a version as received, None where it never was."""
        row = self._database.row("SELECT body FROM versions WHERE id = ?", (version_id,))
        return None if row is None else unpack(row["body"])

    def model_body(self, model_id: int) -> JsonObject | None:
        """Give a model as last received, None where it never was; also after it was taken down."""
        row = self._database.row("SELECT body FROM civitai_models WHERE id = ? AND body IS NOT NULL", (model_id,))
        return None if row is None else unpack(row["body"])

    def model_of_version(self, version_id: int) -> int | None:
        """Give the id of the model above a version, None where it is not known."""
        row = self._database.row("SELECT model_id FROM versions WHERE id = ?", (version_id,))
        return None if row is None else row["model_id"]

    def is_fresh(self, model_id: int, now: datetime) -> bool:
        """Tell whether it is too early to ask for a model again, whether it was there or not."""
        sql = "SELECT 1 FROM civitai_models WHERE id = ? AND next_check_at > ?"
        return self._database.row(sql, (model_id, to_epoch(now))) is not None

    def versions_on_shelf(self, model_id: int) -> list[int]:
        """Give the versions of a model that files on the shelf are."""
        return [int(row["id"]) for row in self._database.rows(_ON_SHELF, (model_id,))]

    def mark_model_absent(self, model_id: int, now: datetime, next_at: datetime | None = None) -> None:
        """Keep that Civitai shows no such model; its last body stays.

        After a second such answer, two hours later or more, it is gone.
        """
        self._database.execute(_MARK_ABSENT, (model_id, to_epoch(now), to_epoch_or_none(next_at)))

    def model_gone_since(self, model_id: int) -> datetime | None:
        """Give since when a model that was known is gone, None while it is not."""
        row = self._database.row("SELECT gone_since FROM civitai_models WHERE id = ?", (model_id,))
        return None if row is None else from_epoch_or_none(row["gone_since"])

    def ask_again(self, now: datetime) -> int:
        """Owe at once every question for a model that waits because there was none; gives how many."""
        sql = "UPDATE civitai_models SET next_check_at = ? WHERE absent_since IS NOT NULL AND next_check_at > ?"
        return self._database.execute(sql, (to_epoch(now), to_epoch(now))).rowcount

    def check(self, folder_ids: Collection[str], now: datetime) -> int:
        """Owe at once the question for the model of every file in these folders; gives how many there are."""
        return self._database.execute(_CHECK, {"folders": id_list(folder_ids), "now": to_epoch(now)}).rowcount

    def pull_in(self, far: datetime, now: datetime) -> None:
        """Owe at once what is due later than `far`: it was written down while the clock was wrong."""
        sql = "UPDATE civitai_models SET next_check_at = ? WHERE next_check_at > ?"
        self._database.execute(sql, (to_epoch(now), to_epoch(far)))
