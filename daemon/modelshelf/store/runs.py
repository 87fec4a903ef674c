"""Runs: when each job ran and what it did."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.domain.run import Run, RunStatistics
from modelshelf.domain.task import Priority
from modelshelf.store.columns import from_epoch, from_epoch_or_none, id_list, pack, to_epoch, unpack

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection
    from datetime import datetime

    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.store.database import Database

_NAMES = tuple(field.name for field in fields(RunStatistics))
_COUNT = f"UPDATE runs SET {', '.join(f'{name} = {name} + :{name}' for name in _NAMES)} WHERE id = :id"  # noqa: S608 - constants
_IDLE = """SELECT * FROM runs INDEXED BY runs_going_on WHERE ended_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM tasks WHERE kind = 'scan_folder' AND state != 'failed' AND run_id = runs.id)
    AND NOT EXISTS (SELECT 1 FROM tasks WHERE kind = 'verify_file' AND state != 'failed' AND attempts = 0
        AND run_id = runs.id)"""
_OWES_READING = """SELECT
    EXISTS (SELECT 1 FROM files WHERE folder_id = :folder AND is_inspected = 0 AND priority >= :least AND scan_phase = 0
        AND missing_since IS NULL AND waiting_reason IS NULL AND has_task = 0)
    OR EXISTS (SELECT 1 FROM files WHERE folder_id = :folder AND is_inspected = 1 AND priority >= :least AND scan_phase = 0
        AND missing_since IS NULL AND waiting_reason IS NULL AND has_task = 0)
    OR EXISTS (SELECT 1 FROM tasks WHERE kind IN ('inspect_file', 'hash_file') AND state = 'queued' AND crashes < 2
        AND folder_id = :folder AND attempts = 0 AND priority >= :least)
    OR EXISTS (SELECT 1 FROM tasks WHERE kind IN ('inspect_file', 'hash_file') AND state = 'running'
        AND folder_id = :folder AND priority >= :least) AS is_owed"""
_OWES_TASKS = f"""SELECT 1 FROM tasks t JOIN folders f ON f.id = t.folder_id
    WHERE t.run_id = :run AND f.is_configured = 1 AND f.offline_since IS NULL AND (
        t.kind = 'scan_folder' AND t.state != 'failed'
        OR t.kind = 'verify_file' AND t.state != 'failed' AND t.attempts = 0
            AND (t.priority >= {Priority.DROP:d} OR t.folder_id NOT IN (SELECT value FROM json_each(:held))))
    LIMIT 1"""  # noqa: S608 - constants only

LONGEST_READING = timedelta(hours=12)
"""So long the end of a run waits for what its folders owe: a report must not wait for a first scan of many nights."""

_LAST_REPORTED = "SELECT * FROM runs WHERE id = (SELECT max(run_id) FROM run_reports)"
_LATEST_OF_JOB = "SELECT * FROM runs WHERE job_name IS ? ORDER BY id DESC LIMIT 1"


class Runs:
    """The runs, newest last."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, job_name: str | None, now: datetime, folder_ids: Collection[str] = ()) -> int:
        """Begin a run of a job, or for None of a scan that somebody asked for; gives its id.

        Its end waits for what is still to be read in `folder_ids`.
        """
        found = self._database.rows(
            "INSERT INTO runs (job_name, started_at, folder_ids) VALUES (?, ?, ?) RETURNING id",
            (job_name, to_epoch(now), id_list(folder_ids)),
        )
        return int(found[0]["id"])

    def count(self, run_id: int | None, **increments: int) -> None:
        """Add to the run's statistics, by their names in RunStatistics; work that belongs to no run (None) is not counted."""
        RunStatistics(**increments)
        if run_id is None or not any(increments.values()):
            return
        self._database.execute(_COUNT, dict.fromkeys(_NAMES, 0) | increments | {"id": run_id})

    def end(self, run_id: int, now: datetime) -> bool:
        """Keep when the run ended; the first time counts, and True tells that this was it."""
        ended = self._database.execute(
            "UPDATE runs SET ended_at = ? WHERE id = ? AND ended_at IS NULL", (to_epoch(now), run_id)
        )
        return ended.rowcount > 0

    def idle(self, now: datetime, held: Callable[[Collection[str]], Collection[str]] = lambda _: ()) -> list[Run]:
        """Give every run that is over: nothing is to be scanned or verified for it, nor to be read in its folders.

        Its scan may have been merged into that of another run. In folders that are `held`, such as outside their window, only
        reading that needs no leave is waited for, and nowhere for longer than `LONGEST_READING`; nor is what failed and waits.
        """
        runs = [_run_from(row) for row in self._database.rows(_IDLE)]
        return [run for run in runs if now - run.started_at >= LONGEST_READING or not self._owes_reading(run, held)]

    def under_way(self, job_name: str, now: datetime, held: Callable[[Collection[str]], Collection[str]]) -> Run | None:
        """Give the run of a job that goes on; one that only waits, for a folder to come back or for leave, does not."""
        run = self.latest_of_job(job_name)
        if run is None or run.ended_at is not None:
            return None
        barred = held(run.folder_ids)
        if self._database.rows(_OWES_TASKS, {"run": run.id, "held": id_list(barred)}):
            return run
        is_reading = now - run.started_at < LONGEST_READING and self._owes_reading(run, held)
        return run if is_reading else None

    def owes_reading(self, folder_id: str, least: int = Priority.VERIFY) -> bool:
        """Tell whether a file of a folder is still to be read, of `least` priority; what failed and waits does not count."""
        return bool(self._database.rows(_OWES_READING, {"folder": folder_id, "least": least})[0]["is_owed"])

    def _owes_reading(self, run: Run, held: Callable[[Collection[str]], Collection[str]]) -> bool:
        owing = [each for each in run.folder_ids if self.owes_reading(each)]
        barred = set(held(owing)) if owing else set()
        return any(each not in barred or self.owes_reading(each, Priority.DROP) for each in owing)

    def keep_report(self, run_id: int, report: JsonObject) -> None:
        """Keep what a run reports, for as long as the run itself."""
        self._database.execute("INSERT OR REPLACE INTO run_reports VALUES (?, ?)", (run_id, pack(report)))

    def report(self, run_id: int) -> JsonObject | None:
        """Give what a run reported, None where it did not or not yet."""
        row = self._database.row("SELECT body FROM run_reports WHERE run_id = ?", (run_id,))
        return None if row is None else unpack(row["body"])

    def last_reported(self) -> Run | None:
        """Give the last run that left a report, None where none did."""
        row = self._database.row(_LAST_REPORTED)
        return None if row is None else _run_from(row)

    def get(self, run_id: int) -> Run | None:
        """Give a run by its id."""
        row = self._database.row("SELECT * FROM runs WHERE id = ?", (run_id,))
        return None if row is None else _run_from(row)

    def latest(self, limit: int) -> list[Run]:
        """Give the last runs, newest first."""
        return [_run_from(row) for row in self._database.rows("SELECT * FROM runs ORDER BY id DESC LIMIT ?", (limit,))]

    def latest_of_job(self, job_name: str | None) -> Run | None:
        """Give the last run of a job, None where it never ran."""
        row = self._database.row(_LATEST_OF_JOB, (job_name,))
        return None if row is None else _run_from(row)

    def prune(self, before: datetime) -> int:
        """Forget runs that ended before this time, but never the last one of a job; gives how many."""
        return self._database.execute(
            """DELETE FROM runs WHERE ended_at < ?
                AND id NOT IN (SELECT max(id) FROM runs GROUP BY job_name)""",
            (to_epoch(before),),
        ).rowcount


def _run_from(row: sqlite3.Row) -> Run:
    return Run(
        id=row["id"],
        job_name=row["job_name"],
        started_at=from_epoch(row["started_at"]),
        ended_at=from_epoch_or_none(row["ended_at"]),
        statistics=RunStatistics(**{name: row[name] for name in _NAMES}),
        folder_ids=tuple(str(each) for each in json.loads(row["folder_ids"])),
    )
