"""Decisions: what people said about contents, who said it and when. Here it takes effect on every other table at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.decision import IGNORE, PIN, Decision
from modelshelf.domain.fact import Fact, Field, Source
from modelshelf.domain.hashes import EMPTY_AUTOV3
from modelshelf.store.columns import from_epoch, from_json, text, to_epoch, to_json
from modelshelf.store.facts import FactTable

if TYPE_CHECKING:
    import sqlite3

    from modelshelf.store.database import Database

_KEEP = """INSERT INTO decisions (content_id, matter, value, decided_by, decided_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (content_id, matter) DO UPDATE SET value = excluded.value, decided_by = excluded.decided_by,
        decided_at = excluded.decided_at"""
_DROP = "DELETE FROM decisions WHERE content_id = ? AND matter = ?"
_OF_CONTENT = "SELECT * FROM decisions WHERE content_id = ? ORDER BY matter"
_OF_SAME_WEIGHTS = f"""SELECT d.* FROM files f
        JOIN contents old ON old.id = f.former_content_id
        JOIN contents new ON new.id = ?2 AND new.id <> old.id AND new.autov3 = old.autov3 AND new.autov3 <> '{EMPTY_AUTOV3}'
        JOIN decisions d ON d.content_id = old.id
        LEFT JOIN decisions known ON known.content_id = new.id AND known.matter = d.matter
    WHERE f.id = ?1 AND (known.decided_at IS NULL OR known.decided_at < d.decided_at) ORDER BY d.matter"""  # noqa: S608 - a constant
_LEFT_BEHIND = """SELECT 1 FROM files f JOIN facts old ON old.owner = 'content' AND old.owner_id = f.former_content_id
        AND old.source = 'user'
    WHERE f.id = ? AND NOT EXISTS (SELECT 1 FROM facts new WHERE new.owner = 'content' AND new.owner_id = f.content_id
        AND new.source = 'user' AND new.field = old.field AND new.value = old.value)"""
_IS_MADE = "SELECT 1 FROM decisions WHERE content_id = ? AND matter = ?"
_PIN = """UPDATE contents SET pinned_version_id = ?1, gone_since = NULL,
        unpinned_version_id = CASE WHEN pinned_version_id IS NULL THEN version_id ELSE unpinned_version_id END
    WHERE id = ?2"""
_UNPIN = """UPDATE contents SET version_id = unpinned_version_id, pinned_version_id = NULL, unpinned_version_id = NULL,
        gone_since = NULL, matched_by = CASE WHEN unpinned_version_id IS NULL THEN NULL ELSE matched_by END
    WHERE id = ? AND pinned_version_id IS NOT NULL"""
_ASK_NO_MORE = "UPDATE contents SET next_lookup_at = NULL WHERE id = ?"
_FORGET_LOOKUPS = "DELETE FROM tasks WHERE kind = 'identify_content' AND subject = ? AND state <> 'running'"
_FIELDS = {each.value for each in Field}


class Decisions:
    """One decision per content and matter; on the platter when the method returns, for nobody is asked twice.

    While a content is ignored, a trigger of the store sees to it that no look-up of it is owed, whoever owes one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._facts = FactTable(database)

    def keep(self, content_id: int, decision: Decision) -> None:
        """Keep a decision, in the place of an earlier one on the same matter."""
        row = (content_id, decision.matter, to_json(decision.value), text(decision.decided_by))
        with self._database.transaction(is_durable=True):
            self._database.execute(_KEEP, (*row, to_epoch(decision.decided_at)))
            if decision.matter == PIN:
                self._database.execute(_PIN, (decision.value, content_id))
            elif decision.matter == IGNORE:
                self._database.execute(_ASK_NO_MORE, (content_id,))
                self._database.execute(_FORGET_LOOKUPS, (str(content_id),))
            else:
                self._tell_facts(content_id)

    def take_back(self, content_id: int, matter: str) -> bool:
        """Forget a decision; gives whether there was one. A content that was pinned is the version again that it was before."""
        with self._database.transaction(is_durable=True):
            if not self._database.execute(_DROP, (content_id, matter)).rowcount:
                return False
            if matter == PIN:
                self._database.execute(_UNPIN, (content_id,))
            elif matter != IGNORE:
                self._tell_facts(content_id)
        return True

    def of_content(self, content_id: int) -> list[Decision]:
        """Give all that people decided about a content."""
        return [_decision_from(row) for row in self._database.rows(_OF_CONTENT, (content_id,))]

    def inherit(self, file_id: int, content_id: int) -> list[str]:
        """Have what was decided of what a file held before hold of this content too, and give the matters.

        Only where both have the same weights: a header that another tool rewrote makes other bytes of them. The other files
        that hold what it held before keep their decisions. A later word on the same matter is left.
        """
        rows = self._database.rows(_OF_SAME_WEIGHTS, (file_id, content_id))
        for row in rows:
            self.keep(content_id, _decision_from(row))
        return [row["matter"] for row in rows]

    def is_left_behind(self, file_id: int) -> bool:
        """Tell whether a value that a person gave to what a file held before is not that of what it holds now."""
        return self._database.row(_LEFT_BEHIND, (file_id,)) is not None

    def is_ignored(self, content_id: int | None) -> bool:
        """Tell whether a content is to be left alone; what has not been read yet never is."""
        return self._database.row(_IS_MADE, (content_id, IGNORE)) is not None

    def _tell_facts(self, content_id: int) -> None:
        """Have the facts say what the decisions say."""
        told = [
            Fact(Field(each.matter), Source.USER, each.value)
            for each in self.of_content(content_id)
            if each.matter in _FIELDS
        ]
        self._facts.replace_of_content(content_id, Source.USER, told)


def _decision_from(row: sqlite3.Row) -> Decision:
    return Decision(row["matter"], from_json(row["value"]), row["decided_by"], from_epoch(row["decided_at"]))
