"""Updates: newer versions upstream of what is on the shelf, and which of them nobody wants to hear of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.update import Access, Update
from modelshelf.store.columns import from_epoch, text, to_epoch

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from datetime import datetime

    from modelshelf.store.database import Database

_COLUMNS = "model_id, name, base_model, published_at, is_same_base, access"
_KNOWN = f"SELECT version_id, {_COLUMNS}, settled_at FROM updates WHERE model_id = ?"  # noqa: S608 - constants only
_ADD = f"""INSERT INTO updates (version_id, {_COLUMNS}, noticed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (version_id) DO UPDATE SET model_id = excluded.model_id, name = excluded.name,
        base_model = excluded.base_model, published_at = excluded.published_at,
        is_same_base = excluded.is_same_base, access = excluded.access, settled_at = NULL"""  # noqa: S608 - constants only
_SETTLE = "UPDATE updates SET settled_at = ? WHERE version_id = ?"
_ALL = """SELECT u.*, EXISTS (
        SELECT 1 FROM mutes m WHERE m.model_id = u.model_id AND m.version_id IN (0, u.version_id)) AS is_muted
    FROM updates u WHERE u.settled_at IS NULL AND (:model IS NULL OR u.model_id = :model)
    ORDER BY u.model_id, u.published_at DESC, u.version_id"""
_MUTED = "SELECT 1 FROM mutes WHERE model_id = ? AND version_id IN (0, ?)"
ALL_VERSIONS = 0
"""In the place of a version: none of the model's is to be told of."""


class Updates:
    """A row per version that was ever newer than the shelf: what was told of once is not told of again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, model_id: int, updates: Sequence[Update], now: datetime) -> list[Update]:
        """Keep these as all that there are for a model now; gives those that are new and not muted.

        Writes only what changed.
        """
        with self._database.transaction():
            known = {row["version_id"]: row for row in self._database.rows(_KNOWN, (model_id,))}
            for update in updates:
                self._keep(update, known.get(update.version_id), now)
            left = known.keys() - {update.version_id for update in updates}
            for version_id in (each for each in left if known[each]["settled_at"] is None):
                self._database.execute(_SETTLE, (to_epoch(now), version_id))
            return [each for each in updates if each.version_id not in known and not self._is_muted(each)]

    def all(self, model_id: int | None = None) -> list[Update]:
        """Give what is newer than the shelf, muted ones too, of one model or of all, the newest of each first."""
        return [_update_from(row) for row in self._database.rows(_ALL, {"model": model_id})]

    def mute(self, model_id: int, version_id: int | None = None) -> bool:
        """Tell no more of a version, or None: of any version of the model; gives whether that is news."""
        row = (model_id, ALL_VERSIONS if version_id is None else version_id)
        with self._database.transaction(is_durable=True):
            sql = "INSERT OR IGNORE INTO mutes (model_id, version_id) VALUES (?, ?)"
            return bool(self._database.execute(sql, row).rowcount)

    def unmute(self, model_id: int, version_id: int | None = None) -> bool:
        """Take back what `mute` was given; gives whether there was such a wish."""
        row = (model_id, ALL_VERSIONS if version_id is None else version_id)
        with self._database.transaction(is_durable=True):
            return bool(self._database.execute("DELETE FROM mutes WHERE model_id = ? AND version_id = ?", row).rowcount)

    def _keep(self, update: Update, known: sqlite3.Row | None, now: datetime) -> None:
        row = (
            update.version_id,
            update.model_id,
            None if update.name is None else text(update.name),
            None if update.base_model is None else text(update.base_model),
            text(update.published_at),
            int(update.is_same_base),
            update.access.value,
        )
        if known is None or (*known,) != (*row, None):
            self._database.execute(_ADD, (*row, to_epoch(now)))

    def _is_muted(self, update: Update) -> bool:
        return self._database.row(_MUTED, (update.model_id, update.version_id)) is not None


def _update_from(row: sqlite3.Row) -> Update:
    return Update(
        model_id=row["model_id"],
        version_id=row["version_id"],
        name=row["name"],
        base_model=row["base_model"],
        published_at=row["published_at"],
        is_same_base=bool(row["is_same_base"]),
        access=Access(row["access"]),
        noticed_at=from_epoch(row["noticed_at"]),
        is_muted=bool(row["is_muted"]),
    )
