"""Failures that no task stands for: what a scan could not look at, until a scan can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.store.columns import from_epoch, text, to_epoch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from modelshelf.store.database import Database

_WITHIN = """SELECT path, reason FROM failures
    WHERE folder_id = :folder AND (:top = x'' OR path = :top OR path >= :first AND path < :beyond)"""
_PUT = """INSERT INTO failures (folder_id, path, reason, failed_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (folder_id, path) DO UPDATE SET reason = excluded.reason"""
_DROP = "DELETE FROM failures WHERE folder_id = ? AND path = ?"
_ALL = """SELECT f.* FROM failures f JOIN folders d ON d.id = f.folder_id AND d.is_configured = 1
    ORDER BY f.folder_id, f.path"""


@dataclass(frozen=True, slots=True)
class Unseen:
    """A directory or file that could not be looked at, since when, and why. `path` is relative to the folder."""

    folder_id: str
    path: bytes
    reason: str
    failed_at: datetime


class Failures:
    """What the last scan over each place could not see; a place that was seen again is dropped."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def settle(self, folder_id: str, top: bytes, found: Mapping[bytes, str], now: datetime) -> None:
        """Take what a scan of `top` and all below it could not see, with the reasons; writes only what is news."""
        limits = {"folder": folder_id, "top": top, "first": top + b"/", "beyond": top + b"0"}
        known = {row["path"]: row["reason"] for row in self._database.rows(_WITHIN, limits)}
        reasons = {path: text(reason) for path, reason in found.items()}
        if reasons == known:
            return
        with self._database.transaction():
            for path in known.keys() - reasons.keys():
                self._database.execute(_DROP, (folder_id, path))
            for path, reason in reasons.items():
                self._database.execute(_PUT, (folder_id, path, reason, to_epoch(now)))

    def all(self) -> list[Unseen]:
        """Give what cannot be seen in the configured folders, by folder and path."""
        return [
            Unseen(row["folder_id"], row["path"], row["reason"], from_epoch(row["failed_at"]))
            for row in self._database.rows(_ALL)
        ]
