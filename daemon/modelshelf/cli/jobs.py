"""`modelshelf jobs`: the jobs of the configuration, their schedules, and when each ran last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelshelf.cli.opening import NothingRecorded, Opening, global_options
from modelshelf.cli.showing import json_option, show_json, show_table
from modelshelf.cli.status import run_json
from modelshelf.cli.wording import statistics_text, when_text
from modelshelf.clock import SystemClock
from modelshelf.domain.display import readable

if TYPE_CHECKING:
    from modelshelf.config import Job
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.domain.run import Run

COLUMNS = ("job", "does", "schedule", "folders", "last run", "did", "description")


@click.command()
@json_option
@global_options
@click.pass_obj
def jobs(opening: Opening, *, is_json: bool) -> None:
    """List the jobs, those of the configuration and the nightly verification, their schedules, and what each did last."""
    listed = opening.config.jobs
    runs = _last_runs(opening, listed)
    if is_json:
        show_json({"jobs": [_document(job, runs.get(job.name)) for job in listed]})
    else:
        show_table(COLUMNS, [_row(job, runs.get(job.name)) for job in listed])


def _last_runs(opening: Opening, listed: tuple[Job, ...]) -> dict[str, Run]:
    try:
        with opening.reading() as store:
            return {job.name: run for job in listed if (run := store.runs.latest_of_job(job.name))}
    except NothingRecorded:
        return {}


def _row(job: Job, run: Run | None) -> tuple[str, ...]:
    return (
        job.name,
        ", ".join(_kinds(job)),
        job.schedule.text if job.schedule else "by hand",
        ", ".join(job.folder_ids),
        when_text(run.started_at if run else None, SystemClock().now()),
        statistics_text(run.statistics) if run else "-",
        readable(job.description or "-"),
    )


def _kinds(job: Job) -> list[str]:
    return list(dict.fromkeys(action.kind.value for action in job.actions))


def _document(job: Job, run: Run | None) -> JsonObject:
    return {
        "job": job.name,
        "description": job.description,
        "does": [*_kinds(job)],
        "schedule": job.schedule.text if job.schedule else None,
        "folders": [*job.folder_ids],
        "last_run": run_json(run) if run else None,
    }
