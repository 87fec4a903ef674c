"""How far each Folder is heard by events, as the daemon last found it: for `status`, which is another process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.folder import Coverage
from modelshelf.store.columns import text

if TYPE_CHECKING:
    from modelshelf.store.database import Database


class Watches:
    """One Coverage per watched folder; a folder without events has none."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, folder_id: str, coverage: Coverage | None) -> None:
        """Keep how far a folder is heard; None where it is not listened to."""
        if coverage is None:
            self._database.execute("DELETE FROM watches WHERE folder_id = ?", (folder_id,))
            return
        problem = None if coverage.problem is None else text(coverage.problem)
        self._database.execute(
            "INSERT OR REPLACE INTO watches VALUES (?, ?, ?, ?)",
            (folder_id, coverage.watched_count, coverage.unwatched_count, problem),
        )

    def of_folders(self) -> dict[str, Coverage]:
        """Give what is known, by folder."""
        rows = self._database.rows("SELECT * FROM watches")
        return {
            row["folder_id"]: Coverage(row["watched_count"], row["unwatched_count"], row["problem"]) for row in rows
        }
