"""`modelshelf import stablequeue`: take over what StableQueue knows, without hashing again what is unchanged."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelshelf.cli.opening import NothingRecorded, Opening, global_options
from modelshelf.cli.showing import json_option, show_json, show_line
from modelshelf.cli.wording import count_text, path_json
from modelshelf.clock import SystemClock
from modelshelf.domain.task import NewTask, Priority, TaskKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from modelshelf.cli.finding import Spot
    from modelshelf.cli.import_plan import Plan
    from modelshelf.domain.claim import Claim
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.store.store import Store

PLANS_AT_ONCE = 500
"""So many are written in one transaction: a daemon at work waits no longer for it than for a step of its own."""

EXAMPLES_SHOWN = 5


@click.group(name="import")
@global_options
def importing() -> None:
    """Take over what another program knows."""


@importing.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--moved",
    "moved",
    type=(str, str),
    multiple=True,
    metavar="FROM TO",
    help="What StableQueue knows below FROM lies below TO here; its container has paths of its own.",
)
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Tell what would be taken over; write nothing.")
@json_option
@global_options
@click.pass_obj
def stablequeue(
    opening: Opening, /, file: Path, *, moved: Sequence[tuple[str, str]], is_dry_run: bool, is_json: bool
) -> None:
    """Take over StableQueue's database FILE (mobilesd_models.sqlite), which is only read.

    The SHA256 of a file that is unchanged since StableQueue looked at it counts as read; all other files are read in their
    turn. Names, trained words and ids fill what no other source knows. Nothing that is known here is overwritten.
    """
    from modelshelf.cli.import_plan import Planner  # noqa: PLC0415 -- shelf and formats, only where they are used
    from modelshelf.importing.stablequeue import read_models  # noqa: PLC0415 -- likewise

    rows = read_models(file)
    folders = opening.config.folders()
    pairs = [(os.fsencode(before), os.fsencode(now)) for before, now in moved]
    with _catalog(opening, is_dry_run=is_dry_run) as store:
        plans = list(Planner(store, folders, pairs, SystemClock().now()).plans(rows))
        if store is not None and not is_dry_run:
            _carry_out(opening, store, plans)
    if is_json:
        show_json(_document(plans, is_dry_run=is_dry_run))
    else:
        _show(plans, is_dry_run=is_dry_run)


@contextmanager
def _catalog(opening: Opening, *, is_dry_run: bool) -> Iterator[Store | None]:
    """Give the store; for a dry run to read only, and None where there is none yet."""
    if not is_dry_run:
        with opening.writing() as store:
            yield store
        return
    try:
        with opening.reading() as store:
            yield store
    except NothingRecorded:
        yield None


def _carry_out(opening: Opening, store: Store, plans: Sequence[Plan]) -> None:
    from modelshelf.cli.import_plan import Fate  # noqa: PLC0415 -- likewise
    from modelshelf.watching.poke import poke  # noqa: PLC0415

    news = [
        (plan.file_id, plan.spot, plan.claim)
        for plan in plans
        if plan.fate in {Fate.TAKEN, Fate.NOTED} and plan.spot is not None and plan.claim is not None
    ]
    for start in range(0, len(news), PLANS_AT_ONCE):
        with store.database.transaction():
            described = [file_id for each in news[start : start + PLANS_AT_ONCE] for file_id in _keep(store, *each)]
            store.entries.refresh(described)
            tasks = [NewTask(TaskKind.WRITE_SIDECARS, str(file_id), priority=Priority.REST) for file_id in described]
            store.journal.add(tasks, SystemClock().now())
    if news:
        poke(opening.state_directory)


def _keep(store: Store, file_id: int | None, spot: Spot, claim: Claim) -> list[int]:
    """Keep what is told of one file; gives the file where more is known of it now."""
    if file_id is None:
        store.claims.put(spot.folder.id, spot.path, claim)
        return []
    store.claims.take_over(file_id, claim)
    return [file_id]


def _show(plans: Sequence[Plan], *, is_dry_run: bool) -> None:
    from modelshelf.cli.import_plan import Fate, shown  # noqa: PLC0415 -- likewise

    counts = Counter(plan.fate for plan in plans)
    vouched = sum(plan.fate is Fate.NOTED and plan.is_vouched for plan in plans)
    show_line(f"StableQueue tells of {count_text(len(plans), 'model', 'models')}.")
    lines = {
        Fate.TAKEN: "for files that are known",
        Fate.NOTED: f"for files that are not read yet; {vouched} of them need no hashing",
        Fate.UNCHANGED: "as it is known already",
        Fate.SKIPPED: "for these reasons:",
    }
    for fate, words in lines.items():
        if counts[fate]:
            show_line(f"- {fate.value.capitalize()}: {counts[fate]} {words}")
    reasons = Counter(plan.reason for plan in plans if plan.fate is Fate.SKIPPED)
    for reason, count in reasons.most_common():
        show_line(f"  {count} x {reason}")
        examples = [plan for plan in plans if plan.fate is Fate.SKIPPED and plan.reason == reason]
        for plan in examples[:EXAMPLES_SHOWN]:
            show_line(f"    {shown(plan)}")
        if count > EXAMPLES_SHOWN:
            show_line(f"    and {count - EXAMPLES_SHOWN} more; --json tells all")
    if is_dry_run:
        show_line("Nothing was written.")


def _document(plans: Sequence[Plan], *, is_dry_run: bool) -> JsonObject:
    from modelshelf.cli.import_plan import Fate  # noqa: PLC0415 -- likewise

    counts = Counter(plan.fate for plan in plans)
    return {
        "is_dry_run": is_dry_run,
        "models": len(plans),
        "counts": {fate.value: counts[fate] for fate in Fate},
        "not_hashed_again": sum(plan.fate is Fate.NOTED and plan.is_vouched for plan in plans),
        "rows": [_row(plan) for plan in plans],
    }


def _row(plan: Plan) -> JsonObject:
    place = path_json(plan.path) if plan.path is not None else {"path": None}
    return {**place, "fate": plan.fate.value, "reason": plan.reason, "is_vouched": plan.is_vouched}
