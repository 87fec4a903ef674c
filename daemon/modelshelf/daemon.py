"""The whole house on one screen: built from the configuration, opened floor by floor, closed in reverse."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from modelshelf import heap
from modelshelf.civitai.client import CivitaiClient
from modelshelf.civitai.settings import ClientSettings
from modelshelf.clock import SystemClock
from modelshelf.domain.model_file import TOO_LARGE
from modelshelf.domain.task import Lane, NewTask, Priority, TaskKind
from modelshelf.errors import FolderOffline, ModelshelfError, StoreError
from modelshelf.logs import get_log
from modelshelf.scheduling import Appointment, Calendar, CalendarSettings
from modelshelf.shelf.devices import DeviceTraits, device_of
from modelshelf.shelf.intake import Intake
from modelshelf.shelf.presence import check_presence
from modelshelf.steps.carry_sidecars import CarrySidecars
from modelshelf.steps.enrich_model import EnrichModel
from modelshelf.steps.fetch_previews import FetchPreviews
from modelshelf.steps.hash_file import HashFile
from modelshelf.steps.identify_content import IdentifyContent
from modelshelf.steps.inspect_file import InspectFile
from modelshelf.steps.place import Place
from modelshelf.steps.render_gallery import RenderGallery
from modelshelf.steps.render_page import RenderPage
from modelshelf.steps.scan_folder import ScanFolder
from modelshelf.steps.write_sidecars import WriteSidecars
from modelshelf.watching.watch import Watch
from modelshelf.worker.lanes import DeviceLanes
from modelshelf.worker.wake import Bell
from modelshelf.worker.worker import Hall, Worker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelshelf.clock import Clock
    from modelshelf.config import Config, Job
    from modelshelf.domain.folder import Folder
    from modelshelf.steps.step import Step
    from modelshelf.store.store import Store

log = get_log(__name__)

LOCAL_DELAY_SECONDS = 5.0
REMOTE_DELAY_SECONDS = 30.0
CLOSE_SECONDS = 8.0
"""How long workers may take to give back what they hold; a stop must be done within ten seconds."""

AWAY = DeviceTraits(id="away", file_system="unknown", is_local=False, is_honest=False, has_events=True)
"""What is assumed of a folder that is not there: nothing good, but events are tried when it comes."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Which ways new work comes in: a daemon has all of them, `scan --wait` without a daemon has none."""

    has_watch: bool = True
    has_calendar: bool = True


