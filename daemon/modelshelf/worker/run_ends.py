"""The ends of runs: when one is over, its report is kept and its job's end told."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from modelshelf.domain.task import TaskKind
from modelshelf.logs import get_log
from modelshelf.steps.run_report import compose, to_body
from modelshelf.steps.step import Interrupted

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.worker.hall import Hall

log = get_log(__name__)

AWAITED = {TaskKind.SCAN_FOLDER, TaskKind.INSPECT_FILE, TaskKind.HASH_FILE, TaskKind.VERIFY_FILE}
"""What the end of a run waits for."""


def end_runs(hall: Hall) -> None:
    """End every run that is over; what one reports is gathered before anything is written. A closed hall leaves them open."""
    store, now = hall.store, hall.clock.now()
    for run in store.runs.idle(now, lambda folder_ids: hall.leave.held(folder_ids, now)):
        body = to_body(compose(store, replace(run, ended_at=now))) if run.job_name is not None else None
        with suppress(Interrupted), hall.transaction():
            if not store.runs.end(run.id, now) or body is None:
                continue
            store.runs.keep_report(run.id, body)
            log.info("job_ended", job=run.job_name, run=run.id, **run.statistics.counts())
            details: JsonObject = {"job": run.job_name, "run": run.id, "stats": {**run.statistics.counts()}}
            store.events.add("job_ended", now, details=details)
