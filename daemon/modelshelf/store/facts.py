"""Facts as their sources told them.

Those of sidecars and headers hang on the file, those of people and of Civitai on the content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.fact import Fact, Field, Source
from modelshelf.store.columns import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.store.database import Database

_FILE, _CONTENT = "file", "content"
_OWNERS = {_FILE: "SELECT 1 FROM files WHERE id = ?", _CONTENT: "SELECT 1 FROM contents WHERE id = ?"}
_KNOWN = "SELECT field, value FROM facts WHERE owner = ? AND owner_id = ? AND source = ?"
_DROP = "DELETE FROM facts WHERE owner = ? AND owner_id = ? AND source = ?"
_ADD = "INSERT INTO facts (owner, owner_id, source, field, value) VALUES (?, ?, ?, ?, ?)"
_OF_FILE = """SELECT field, source, value FROM facts WHERE owner = 'file' AND owner_id = ?1
    UNION ALL
    SELECT field, source, value FROM facts
    WHERE owner = 'content' AND owner_id = (SELECT content_id FROM files WHERE id = ?1)
    ORDER BY source, field"""


class FactTable:
    """What each source says, side by side: no source overwrites another's fact."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace_of_file(self, file_id: int, source: Source, facts: Sequence[Fact]) -> bool:
        """Keep these facts as all that `source` says of the file; True if anything changed, else nothing is written."""
        return self._replace(_FILE, file_id, source, facts)

    def replace_of_content(self, content_id: int, source: Source, facts: Sequence[Fact]) -> bool:
        """Keep these facts as all that `source` says of the content; True if anything changed, else nothing is written."""
        return self._replace(_CONTENT, content_id, source, facts)

    def of_file(self, file_id: int) -> list[Fact]:
        """Give the file's own facts and those of its content."""
        return [
            Fact(Field(row["field"]), Source(row["source"]), from_json(row["value"]))
            for row in self._database.rows(_OF_FILE, (file_id,))
        ]

    def _replace(self, owner: str, owner_id: int, source: Source, facts: Sequence[Fact]) -> bool:
        told = {str(fact.field): to_json(fact.value) for fact in facts}
        with self._database.transaction():
            known = {row["field"]: row["value"] for row in self._database.rows(_KNOWN, (owner, owner_id, source))}
            if told == known or self._database.row(_OWNERS[owner], (owner_id,)) is None:
                return False
            self._database.execute(_DROP, (owner, owner_id, source))
            for field, value in told.items():
                self._database.execute(_ADD, (owner, owner_id, source, field, value))
        return True
