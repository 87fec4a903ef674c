"""`modelshelf job`: run jobs of the configuration now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from modelshelf.cli.errands import Wishes, carry_out
from modelshelf.cli.finding import Spot, find_job
from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.owing import Depth, Errand, errand_of
from modelshelf.cli.showing import json_option
from modelshelf.clock import SystemClock
from modelshelf.domain.job import JobKind
from modelshelf.domain.task import Priority
from modelshelf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.cli.job_wish import JobWish
    from modelshelf.config import Job
    from modelshelf.domain.job import Deed
    from modelshelf.store.store import Store


@click.command()
@click.argument("name", required=False)
@click.option("--all", "is_all", is_flag=True, help="Every job of the configuration.")
@click.option("--wait", "is_waited", is_flag=True, help="Wait until it is done; without a daemon it is done here.")
@click.option("--force-refresh", "is_forced", is_flag=True, help="Ask Civitai again, whatever is known.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Tell what is new, changed or gone; write nothing.")
@json_option
@global_options
@click.pass_obj
def job(opening: Opening, /, name: str | None, *, is_json: bool, **flags: bool) -> int:
    """Run the job NAME now, or --all of them."""
    if (name is None) is not flags["is_all"]:
        raise click.UsageError("Name a job, or --all; `modelshelf jobs` lists them.")
    chosen = _chosen(opening, name)
    if flags["is_dry_run"]:
        return _dry_run(opening, chosen, is_json=is_json)
    wishes = Wishes(_folder_ids(chosen), flags["is_waited"], is_json=is_json)
    return carry_out(opening, lambda store: owe_jobs(opening, store, chosen, is_forced=flags["is_forced"]), wishes)


def run_wish(opening: Opening, wish: JobWish) -> int:
    """Run what CivitScraper's own options ask for, and wait for it as CivitScraper does; without a name the default job."""
    name = None if wish.is_all else wish.name or opening.config.file.default_job_name
    chosen = _chosen(opening, name)
    if wish.is_dry_run:
        return _dry_run(opening, chosen, is_json=False)
    wishes = Wishes(_folder_ids(chosen), is_waited=True, is_json=False)
    return carry_out(opening, lambda store: owe_jobs(opening, store, chosen, is_forced=wish.is_forced), wishes)


def owe_jobs(opening: Opening, store: Store, chosen: Sequence[Job], *, is_forced: bool) -> Errand:
    """Owe a run of each of these jobs."""
    from modelshelf.settings import appointment  # noqa: PLC0415 -- half of the house, only where a job is run
    from modelshelf.steps.beginning import begin_run  # noqa: PLC0415 -- likewise

    errands = []
    with store.database.transaction():
        for each in chosen:
            wanted = appointment(opening.config, each)
            deeds = tuple(replace(deed, is_forced=deed.is_forced or is_forced) for deed in wanted.deeds)
            run_id = begin_run(store, replace(wanted, deeds=deeds), SystemClock(), Priority.PERSON)
            errands.append(_errand(store, deeds, run_id))
    is_deep = all(errand.depth is Depth.DEEP for errand in errands)
    return Errand(
        _folder_ids(chosen),
        tuple(dict.fromkeys(run_id for errand in errands for run_id in errand.run_ids)),
        tuple(dict.fromkeys(spot for errand in errands for spot in errand.spots)),
        Depth.DEEP if is_deep else Depth.USUAL,
        frozenset(deed.kind for each in chosen for deed in each.deeds),
    )


def _errand(store: Store, deeds: Sequence[Deed], run_id: int) -> Errand:
    """Give what is waited for; a run whose scans are all merged into those of others is over, if it does nothing else."""
    kinds = {deed.kind for deed in deeds}
    depth = Depth.DEEP if kinds == {JobKind.DEEP_SCAN} else Depth.USUAL
    folder_ids = tuple(dict.fromkeys(folder_id for deed in deeds for folder_id in deed.folder_ids))
    if kinds <= {JobKind.DEEP_SCAN, JobKind.SCAN_PATHS}:
        return errand_of(store, [(folder_id, b"") for folder_id in folder_ids], run_id, depth)
    return Errand(folder_ids, (run_id,), (), depth)


def _chosen(opening: Opening, name: str | None) -> list[Job]:
    """Give the jobs to run; what this version does not do of them is said."""
    written = [each for each in opening.config.jobs if each.name in opening.config.file.jobs]
    chosen = written if name is None else [find_job(opening.config, name)]
    for sentence in opening.config.not_done():
        if any(sentence.startswith(f"jobs.{each.name}:") for each in chosen):
            opening.note(f"note: {sentence}")
    able = [each for each in chosen if each.folder_ids]
    if not able:
        raise UsageError("there is no job to run: none of those named does anything in a folder")
    return able


def _folder_ids(chosen: Sequence[Job]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(folder_id for each in chosen for folder_id in each.folder_ids))


def _dry_run(opening: Opening, chosen: Sequence[Job], *, is_json: bool) -> int:
    from modelshelf.cli.dry_run import show_differences  # noqa: PLC0415 -- only for who asks

    named = _folder_ids(chosen)
    spots = [Spot(folder) for folder in opening.config.folders() if folder.id in named]
    return show_differences(opening, spots, is_json=is_json)
