"""Runs: when each job ran and what it did."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from modelshelf.domain.run import Run, RunStatistics
from modelshelf.store.columns import from_epoch, from_epoch_or_none, to_epoch

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

    from modelshelf.store.database import Database

_NAMES = tuple(field.name for field in fields(RunStatistics))
_COUNT = f"UPDATE runs SET {', '.join(f'{name} = {name} + :{name}' for name in _NAMES)} WHERE id = :id"  # noqa: S608 - constants
_END_IDLE = """UPDATE runs SET ended_at = ? WHERE ended_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM tasks WHERE kind = 'scan_folder' AND state != 'failed' AND run_id = runs.id) RETURNING *"""
_LATEST_OF_JOB = "SELECT * FROM runs WHERE job_name IS ? ORDER BY id DESC LIMIT 1"


class Runs:
    """The runs, newest last."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, job_name: str | None, now: datetime) -> int:
        """Begin a run of a job, or for None of a scan that somebody asked for; gives its id."""
        found = self._database.rows(
            "INSERT INTO runs (job_name, started_at) VALUES (?, ?) RETURNING id", (job_name, to_epoch(now))
        )
        return int(found[0]["id"])

    def count(self, run_id: int | None, **increments: int) -> None:
        """Add to the run's statistics, by their names in RunStatistics; work that belongs to no run (None) is not counted."""
        RunStatistics(**increments)
        if run_id is None or not any(increments.values()):
            return
        self._database.execute(_COUNT, dict.fromkeys(_NAMES, 0) | increments | {"id": run_id})

    def end(self, run_id: int, now: datetime) -> None:
        """Keep when the run ended; the first time counts."""
        self._database.execute(
            "UPDATE runs SET ended_at = ? WHERE id = ? AND ended_at IS NULL", (to_epoch(now), run_id)
        )

    def end_idle(self, now: datetime) -> list[Run]:
        """End every run that owes no scan any more, also one whose scan was merged into that of another run; gives them."""
        return [_run_from(row) for row in self._database.rows(_END_IDLE, (to_epoch(now),))]

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
    )
