"""Work that waits for company: a page or gallery of many files is drawn once, when all that would change it is done.

What nobody has asked for lingers (`worker/succession.py` says how long); where nothing else is left to do in its folder, it
begins at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.task import Priority, TaskKind
from modelshelf.store.columns import to_epoch

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from modelshelf.store.database import Database

_KINDS = f"('{TaskKind.WRITE_SIDECARS}', '{TaskKind.RENDER_PAGE}', '{TaskKind.RENDER_GALLERY}')"
_ASKING = f"('{TaskKind.IDENTIFY_CONTENT}', '{TaskKind.ENRICH_MODEL}', '{TaskKind.FETCH_PREVIEWS}')"

_IS_BUSY = """SELECT EXISTS (SELECT 1 FROM tasks WHERE state = 'running' AND folder_id IN (:folder, ''))
    OR EXISTS (SELECT 1 FROM files WHERE folder_id = :folder AND is_inspected IN (0, 1)
        AND scan_phase = 0 AND missing_since IS NULL AND waiting_reason IS NULL AND has_task = 0)"""
_IS_ASKING = f"""SELECT EXISTS (SELECT 1 FROM tasks WHERE kind IN {_ASKING} AND state = 'queued' AND due_at <= :now)
    OR EXISTS (SELECT 1 FROM contents WHERE next_lookup_at <= :now AND next_lookup_at IS NOT NULL AND has_task = 0
        AND EXISTS (SELECT 1 FROM files f WHERE f.content_id = contents.id AND f.missing_since IS NULL))"""  # noqa: S608 - constants only
_LINGERS = f"""state = 'queued' AND kind IN {_KINDS} AND folder_id = :folder AND priority < {Priority.DROP:d}
    AND due_at > :now AND attempts = 0 AND crashes = 0"""
_IS_LINGERING = f"SELECT EXISTS (SELECT 1 FROM tasks WHERE {_LINGERS})"  # noqa: S608 - constants only
_BEGIN = f"UPDATE tasks SET due_at = :now WHERE {_LINGERS}"  # noqa: S608 - constants only


class Lingering:
    """Ends the lingering of tasks; where there is nothing to end, nothing is written."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def end(self, now: datetime, folder_ids: Collection[str], *, is_offline: bool) -> bool:
        """Make due now what lingers in those of the folders where all else is done; gives whether there was any.

        To be called when nothing of these kinds is due. `is_offline`: look-ups are not waited for, for nobody makes them.
        """
        moment = to_epoch(now)
        lingering = [each for each in folder_ids if self._is(_IS_LINGERING, each, moment)]
        if not lingering or (not is_offline and self._is(_IS_ASKING, "", moment)):
            return False
        begun = [each for each in lingering if not self._is(_IS_BUSY, each, moment)]
        for folder_id in begun:
            self._database.execute(_BEGIN, {"folder": folder_id, "now": moment})
        return bool(begun)

    def _is(self, sql: str, folder_id: str, moment: float) -> bool:
        row = self._database.row(sql, {"folder": folder_id, "now": moment})
        return row is not None and bool(row[0])
