"""`modelshelf report`: what a run found, as it was at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelshelf.cli.opening import NothingRecorded, Opening, global_options
from modelshelf.cli.run_report import report_json, report_lines
from modelshelf.cli.showing import json_option, show_json, show_line
from modelshelf.clock import SystemClock
from modelshelf.errors import UsageError

if TYPE_CHECKING:
    from modelshelf.domain.run import Run
    from modelshelf.store.store import Store

RUNS_LOOKED_AT = 100


@click.command()
@click.argument("run_id", required=False, type=int, metavar="[RUN]")
@json_option
@global_options
@click.pass_obj
def report(opening: Opening, run_id: int | None, *, is_json: bool) -> None:
    """Show the report of the last run of a job, or of the run with this number; `modelshelf status` lists the last ones.

    With --json the counts have the names that StableQueue gives them.
    """
    from modelshelf.steps.run_report import report_of  # noqa: PLC0415 -- sqlite_utils comes with the store

    with opening.reading() as store:
        found = report_of(store, _run(store, run_id))
    if is_json:
        show_json(report_json(found))
        return
    kinds = {deed.kind for job in opening.config.jobs if job.name == found.run.job_name for deed in job.deeds}
    for line in report_lines(found, SystemClock().now(), kinds):
        show_line(line)


def _run(store: Store, run_id: int | None) -> Run:
    if run_id is None:
        run = store.runs.last_reported()
        if run is None:
            raise NothingRecorded(_why_none(store))
        return run
    run = store.runs.get(run_id)
    if run is None:
        raise UsageError(f"there is no run {run_id}; modelshelf status lists the last ones")
    return run


def _why_none(store: Store) -> str:
    """Say why there is no report: a job that looks through no folder leaves none."""
    if any(run.job_name and run.ended_at for run in store.runs.latest(RUNS_LOOKED_AT)):
        return "no job that ended has left a report: only scans and verifications do; modelshelf report RUN shows a run"
    return "no job has ended yet; modelshelf jobs lists them, and modelshelf job runs one"