class House:
    """Everything that lives while modelshelf runs: steps, workers, watch, calendar."""

    def __init__(self, config: Config, store: Store, clock: Clock | None = None) -> None:
        """Build; nothing is started and no disk but the folders' mounts is looked at."""
        self.clock: Clock = clock or SystemClock()
        self.store = store
        self.config = config
        self.places: dict[str, Place] = {folder.id: make_place(config, folder) for folder in config.folders()}
        self.client = CivitaiClient(client_settings(config))
        self.bell = Bell()
        self.failure: StoreError | None = None
        self.hall = Hall(
            store=store,
            steps=self._steps(),
            lanes=DeviceLanes(self._devices),
            bell=self.bell,
            clock=self.clock,
            stopping=threading.Event(),
            stopped_scans=threading.Event(),
            on_fatal=self._fail,
        )
        self.watch = Watch(store, self.places, self.clock, self.bell.ring)
        self.calendar = Calendar(store, self.places, self.clock, self.bell.ring, calendar_settings(config))
        self.workers = [Worker(Lane.DESK, self.hall)]
        self.workers += [Worker(Lane.DISK, self.hall, number) for number in range(1, self._device_count() + 1)]
        if not config.is_offline:
            self.workers += [Worker(Lane.NETWORK, self.hall, number) for number in (1, 2)]
        self._doors = Doors()
        self._rings_at_rest = 0

    def _steps(self) -> Mapping[TaskKind, Step[Any]]:
        store, places, clock = self.store, self.places, self.clock
        steps: tuple[Step[Any], ...] = (
            ScanFolder(store, places, clock, started_at=clock.now()),
            InspectFile(store, places, clock, self.config.hashing_limit_bytes),
            HashFile(store, places, clock),
            WriteSidecars(store, places, clock),
            CarrySidecars(store, places),
            IdentifyContent(store, self.client, clock),
            EnrichModel(store, self.client, clock),
            FetchPreviews(store, places, self.client, clock, self.config.file.api.nsfw.level_threshold),
            RenderPage(store, places),
            RenderGallery(store, places),
        )
        return {step.kind: step for step in steps}

    def _devices(self) -> dict[str, frozenset[str]]:
        devices: defaultdict[str, set[str]] = defaultdict(set)
        away = {state.id for state in self.store.folders.states() if state.offline_since is not None}
        for place in self.places.values():
            if place.folder.id not in away:
                devices[place.traits.id].add(place.folder.id)
        return {device: frozenset(folder_ids) for device, folder_ids in devices.items()}

    def _device_count(self) -> int:
        return max(1, len({place.traits.id for place in self.places.values()}))

    def _fail(self, error: StoreError) -> None:
        log.critical("journal_lost", reason=str(error))
        self.failure = error
        self.bell.ring()

    def open(self, doors: Doors | None = None) -> None:
        """Open floor by floor: journal, workers, watch, calendar. The watch is up before the first scan is owed."""
        self._doors = doors or Doors()
        heap.restrain()
        self.store.folders.sync(self.config.folders())
        self._look_for_absent()
        self.store.files.reset_too_large(self.config.hashing_limit_bytes, TOO_LARGE, Priority.REST)
        recovered = self.store.journal.recover()
        log.info("journal_recovered", tasks=recovered)
        for worker in self.workers:
            worker.start()
        if self._doors.has_watch:
            self.watch.open()
            now = self.clock.now()
            self.store.journal.add(
                [NewTask(TaskKind.SCAN_FOLDER, folder_id, priority=Priority.CHANGED) for folder_id in self.places], now
            )
        if self._doors.has_calendar:
            self.calendar.open(appointments(self.config))
        self.bell.ring()

    def close(self) -> None:
        """Close in reverse: no new work, then the work in hand is finished or given back."""
        if self._doors.has_calendar:
            self.calendar.close()
        if self._doors.has_watch:
            self.watch.close()
        self.hall.stopping.set()
        self.bell.ring()
        deadline = self.clock.monotonic() + CLOSE_SECONDS
        for worker in self.workers:
            worker.join(timeout=max(0.0, deadline - self.clock.monotonic()))
        self.client.close()
        log.info("house_closed", stuck=[worker.name for worker in self.workers if worker.is_alive()])

    def mend(self) -> None:
        """Do the half-minute's round: deaf or absent folders; nothing that touches a disk where all is well."""
        self._look_for_absent()
        if self._doors.has_watch:
            self.watch.mend()
        self._give_memory_back()

    def _give_memory_back(self) -> None:
        """Once after each burst of work: the bell rings for every piece of it."""
        rings = self.bell.rings
        if rings != self._rings_at_rest and not self.hall.in_hand:
            self._rings_at_rest = rings
            heap.give_back()

    def _look_for_absent(self) -> None:
        """Nothing is claimed of an absent folder, not even a scan: it is found back only here."""
        for place in [place for place in self.places.values() if place.traits is AWAY]:
            self.places[place.folder.id] = make_place(self.config, place.folder)
        for state in self.store.folders.states():
            if state.offline_since is not None and state.id in self.places:
                self._welcome(self.places[state.id], state.file_count)

    def _welcome(self, place: Place, file_count: int) -> None:
        """Scan a folder that came back."""
        try:
            check_presence(place.folder, file_count)
        except FolderOffline as error:
            log.debug("folder_stayed_away", folder=place.folder.id, reason=str(error))
            return
        now = self.clock.now()
        self.store.folders.set_online(place.folder.id)
        self.store.journal.add([NewTask(TaskKind.SCAN_FOLDER, place.folder.id, priority=Priority.CHANGED)], now)
        log.info("folder_came_back", folder=place.folder.id)
        self.bell.ring()

    def is_idle(self) -> bool:
        """Tell whether nothing is owed that is due by now."""
        now = self.clock.now()
        away = NETWORK_KINDS if self.config.is_offline else set()
        owed = [self.store.journal.owed(folder_id, until=now) for folder_id in self.hall.lanes.folders()]
        is_owed = any(count for each in owed for kind, count in each.items() if kind not in away)
        return not self.hall.in_hand and not is_owed


NETWORK_KINDS = {TaskKind.IDENTIFY_CONTENT, TaskKind.ENRICH_MODEL, TaskKind.FETCH_PREVIEWS}


def make_place(config: Config, folder: Folder) -> Place:
    """Look where a folder lies, and gather what steps need to know of it."""
    try:
        traits = device_of(folder.path)
    except ModelshelfError as error:
        log.warning("folder_not_found", folder=folder.id, reason=str(error))
        traits = AWAY
    delay = LOCAL_DELAY_SECONDS if traits.is_local else REMOTE_DELAY_SECONDS
    return Place(
        folder=folder,
        intake=Intake(folder),
        traits=traits,
        output=config.output_for(folder.id),
        stability_delay_seconds=folder.stability_delay_seconds if folder.stability_delay_seconds is not None else delay,
        is_described_skipped=config.is_described_skipped(folder.id),
    )


def appointments(config: Config) -> list[Appointment]:
    """Give every job that runs by itself, with when."""
    return [appointment(job) for job in config.jobs if job.schedule is not None]


def appointment(job: Job) -> Appointment:
    """Give a job as the calendar and the worker need it."""
    seconds = job.schedule.interval_seconds if job.schedule else None
    return Appointment(
        job_name=job.name,
        folder_ids=job.folder_ids,
        cron=job.schedule.cron if job.schedule else None,
        interval=timedelta(seconds=seconds) if seconds is not None else None,
        is_forced=any(action.is_refresh_forced for action in job.actions),
    )


def calendar_settings(config: Config) -> CalendarSettings:
    """Give the calendar's own settings."""
    watch = config.file.watch
    return CalendarSettings(
        zone_name=config.file.schedule.timezone,
        rescan=timedelta(seconds=watch.rescan_interval),
        poll=timedelta(seconds=watch.poll_interval),
        keep=timedelta(days=config.file.store.keep_days),
    )


def client_settings(config: Config) -> ClientSettings:
    """Give what the Civitai client needs; the key leaves the configuration only here."""
    api = config.file.api
    return ClientSettings(
        base_url=api.base_url,
        key=config.api_key,
        timeout_seconds=api.timeout,
        user_agent=api.user_agent_text,
        rate_limit_per_minute=api.batch.rate_limit,
        is_outgoing_forbidden=config.is_offline,
    )
