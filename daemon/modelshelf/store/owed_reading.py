"""Owed reading: how much of each folder was read and how much is owed, and how urgent it is where a person asks for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from modelshelf.domain.model_file import ScanPhase
from modelshelf.domain.progress import Tally
from modelshelf.domain.task import ORDER, Lane, Priority
from modelshelf.store.columns import id_list, to_epoch

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from modelshelf.store.database import Database, Parameters

_TALLIES = "SELECT id, read_files, read_bytes, owed_files, owed_bytes FROM folders WHERE is_configured = 1"
_WHOLE = "f.folder_id = :folder"
_INSIDE = """f.folder_id = :folder AND f.directory >= :path AND f.directory < :beyond
    AND (f.directory = :path OR f.directory >= :below)"""
_FILE = "f.folder_id = :folder AND f.directory = :parent AND f.name = :name"
_UNREAD = f"f.scan_phase = {ScanPhase.INDEXED:d} AND f.missing_since IS NULL"
_THEIR_TASKS = f"""kind IN ('inspect_file', 'hash_file')
    AND subject IN (SELECT CAST(f.id AS TEXT) FROM files f WHERE {{place}} AND {_UNREAD} AND f.has_task = 1)"""  # noqa: S608 - constants only
_DERIVED = f"""SELECT count(*) AS files, total(f.size_bytes) AS size_bytes FROM files f
    WHERE {{place}} AND f.is_inspected IN (0, 1) AND f.priority >= :least
        AND {_UNREAD} AND f.waiting_reason IS NULL AND f.has_task = 0"""  # noqa: S608 - constants only
_IN_ROWS = f"""SELECT count(*) AS files, total(f.size_bytes) AS size_bytes
    FROM tasks t CROSS JOIN files f ON f.id = CAST(t.subject AS INTEGER)
    WHERE t.kind IN ('inspect_file', 'hash_file') AND t.folder_id = :folder AND t.priority >= :least
        AND (t.state = 'running' OR t.state = 'queued' AND t.due_at <= :now)
        AND {{place}} AND {_UNREAD} AND f.waiting_reason IS NULL"""  # noqa: S608 - constants only
_RAISE = f"UPDATE files AS f SET priority = :priority WHERE {{place}} AND {_UNREAD} AND f.priority < :priority"  # noqa: S608 - likewise
_RAISE_TASKS = f"""UPDATE tasks SET priority = :priority
    WHERE state IN ('queued', 'running') AND priority < :priority AND {_THEIR_TASKS}"""  # noqa: S608 - likewise
_READ_SINCE = f"""SELECT total(size_bytes) AS size_bytes FROM files
    WHERE folder_id IN (SELECT value FROM json_each(?)) AND verified_at >= ?
        AND scan_phase = {ScanPhase.DEEP:d} AND content_id IS NOT NULL AND missing_since IS NULL AND vouched_by IS NULL"""  # noqa: S608 - likewise
_QUESTIONS = """SELECT
    (SELECT count(*) FROM contents WHERE next_lookup_at <= ?1 AND next_lookup_at IS NOT NULL AND has_task = 0)
    + (SELECT count(*) FROM tasks WHERE kind IN (SELECT value FROM json_each(?2)) AND state = 'queued' AND due_at <= ?1)"""
_ORDINARY = f"CASE WHEN last_changed_at > first_seen_at THEN {Priority.CHANGED:d} ELSE {Priority.REST:d} END"
_EASE = f"UPDATE files AS f SET priority = {_ORDINARY} WHERE {{place}} AND {_UNREAD} AND f.priority >= :least"  # noqa: S608 - likewise
_EASE_TASKS = f"""UPDATE tasks
    SET priority = (SELECT {_ORDINARY} FROM files f WHERE f.id = CAST(tasks.subject AS INTEGER))
    WHERE state IN ('queued', 'running') AND priority >= :least AND {_THEIR_TASKS}"""  # noqa: S608 - likewise
_COUNT_IN = f"""UPDATE files AS f SET run_id = :run WHERE {{place}} AND f.is_inspected IN (0, 1)
    AND {_UNREAD} AND f.waiting_reason IS NULL AND f.has_task = 0"""  # noqa: S608 - likewise
_ASKING = [kind for kind, order in ORDER.items() if order.lane is Lane.NETWORK]


class OwedReading:
    """Files whose header and hashes are still to be read, in a folder or from one path of it down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def tallies(self) -> dict[str, Tally]:
        """Give what was read and what is owed of every configured folder; it is counted as it changes, and costs nothing here."""
        return {
            row["id"]: Tally(
                *(max(0, int(row[name])) for name in ("read_files", "read_bytes", "owed_files", "owed_bytes"))
            )
            for row in self._database.rows(_TALLIES)
        }

    def count(self, folder_id: str, path: bytes, now: datetime, least: int = Priority.VERIFY) -> tuple[int, int]:
        """Give how many files are to be read now with `least` priority or a higher one, and their bytes.

        What failed, and waits for its next try, does not count.
        """
        files = size_bytes = 0
        for place in _places(path):
            for statement in (_DERIVED, _IN_ROWS):
                parameters = {**_parameters(folder_id, path), "least": least, "now": to_epoch(now)}
                row = self._database.rows(statement.format(place=place), parameters)[0]
                files, size_bytes = files + int(row["files"]), size_bytes + int(row["size_bytes"])
        return files, size_bytes

    def read_bytes_since(self, folder_ids: Collection[str], moment: datetime) -> int:
        """Give how much of these folders was read from `moment` on, for the first time or once more."""
        return int(self._database.rows(_READ_SINCE, (id_list(folder_ids), to_epoch(moment)))[0]["size_bytes"])

    def questions(self, now: datetime) -> int:
        """Give how many questions are owed to Civitai, by indexes alone: those of files on no shelf any more count too."""
        return int(self._database.rows(_QUESTIONS, (to_epoch(now), id_list(_ASKING)))[0][0])

    def count_in(self, run_id: int, folder_id: str, path: bytes = b"") -> None:
        """Have what is owed there counted in a run, whichever scan came past it first."""
        for place in _places(path):
            self._database.execute(_COUNT_IN.format(place=place), {**_parameters(folder_id, path), "run": run_id})

    def raise_to(self, folder_id: str, path: bytes, priority: int) -> None:
        """Have all that is owed there read at least as urgently as this."""
        self._change((_RAISE_TASKS, _RAISE), path, {**_parameters(folder_id, path), "priority": priority})

    def ease(self, folder_id: str, path: bytes) -> int:
        """Give what a person wanted read at once its ordinary turn again; gives how many files that were."""
        parameters = {**_parameters(folder_id, path), "least": Priority.PERSON}
        return self._change((_EASE_TASKS, _EASE), path, parameters)

    def _change(self, statements: tuple[str, str], path: bytes, parameters: Parameters) -> int:
        """Run the statement for tasks, then that for files; gives how many files it changed."""
        changed = 0
        with self._database.transaction():
            for place in _places(path):
                of_tasks, of_files = (statement.format(place=place) for statement in statements)
                self._database.execute(of_tasks, parameters)
                changed += self._database.execute(of_files, parameters).rowcount
        return changed


def _places(path: bytes) -> tuple[str, ...]:
    """Give what the path may mean: all of the folder, or else a directory with all below it, and a file."""
    return (_INSIDE, _FILE) if path else (_WHOLE,)


def _parameters(folder_id: str, path: bytes) -> dict[str, object]:
    parent, name = os.path.split(path)
    return {
        "folder": folder_id,
        "path": path,
        "below": path + b"/",
        "beyond": path + b"0",
        "parent": parent,
        "name": name,
    }
