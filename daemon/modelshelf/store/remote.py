"""Civitai's records as they were received, compressed: what we know of them can be read out again by a later version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.store.columns import pack, to_epoch, unpack

if TYPE_CHECKING:
    from datetime import datetime

    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.store.database import Database

_KEEP_VERSION = """INSERT INTO versions (id, model_id, body, received_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET model_id = coalesce(excluded.model_id, model_id),
        body = excluded.body, received_at = excluded.received_at"""
_KEEP_MODEL = """INSERT INTO models (id, body, received_at) VALUES (?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET body = excluded.body, received_at = excluded.received_at, absent_since = NULL"""
_MARK_ABSENT = """INSERT INTO models (id, absent_since) VALUES (?, ?)
    ON CONFLICT (id) DO UPDATE SET absent_since = coalesce(absent_since, excluded.absent_since)"""


class Remote:
    """The versions behind hashes and the models above them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep_version(self, version_id: int, model_id: int | None, body: JsonObject, now: datetime) -> None:
        """Keep a version; one that comes without its model keeps the model it was known under."""
        self._database.execute(_KEEP_VERSION, (version_id, model_id, pack(body), to_epoch(now)))

    def keep_model(self, model_id: int, body: JsonObject, now: datetime) -> None:
        """Keep a model, which so is there again."""
        self._database.execute(_KEEP_MODEL, (model_id, pack(body), to_epoch(now)))

    def version_body(self, version_id: int) -> JsonObject | None:
        """Give a version as received, None where it never was."""
        row = self._database.row("SELECT body FROM versions WHERE id = ?", (version_id,))
        return None if row is None else unpack(row["body"])

    def model_body(self, model_id: int) -> JsonObject | None:
        """Give a model as last received, None where it never was; also after it was taken down."""
        row = self._database.row("SELECT body FROM models WHERE id = ? AND body IS NOT NULL", (model_id,))
        return None if row is None else unpack(row["body"])

    def model_of_version(self, version_id: int) -> int | None:
        """Give the id of the model above a version, None where it is not known."""
        row = self._database.row("SELECT model_id FROM versions WHERE id = ?", (version_id,))
        return None if row is None else row["model_id"]

    def mark_model_absent(self, model_id: int, now: datetime) -> None:
        """Keep that Civitai has no such model any more; its last body stays."""
        self._database.execute(_MARK_ABSENT, (model_id, to_epoch(now)))
