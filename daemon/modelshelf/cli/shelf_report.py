"""What `status` shows, gathered from configuration, lock and store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.cli.opening import NothingRecorded, Opening
from modelshelf.cli.subjects import subject_text, task_json
from modelshelf.clock import SystemClock
from modelshelf.domain.folder import WatchMode
from modelshelf.errors import ModelshelfError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from modelshelf.domain.folder import Folder
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.domain.run import Run
    from modelshelf.domain.task import TaskKind
    from modelshelf.store.folders import FolderState
    from modelshelf.store.reports import FileState, Sizes, WaitingFile
    from modelshelf.store.store import Store

RUNS_SHOWN = 5
WAITING_SHOWN = 20


@dataclass(frozen=True, slots=True)
class FolderReport:
    """One folder: as configured (None: no longer), as remembered (None: not met yet), and its files by state."""

    id: str
    folder: Folder | None
    state: FolderState | None
    watch: str
    counts: Mapping[FileState, int]


@dataclass(frozen=True, slots=True)
class InHand:
    """A task that is being done, in words and as JSON."""

    step: str
    text: str
    document: JsonObject


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the store says. `owed` counts what is due now."""

    owed: Mapping[TaskKind, int]
    running: Sequence[InHand]
    waiting: Sequence[WaitingFile]
    runs: Sequence[Run]
    failure_count: int
    sizes: Sizes
    database_bytes: int


@dataclass(frozen=True, slots=True)
class ShelfReport:
    """Everything that `status` shows; `recorded` is None where nothing is yet, `pid` where nobody is at work."""

    now: datetime
    pid: int | None
    is_offline: bool
    folders: Sequence[FolderReport]
    recorded: Recorded | None


def gather(opening: Opening) -> ShelfReport:
    """Ask configuration, lock and store; a store that is not there yet is no error here."""
    now = SystemClock().now()
    folders = opening.config.folders()
    recorded: Recorded | None = None
    try:
        with opening.reading() as store:
            reports = _folder_reports(folders, store)
            recorded = _recorded(opening, store, now)
    except NothingRecorded:
        reports = [FolderReport(folder.id, folder, None, watch_of(folder), {}) for folder in folders]
    return ShelfReport(now, opening.daemon_pid(), opening.config.is_offline, reports, recorded)


def watch_of(folder: Folder) -> str:
    """Tell how changes in a folder are noticed: `events`, `poll`, or `unknown` while it cannot be looked at."""
    from modelshelf.shelf.devices import device_of  # noqa: PLC0415 -- only where a shelf is looked at

    if folder.watch is not WatchMode.AUTO:
        return folder.watch.value
    try:
        return WatchMode.EVENTS.value if device_of(folder.path).has_events else WatchMode.POLL.value
    except ModelshelfError:
        return "unknown"  # it is away: its own line in `status` says so


def _folder_reports(folders: Sequence[Folder], store: Store) -> list[FolderReport]:
    from modelshelf.store.reports import Reports  # noqa: PLC0415 -- sqlite_utils comes with its package

    states = {state.id: state for state in store.folders.states()}
    counts = Reports(store.database).counts()
    configured = {folder.id: folder for folder in folders}
    reports = [
        FolderReport(folder.id, folder, states.get(folder.id), watch_of(folder), counts.get(folder.id, {}))
        for folder in folders
    ]
    no_longer = [state for state in states.values() if state.id not in configured and counts.get(state.id)]
    return reports + [FolderReport(state.id, None, state, "none", counts[state.id]) for state in no_longer]


def _recorded(opening: Opening, store: Store, now: datetime) -> Recorded:
    from modelshelf.store.reports import Reports  # noqa: PLC0415 -- likewise

    reports = Reports(store.database)
    in_hand = [InHand(task.kind.value, subject_text(store, task), task_json(store, task)) for task in reports.running()]
    return Recorded(
        owed=store.journal.owed(until=now),
        running=in_hand,
        waiting=reports.waiting(WAITING_SHOWN),
        runs=store.runs.latest(RUNS_SHOWN),
        failure_count=len(store.journal.failures()) + len(reports.broken()),
        sizes=reports.sizes(),
        database_bytes=_size_with_wal(opening),
    )


def _size_with_wal(opening: Opening) -> int:
    path = opening.store_path
    return sum(each.stat().st_size for each in (path, path.with_name(f"{path.name}-wal")) if each.exists())
