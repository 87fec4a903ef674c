"""Scans in the journal: how a person's are owed there, and how they are taken back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from modelshelf.clock import SystemClock
from modelshelf.domain.task import NewTask, Priority, TaskKind, TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from modelshelf.cli.finding import Spot
    from modelshelf.cli.opening import Opening
    from modelshelf.domain.job import JobKind
    from modelshelf.store.store import Store


class Depth(StrEnum):
    """How far a scan goes: files are noted and no more, or read in their turn, or read now whatever windows say."""

    QUICK = "quick"
    USUAL = "usual"
    DEEP = "deep"


@dataclass(frozen=True, slots=True)
class Errand:
    """Scans that are owed: in which folders, and the runs in which their work is counted; `spots` are their paths.

    `kinds` are what jobs do, where it is jobs.
    """

    folder_ids: tuple[str, ...]
    run_ids: tuple[int, ...]
    spots: tuple[tuple[str, bytes], ...] = ()
    depth: Depth = Depth.USUAL
    kinds: frozenset[JobKind] = frozenset()


def owe_scans(store: Store, spots: Sequence[Spot], depth: Depth = Depth.USUAL) -> Errand:
    """Owe the scan of each of these spots, as one run; a deep one also has what is owed there already read at once."""
    now = SystemClock().now()
    priority = Priority.DEEP if depth is Depth.DEEP else Priority.PERSON
    with store.database.transaction():
        run_id = store.runs.start(None, now)
        scans = [
            NewTask(TaskKind.SCAN_FOLDER, spot.folder.id, path=spot.path, priority=priority, run_id=run_id)
            for spot in spots
        ]
        store.journal.add(scans, now)
        for spot in spots if depth is Depth.DEEP else []:
            store.reading.raise_to(spot.folder.id, spot.path, Priority.PERSON)
            store.reading.count_in(run_id, spot.folder.id, spot.path)
        return errand_of(store, [(spot.folder.id, spot.path) for spot in spots], run_id, depth)


def errand_of(store: Store, scans: Iterable[tuple[str, bytes]], run_id: int, depth: Depth = Depth.USUAL) -> Errand:
    """Give the errand that scans of these folders and paths are.

    A scan that was owed already keeps the run it belonged to. Where that is so of all of them our own run is over, and counts
    no more than what a deep one has read.
    """
    from modelshelf.store.reports import Reports  # noqa: PLC0415 -- sqlite_utils comes with its package

    reports = Reports(store.database)
    wanted = tuple(dict.fromkeys(scans))
    owed = [task for folder_id, path in wanted for task in reports.scans([folder_id], path)]
    run_ids = {task.run_id for task in owed if task.run_id is not None}
    if run_id not in run_ids:
        store.runs.end(run_id, SystemClock().now())
    if depth is Depth.DEEP:
        run_ids.add(run_id)
    folder_ids = tuple(dict.fromkeys(folder_id for folder_id, _ in wanted))
    return Errand(folder_ids, tuple(sorted(run_ids)), wanted, depth)


@dataclass(frozen=True, slots=True)
class Stopped:
    """What was taken back: scans, the reading of files that a person wanted at once, and of folders that a job ordered."""

    scans: int
    files: int
    orders: int = 0


def stop_scans(
    opening: Opening,
    store: Store,
    folder_ids: Sequence[str],
    eased: Sequence[tuple[str, bytes]] = (),
    *,
    are_orders_kept: bool = True,
) -> Stopped:
    """Drop the scans of these folders that wait, stop those that run, and let what lies in `eased` be read in its turn.

    Unless `are_orders_kept`, what a job ordered to be read in all of an eased folder is ordered no more.
    """
    from modelshelf.store.reports import Reports  # noqa: PLC0415 -- likewise
    from modelshelf.watching.poke import EASE_READING, STOP_SCANS, poke  # noqa: PLC0415 -- likewise

    reports = Reports(store.database)
    with store.database.transaction():
        scans = reports.scans(folder_ids)
        running = [task for task in scans if task.state is TaskState.RUNNING]
        dropped = store.journal.drop_scans(scans)
        for run_id in {task.run_id for task in scans if task.run_id is not None and task not in running}:
            store.runs.end(run_id, SystemClock().now())
        files = sum(store.reading.ease(folder_id, path) for folder_id, path in eased)
        taken_back = [] if are_orders_kept else [each for each, path in eased if not path]
        ordered = store.orders.folder_ids.intersection(taken_back)
        if ordered:
            store.orders.fulfil(ordered)
    if running:
        poke(opening.state_directory, STOP_SCANS)
    if files or ordered:
        poke(opening.state_directory, EASE_READING)
    return Stopped(dropped + len(running), files, len(ordered))
