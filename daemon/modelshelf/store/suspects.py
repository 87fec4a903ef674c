"""Suspects: queued tasks that were in hand more than once when the daemon died, for one of them may be what kills it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.task import BULK_KINDS, Priority, TaskKind
from modelshelf.store.candidate import Candidate
from modelshelf.store.columns import id_list

if TYPE_CHECKING:
    from collections.abc import Collection

    from modelshelf.store.database import Database

CRASHES_UNTIL_ALONE = 2
"""A task that was in hand when the daemon died so often comes after all innocents, and alone."""

CRASHES_UNTIL_FAILED = CRASHES_UNTIL_ALONE + 5
"""After five deaths more, none of which another suspect can have caused, it is given up, unless it is read apart."""

MOST_DOUBLINGS = 6
"""So often the wait of a minute is doubled."""

_FIRST = f"""SELECT id, kind, subject, priority, due_at, run_id FROM tasks INDEXED BY tasks_suspected
    WHERE state = 'queued' AND crashes >= {CRASHES_UNTIL_ALONE} AND kind IN (SELECT value FROM json_each(:kinds))
        AND (:folders IS NULL OR folder_id = '' OR folder_id IN (SELECT value FROM json_each(:folders)))
        AND NOT (folder_id IN (SELECT value FROM json_each(:held)) AND priority < {int(Priority.DROP)}
            AND kind IN (SELECT value FROM json_each(:bulk)))
        AND NOT EXISTS (SELECT 1 FROM tasks WHERE state = 'running' AND crashes >= {CRASHES_UNTIL_ALONE})
    ORDER BY due_at, id LIMIT 1"""  # noqa: S608 - constants only


class Suspects:
    """One at a time over all lanes: two together, and the innocent one would be blamed for the other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def first(
        self, kinds: Collection[TaskKind], folders: Collection[str] | None, held: Collection[str] = frozenset()
    ) -> Candidate | None:
        """Give the suspect that is due first, of these folders or of none; None where there is none or one is in hand.

        Bulk reading of `held` folders is passed over.
        """
        allowed = None if folders is None else id_list(folders)
        names = {"kinds": id_list(kinds), "folders": allowed, "held": id_list(held), "bulk": id_list(BULK_KINDS)}
        row = self._database.row(_FIRST, names)
        if row is None:
            return None
        kind = TaskKind(row["kind"])
        return Candidate(kind, row["subject"], row["priority"], row["due_at"], row["run_id"], row["id"])
