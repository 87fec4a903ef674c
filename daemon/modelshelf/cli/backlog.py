"""The backlog: what is still to be done of an errand, as a person sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.cli.owing import Depth
from modelshelf.clock import SystemClock
from modelshelf.domain.task import ORDER, Lane, Priority, TaskKind, TaskState
from modelshelf.store.reports import Reports

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from modelshelf.cli.owing import Errand
    from modelshelf.domain.task import Task
    from modelshelf.store.store import Store

LINGERING = frozenset({TaskKind.RENDER_GALLERY, TaskKind.CARRY_SIDECARS})
LINGER = timedelta(seconds=60)
"""Galleries and moved sidecars are put off on purpose, for less than this; without them nobody would call it done."""

NOT_WRITING = frozenset({TaskKind.SCAN_FOLDER, TaskKind.INSPECT_FILE})


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is still to be done of an errand, as a person sees it. `files` and `size_bytes` are still to be read.

    `held_files` wait for their window, or for somebody to ask for them: nobody waits for those.
    """

    scans: int
    files: int
    size_bytes: int
    questions: int
    writings: int
    held_files: int = 0

    @property
    def count(self) -> int:
        """All pieces of work together."""
        return self.scans + self.files + self.questions + self.writings


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is not waited for: folders that are not among `folder_ids`, bulk reading in those that are `held`, all of Civitai.

    `is_alone`: nobody goes on with it afterwards, so that what follows from reading is waited for too.
    """

    folder_ids: Sequence[str]
    held: Collection[str] = ()
    is_offline: bool = False
    is_alone: bool = False


def read_backlog(store: Store, errand: Errand, bounds: Bounds) -> Backlog:
    """Give what is owed of an errand and due: what waits for its next try is not waited for."""
    now = SystemClock().now()
    if errand.depth is Depth.USUAL:
        return _all_of_it(store, bounds, now)
    spots = [(folder_id, path) for folder_id, path in errand.spots if folder_id in bounds.folder_ids]
    scans = _scans(store, spots, now)
    if errand.depth is Depth.QUICK:
        return Backlog(scans, 0, 0, 0, 0)
    counts = [store.reading.count(folder_id, path, now, Priority.PERSON) for folder_id, path in spots]
    writings = _writings(store, bounds.folder_ids, _owed(store, bounds.folder_ids, now), now) if bounds.is_alone else 0
    return Backlog(scans, sum(files for files, _ in counts), sum(size for _, size in counts), 0, writings)


def _all_of_it(store: Store, bounds: Bounds, now: datetime) -> Backlog:
    owed, tallies = _owed(store, bounds.folder_ids, now), store.reading.tallies()
    urgent = [store.reading.count(each, b"", now, Priority.DROP) for each in bounds.folder_ids if each in bounds.held]
    every = [store.reading.count(each, b"", now) for each in bounds.folder_ids if each in bounds.held]
    held_files = sum(files for files, _ in every) - sum(files for files, _ in urgent)
    free = [each for each in bounds.folder_ids if each not in bounds.held and each in tallies]
    return Backlog(
        scans=owed[TaskKind.SCAN_FOLDER],
        files=max(0, owed[TaskKind.INSPECT_FILE] + owed[TaskKind.HASH_FILE] - held_files)
        + store.verifications.asked_for(bounds.folder_ids, now),
        size_bytes=sum(tallies[each].owed_bytes for each in free) + sum(size for _, size in urgent),
        questions=0 if bounds.is_offline else _on(Lane.NETWORK, owed),
        writings=_writings(store, bounds.folder_ids, owed, now),
        held_files=held_files,
    )


def _owed(store: Store, folder_ids: Collection[str], now: datetime) -> dict[TaskKind, int]:
    owed = dict.fromkeys(TaskKind, 0)
    for folder_id in folder_ids:
        for kind, number in store.journal.owed(folder_id, until=now).items():
            owed[kind] += number
    return owed


def _on(lane: Lane, owed: dict[TaskKind, int]) -> int:
    return sum(number for kind, number in owed.items() if ORDER[kind].lane is lane)


def _writings(store: Store, folder_ids: Collection[str], owed: dict[TaskKind, int], now: datetime) -> int:
    lingering = Reports(store.database).soon(LINGERING, folder_ids, now, now + LINGER)
    return _on(Lane.DESK, owed) - sum(owed[kind] for kind in NOT_WRITING) + len(lingering)


def _scans(store: Store, spots: Sequence[tuple[str, bytes]], now: datetime) -> int:
    reports = Reports(store.database)
    found = {task.id: task for folder_id, path in spots for task in reports.scans([folder_id], path)}
    return sum(_is_due(task, now) for task in found.values())


def _is_due(task: Task, now: datetime) -> bool:
    return task.state is TaskState.RUNNING or (task.state is TaskState.QUEUED and task.due_at <= now)
