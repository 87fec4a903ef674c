"""Alternates: every other version that Civitai lists for a content's bytes. Which one was chosen stands on the content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.civitai import Alternate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelshelf.store.database import Database

_OF_CONTENT = "SELECT version_id, model_id, published_at FROM alternates WHERE content_id = ? ORDER BY version_id"
_ADD = "INSERT INTO alternates (content_id, version_id, model_id, published_at) VALUES (?, ?, ?, ?)"


class Alternates:
    """The versions that a content could be too."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, content_id: int, alternates: Iterable[Alternate]) -> bool:
        """Keep these as all there are; True if anything changed, else nothing is written."""
        told = sorted({each.version_id: each for each in alternates}.values(), key=lambda each: each.version_id)
        with self._database.transaction():
            if told == self.of_content(content_id):
                return False
            self._database.execute("DELETE FROM alternates WHERE content_id = ?", (content_id,))
            for each in told:
                self._database.execute(_ADD, (content_id, each.version_id, each.model_id, each.published_at))
        return True

    def of_content(self, content_id: int) -> list[Alternate]:
        """Give them by version."""
        rows = self._database.rows(_OF_CONTENT, (content_id,))
        return [Alternate(row["version_id"], row["model_id"], row["published_at"]) for row in rows]
