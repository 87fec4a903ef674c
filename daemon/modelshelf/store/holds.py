"""Holds: folders of which so many files vanished at once that nobody believes it, until they return or a person says so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.domain.ground import Ground
from modelshelf.store.columns import from_epoch, id_list, to_epoch

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from datetime import datetime

    from modelshelf.store.database import Database

RECENT = timedelta(hours=1)
"""Files that went missing within this time count as one disappearance: `rm -r` is seen directory by directory."""

HONOURED = timedelta(hours=1)
"""So long a person's word waits for its scan: what is gone much later is not what the person saw gone."""

_KEEP = """INSERT INTO holds (folder_id, held_since, file_count, sample) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (folder_id) DO UPDATE SET
        held_since = coalesce(held_since, excluded.held_since), file_count = ?3, sample = ?4
    WHERE (held_since IS NOT NULL, file_count, sample) IS NOT (1, ?3, ?4)"""
_CONFIRM = """INSERT INTO holds (folder_id, confirmed_at, confirmed_ground) VALUES (?, ?, ?) ON CONFLICT (folder_id)
    DO UPDATE SET confirmed_at = excluded.confirmed_at, confirmed_ground = excluded.confirmed_ground"""
_CONFIRMED = "SELECT confirmed_ground FROM holds WHERE folder_id = ? AND confirmed_at > ? AND confirmed_at < ?"
_COPY = "SELECT 1 FROM files c WHERE c.content_id = f.content_id AND c.missing_since IS NULL"
_RECENT = f"""SELECT count(*) AS count FROM files f WHERE folder_id = :folder AND missing_since > :since
    AND missing_since > coalesce((SELECT cleared_at FROM holds WHERE folder_id = :folder), 0)
    AND NOT EXISTS ({_COPY})"""  # noqa: S608 - constants only
_UNEXPLAINED = f"""WITH gone AS MATERIALIZED (SELECT value AS id FROM json_each(?))
    SELECT count(*) AS count FROM files f WHERE id IN (SELECT id FROM gone)
    AND NOT EXISTS ({_COPY} AND c.id NOT IN (SELECT id FROM gone))"""  # noqa: S608 - likewise


@dataclass(frozen=True, slots=True)
class Hold:
    """A folder whose vanished files are held back: since when, how many, and a few of them by id."""

    folder_id: str
    held_since: datetime
    file_count: int
    sample: tuple[int, ...]


class Holds:
    """What is held back, and what a person has confirmed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, folder_id: str) -> Hold | None:
        """Give the hold on a folder, None where there is none."""
        row = self._database.row("SELECT * FROM holds WHERE folder_id = ? AND held_since IS NOT NULL", (folder_id,))
        return None if row is None else _hold_from(row)

    def all(self) -> list[Hold]:
        """Give the holds on configured folders, by folder."""
        rows = self._database.rows(
            """SELECT h.* FROM holds h JOIN folders f ON f.id = h.folder_id AND f.is_configured = 1
                WHERE h.held_since IS NOT NULL ORDER BY h.folder_id"""
        )
        return [_hold_from(row) for row in rows]

    def keep(self, folder_id: str, file_count: int, sample: Iterable[int], now: datetime) -> None:
        """Hold a folder's vanished files back; where it is held already its time stays, and writes only what is news."""
        self._database.execute(_KEEP, (folder_id, to_epoch(now), file_count, id_list(sample)))

    def release(self, folder_id: str) -> None:
        """Hold nothing back any more."""
        self._database.execute("UPDATE holds SET held_since = NULL WHERE folder_id = ?", (folder_id,))

    def recent_count(self, folder_id: str, now: datetime) -> int:
        """Count the files that went missing lately, but for those that a person confirmed or that lie elsewhere too."""
        limits = {"folder": folder_id, "since": to_epoch(now - RECENT)}
        return int(self._database.rows(_RECENT, limits)[0]["count"])

    def unexplained_count(self, file_ids: Iterable[int]) -> int:
        """Count those of these vanished files whose bytes are not known to lie elsewhere: moved by copying, say."""
        return int(self._database.rows(_UNEXPLAINED, (id_list(file_ids),))[0]["count"])

    def confirm(self, folder_id: str, ground: Ground, now: datetime) -> None:
        """Take a person's word for it: what the next scan of the whole folder does not find on this ground is gone."""
        self._database.execute(_CONFIRM, (folder_id, to_epoch(now), ground.text))

    def confirmed_ground(self, folder_id: str, now: datetime) -> Ground | None:
        """Give the ground of which a person gave a word that still waits for its scan; None where no such word holds now."""
        limits = (to_epoch(now - HONOURED), to_epoch(now + HONOURED))  # the clock may have been set back since
        row = self._database.row(_CONFIRMED, (folder_id, *limits))
        return None if row is None else Ground.from_text(row["confirmed_ground"])

    def settle(self, folder_id: str, now: datetime) -> None:
        """The scan that the person's word was for is recorded at `now`: what comes after it is counted anew."""
        self._database.execute(
            "UPDATE holds SET held_since = NULL, confirmed_at = NULL, cleared_at = ? WHERE folder_id = ?",
            (to_epoch(now), folder_id),
        )


def _hold_from(row: sqlite3.Row) -> Hold:
    sample = tuple(int(file_id) for file_id in json.loads(row["sample"]))
    return Hold(row["folder_id"], from_epoch(row["held_since"]), row["file_count"], sample)
