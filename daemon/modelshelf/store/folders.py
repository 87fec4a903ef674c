"""What is remembered of each Folder: whether it is there, when it was walked, how much lies in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import UsageError
from modelshelf.store.columns import from_epoch_or_none, text, to_epoch

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from datetime import datetime

    from modelshelf.domain.folder import Folder
    from modelshelf.store.database import Database

_PUT = """INSERT INTO folders (id, path, shown_path, model_type) VALUES (?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET path = excluded.path, shown_path = excluded.shown_path,
        model_type = excluded.model_type, is_configured = 1
    WHERE (path, model_type, is_configured) IS NOT (excluded.path, excluded.model_type, 1)"""
_DROP_FOREIGN = """DELETE FROM tasks WHERE kind IN ('scan_folder', 'render_gallery') AND state = 'queued'
    AND subject NOT IN (SELECT id FROM folders WHERE is_configured = 1)"""


@dataclass(frozen=True, slots=True)
class FolderState:
    """A Folder as the catalog knows it. `file_count` leaves out missing files; `offline_since` is None while it is there."""

    id: str
    path: Path
    is_configured: bool
    file_count: int
    offline_since: datetime | None
    offline_reason: str | None
    last_scan_at: datetime | None


class Folders:
    """The folders of the configuration and those of earlier ones, whose files are remembered but owe nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sync(self, folders: Sequence[Folder]) -> None:
        """Take over the configured folders; the others stay with their files, marked as no longer configured and not scanned."""
        ids = {folder.id for folder in folders}
        with self._database.transaction():
            for folder in folders:
                columns = (folder.id, os.fsencode(folder.path), readable(folder.path), folder.model_type)
                self._database.execute(_PUT, columns)
            for row in self._database.rows("SELECT id FROM folders WHERE is_configured = 1"):
                if row["id"] not in ids:
                    self._database.execute("UPDATE folders SET is_configured = 0 WHERE id = ?", (row["id"],))
            self._database.execute(_DROP_FOREIGN)

    def state(self, folder_id: str) -> FolderState:
        """Give what is known of one folder; UsageError where its id was never configured."""
        row = self._database.row("SELECT * FROM folders WHERE id = ?", (folder_id,))
        if row is None:
            raise UsageError(f"there is no folder {folder_id!r}")
        return _state_from(row)

    def states(self) -> list[FolderState]:
        """Give what is known of every folder, by id."""
        return [_state_from(row) for row in self._database.rows("SELECT * FROM folders ORDER BY id")]

    def set_offline(self, folder_id: str, reason: str, now: datetime) -> bool:
        """Remember that the folder is not there; True where that is news. A new reason alone is none, but is kept."""
        with self._database.transaction():
            news = self._database.execute(
                "UPDATE folders SET offline_since = ? WHERE id = ? AND offline_since IS NULL",
                (to_epoch(now), folder_id),
            )
            self._database.execute(
                "UPDATE folders SET offline_reason = ?1 WHERE id = ?2 AND offline_reason IS NOT ?1",
                (text(reason), folder_id),
            )
        return news.rowcount > 0

    def set_online(self, folder_id: str) -> bool:
        """Remember that the folder is there; True where that is news."""
        if self._database.row("SELECT 1 FROM folders WHERE id = ? AND offline_since IS NOT NULL", (folder_id,)) is None:
            return False
        self._database.execute(
            "UPDATE folders SET offline_since = NULL, offline_reason = NULL WHERE id = ?", (folder_id,)
        )
        return True

    def record_scan(self, folder_id: str, now: datetime) -> None:
        """Remember that the whole folder was walked."""
        self._database.execute("UPDATE folders SET last_scan_at = ? WHERE id = ?", (to_epoch(now), folder_id))


def _state_from(row: sqlite3.Row) -> FolderState:
    return FolderState(
        id=row["id"],
        path=Path(os.fsdecode(row["path"])),
        is_configured=bool(row["is_configured"]),
        file_count=row["file_count"],
        offline_since=from_epoch_or_none(row["offline_since"]),
        offline_reason=row["offline_reason"],
        last_scan_at=from_epoch_or_none(row["last_scan_at"]),
    )
