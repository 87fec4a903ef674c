"""What `status` shows, gathered from configuration, lock and store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.civitai.vitals import CIVITAI_STANDING, from_json
from modelshelf.cli.health import last_work
from modelshelf.cli.opening import NothingRecorded, Opening
from modelshelf.cli.rotten import standing_evidence
from modelshelf.cli.subjects import subject_text, task_json
from modelshelf.clock import SystemClock
from modelshelf.domain.display import readable
from modelshelf.domain.folder import WatchMode
from modelshelf.domain.progress import Tally
from modelshelf.errors import ModelshelfError
from modelshelf.progress import PROGRESS_STANDING
from modelshelf.progress import from_json as progress_from
from modelshelf.vitals import vitals_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from modelshelf.civitai.vitals import ApiVitals
    from modelshelf.cli.health import Work
    from modelshelf.cli.rotten import Evidence
    from modelshelf.domain.failure import FailureKind
    from modelshelf.domain.folder import Coverage, Folder
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.domain.progress import Progress
    from modelshelf.domain.run import Run
    from modelshelf.domain.task import TaskKind
    from modelshelf.shelf.room import Room
    from modelshelf.store.folders import FolderState
    from modelshelf.store.grounds import MountPoint
    from modelshelf.store.holds import Hold
    from modelshelf.store.reports import FileState, Sizes, WaitingFile
    from modelshelf.store.store import Store
    from modelshelf.vitals import Vitals

RUNS_SHOWN = 5
WAITING_SHOWN = 20


@dataclass(frozen=True, slots=True)
class FolderReport:
    """One folder: as configured (None: no longer), as remembered (None: not met yet), and its files by state.

    `hold`: too many of its files vanished at once. `lost`: mounts in it that are none now.
    """

    id: str
    folder: Folder | None
    state: FolderState | None
    watch: str
    counts: Mapping[FileState, int]
    coverage: Coverage | None = None
    hold: Hold | None = None
    lost: Sequence[MountPoint] = ()
    room: Room | None = None


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
    failures: Mapping[FailureKind, int]
    sizes: Sizes
    database_bytes: int
    wal_bytes: int
    work: Work | None
    tally: Tally
    damaged: Sequence[Evidence]

    @property
    def failure_count(self) -> int:
        """How much failed, of whatever kind."""
        return sum(self.failures.values())


@dataclass(frozen=True, slots=True)
class ShelfReport:
    """Everything that `status` shows; `recorded` is None where nothing is yet, `pid` where nobody is at work.

    `civitai` is how asking goes, `progress` how bulk work does; None where nobody is at work.
    """

    now: datetime
    pid: int | None
    vitals: Vitals | None
    state_room: Room | None
    is_offline: bool
    folders: Sequence[FolderReport]
    recorded: Recorded | None
    civitai: ApiVitals | None = None
    progress: Progress | None = None


def gather(opening: Opening) -> ShelfReport:
    """Ask configuration, lock and store; a store that is not there yet is no error here."""
    now = SystemClock().now()
    folders = opening.config.folders()
    recorded: Recorded | None = None
    standing: str | None = None
    told: str | None = None
    try:
        with opening.reading() as store:
            standing, told = store.standing.get(CIVITAI_STANDING), store.standing.get(PROGRESS_STANDING)
            reports = _folder_reports(folders, store)
            recorded = _recorded(opening, store, now)
    except NothingRecorded:
        reports = [FolderReport(folder.id, folder, None, watch_of(folder), {}) for folder in folders]
    pid = opening.daemon_pid()
    vitals, state_room = vitals_of(pid) if pid else None, room_of(opening.state_directory)
    civitai, progress = (from_json(standing), progress_from(told)) if pid is not None else (None, None)
    return ShelfReport(now, pid, vitals, state_room, opening.config.is_offline, reports, recorded, civitai, progress)


def room_of(path: Path) -> Room | None:
    """Ask how much room there is; None where the file system is away or does not answer."""
    from modelshelf.shelf.patience import Patience  # noqa: PLC0415 -- only where a shelf is looked at
    from modelshelf.shelf.room import room_at  # noqa: PLC0415 -- likewise

    try:
        return Patience().ask(readable(path), lambda: room_at(path))
    except ModelshelfError:
        return None


def watch_of(folder: Folder) -> str:
    """Tell how changes in a folder are noticed: `events`, `poll`, or `unknown` while it cannot be looked at."""
    from modelshelf.shelf.devices import device_of  # noqa: PLC0415 -- only where a shelf is looked at
    from modelshelf.shelf.patience import Patience  # noqa: PLC0415 -- likewise

    if folder.watch is not WatchMode.AUTO:
        return folder.watch.value
    try:
        traits = Patience().ask(folder.id, lambda: device_of(folder.path))
    except ModelshelfError:
        return "unknown"  # it is away: its own line in `status` says so
    return WatchMode.EVENTS.value if traits.has_events else WatchMode.POLL.value


def _folder_reports(folders: Sequence[Folder], store: Store) -> list[FolderReport]:
    from modelshelf.store.reports import Reports  # noqa: PLC0415 -- sqlite_utils comes with its package

    states = {state.id: state for state in store.folders.states()}
    counts = Reports(store.database).counts()
    configured = {folder.id: folder for folder in folders}
    heard = store.watches.of_folders()
    holds = {hold.folder_id: hold for hold in store.holds.all()}
    points = store.grounds.all_mount_points()
    reports = [
        FolderReport(
            folder.id,
            folder,
            states.get(folder.id),
            watch_of(folder),
            counts.get(folder.id, {}),
            heard.get(folder.id),
            holds.get(folder.id),
            [each for each in points if each.folder_id == folder.id and each.lost_since is not None],
            room_of(folder.path),
        )
        for folder in folders
    ]
    no_longer = [state for state in states.values() if state.id not in configured and counts.get(state.id)]
    return reports + [FolderReport(state.id, None, state, "none", counts[state.id]) for state in no_longer]


def _recorded(opening: Opening, store: Store, now: datetime) -> Recorded:
    from modelshelf.store.reports import Reports  # noqa: PLC0415 -- likewise

    reports, path = Reports(store.database), opening.store_path
    sizes = [each.stat().st_size if each.exists() else 0 for each in (path, path.with_name(f"{path.name}-wal"))]
    in_hand = [InHand(task.kind.value, subject_text(store, task), task_json(store, task)) for task in reports.running()]
    return Recorded(
        owed=store.journal.owed(until=now),
        running=in_hand,
        waiting=reports.waiting(WAITING_SHOWN),
        runs=store.runs.latest(RUNS_SHOWN),
        failures=reports.failure_counts(),
        sizes=reports.sizes(),
        database_bytes=sum(sizes),
        wal_bytes=sizes[1],
        work=last_work(store),
        tally=sum(store.reading.tallies().values(), Tally()),
        damaged=standing_evidence(store),
    )
