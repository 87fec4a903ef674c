"""Scans in the journal: how a person's are owed there, and how they are taken back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.clock import SystemClock
from modelshelf.domain.task import NewTask, Priority, TaskKind, TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from modelshelf.cli.finding import Spot
    from modelshelf.cli.opening import Opening
    from modelshelf.store.store import Store


@dataclass(frozen=True, slots=True)
class Errand:
    """Scans that are owed: in which folders, and the runs in which their work is counted."""

    folder_ids: tuple[str, ...]
    run_ids: tuple[int, ...]


def owe_scans(store: Store, spots: Sequence[Spot]) -> Errand:
    """Owe the scan of each of these spots, as one run."""
    now = SystemClock().now()
    with store.database.transaction():
        run_id = store.runs.start(None, now)
        scans = [
            NewTask(TaskKind.SCAN_FOLDER, spot.folder.id, path=spot.path, priority=Priority.PERSON, run_id=run_id)
            for spot in spots
        ]
        store.journal.add(scans, now)
        return errand_of(store, [(spot.folder.id, spot.path) for spot in spots], run_id)


def errand_of(store: Store, scans: Iterable[tuple[str, bytes]], run_id: int) -> Errand:
    """Give the errand that scans of these folders and paths are.

    A scan that was owed already keeps the run it belonged to. Where that is so of all of them, our own run has nothing to
    count and is over.
    """
    from modelshelf.store.reports import Reports  # noqa: PLC0415 -- sqlite_utils comes with its package

    reports = Reports(store.database)
    wanted = list(scans)
    owed = [task for folder_id, path in wanted for task in reports.scans([folder_id], path)]
    run_ids = {task.run_id for task in owed if task.run_id is not None}
    if run_id not in run_ids:
        store.runs.end(run_id, SystemClock().now())
    return Errand(tuple(dict.fromkeys(folder_id for folder_id, _ in wanted)), tuple(sorted(run_ids)))


def stop_scans(opening: Opening, store: Store, folder_ids: Sequence[str]) -> int:
    """Drop the scans of these folders that wait, and stop those that run; gives how many there were."""
    from modelshelf.store.reports import Reports  # noqa: PLC0415 -- likewise
    from modelshelf.watching.poke import STOP_SCANS, poke  # noqa: PLC0415 -- likewise

    reports = Reports(store.database)
    with store.database.transaction():
        scans = reports.scans(folder_ids)
        running = [task for task in scans if task.state is TaskState.RUNNING]
        dropped = store.journal.drop_scans(scans)
        for run_id in {task.run_id for task in scans if task.run_id is not None and task not in running}:
            store.runs.end(run_id, SystemClock().now())
    if running:
        poke(opening.state_directory, STOP_SCANS)
    return dropped + len(running)
