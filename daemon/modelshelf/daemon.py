"""The whole house on one screen: built from the configuration, opened floor by floor, closed in reverse."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from modelshelf import heap
from modelshelf.civitai.client import CivitaiClient
from modelshelf.civitai.vitals import CIVITAI_STANDING, to_json
from modelshelf.clock import SystemClock
from modelshelf.domain.chunk import OUTPUTS
from modelshelf.domain.model_file import TOO_LARGE
from modelshelf.domain.notice import QuietHours
from modelshelf.domain.task import ORDER, Lane, NewTask, Priority, TaskKind
from modelshelf.errors import ModelshelfError, StoreError, WorkStopped
from modelshelf.logs import get_log
from modelshelf.notifying.free_space import FreeSpace
from modelshelf.notifying.notifications import Notifications, NotificationSettings
from modelshelf.scheduling import Bustle, Calendar, CalendarSettings, local_zone
from modelshelf.settings import (
    appointments,
    chunk_limits,
    client_settings,
    make_leave,
    make_place,
    make_reader,
    page_sites,
)
from modelshelf.steps.carry_sidecars import CarrySidecars
from modelshelf.steps.enrich_model import EnrichModel
from modelshelf.steps.fetch_previews import FetchPreviews
from modelshelf.steps.hash_file import HashFile
from modelshelf.steps.identify_content import IdentifyContent
from modelshelf.steps.inspect_file import InspectFile, owe_pickle_scans
from modelshelf.steps.match_weights import MatchWeights
from modelshelf.steps.render_gallery import RenderGallery
from modelshelf.steps.render_page import RenderPage
from modelshelf.steps.scan_folder import ScanFolder
from modelshelf.steps.verify_file import VerifyFile
from modelshelf.steps.write_sidecars import WriteSidecars
from modelshelf.store.backups import DailyBackups
from modelshelf.store.reports import Reports
from modelshelf.watching.poke import ASK_CIVITAI, EASE_READING, STOP_SCANS
from modelshelf.watching.watch import Watch
from modelshelf.whereabouts import Whereabouts
from modelshelf.worker.hall import Hall
from modelshelf.worker.lanes import DeviceLanes
from modelshelf.worker.lull import Lull
from modelshelf.worker.outputs import Outputs
from modelshelf.worker.postponed import FAR_AHEAD, bring_back_at_start, bring_back_questions, put_off_beyond
from modelshelf.worker.run_ends import end_runs
from modelshelf.worker.staff import Staff
from modelshelf.worker.telling import Gauge, Teller
from modelshelf.worker.wake import Bell
from modelshelf.worker.wakefulness import fulfil_orders, note_awake, rise, wake_up

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

    from modelshelf.civitai.vitals import ApiVitals
    from modelshelf.clock import Clock
    from modelshelf.config import Config
    from modelshelf.steps.place import Place
    from modelshelf.steps.step import Step
    from modelshelf.store.store import Store
    from modelshelf.worker.reader import Reader
    from modelshelf.worker.worker import Worker

log = get_log(__name__)

CLOSE_SECONDS = 6.0
NETWORK_CLOSE_SECONDS = 2.0
"""How long workers may take to give back what they hold; a stop must be done within ten seconds. A request that is under
way is not waited for that long: all it costs is to be asked again."""

TELLER_SECONDS = 0.5

LATEST_LOOKUP = timedelta(days=31)
"""No look-up is put off for longer."""

CENTURY = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class Doors:
    """Which ways new work comes in: a daemon has all of them, `scan --wait` without a daemon has none."""

    has_watch: bool = True
    has_calendar: bool = True


class House:
    """Everything that lives while modelshelf runs: steps, workers, watch, calendar."""

    def __init__(self, config: Config, store: Store, clock: Clock | None = None, *, is_reading: bool = True) -> None:
        """Build; nothing is started and no disk but the folders' mounts is looked at. Without `is_reading` it only walks."""
        self.clock: Clock = clock or SystemClock()
        self.store = store
        self.config = config
        self._doors = Doors()
        self._is_reading = is_reading
        self._is_open = False
        self._rings_at_rest = 0
        self._told_vitals: ApiVitals | None = None
        self.bell = Bell()
        self._outputs = Outputs(store.database.path.parent / OUTPUTS, self.clock)
        self._whereabouts = Whereabouts(
            store, self.clock, config.folders(), partial(make_place, config), self._settle_in, self.bell.ring
        )
        self.places = self._whereabouts.places
        stopping = threading.Event()
        self.client = CivitaiClient(client_settings(config), sleep=stopping.wait)
        self.failure: StoreError | None = None
        self.on_failure: Callable[[], object] = self.bell.ring
        self.hall = Hall(
            store=store,
            steps=self._steps(),
            lanes=DeviceLanes(self._devices),
            bell=self.bell,
            clock=self.clock,
            stopping=stopping,
            stopped_scans=threading.Event(),
            on_fatal=self.fail,
            is_offline=config.is_offline,
            leave=make_leave(config, self.clock, zone_of(config), self._folders_on, lambda: store.orders.folder_ids),
            lull=Lull(self.clock.monotonic()),
            chunk_limits=chunk_limits(config),
            new_reader=self._new_reader,
        )
        self._backups = DailyBackups(store.database.path, config.file.store.backups, self.clock)
        self.watch = self._new_watch()
        bustle = Bustle(
            self.hall.quiet_seconds, self.hall.leave.is_calm, lambda ids: self.hall.leave.held(ids, self.clock.now())
        )
        self.calendar = Calendar(store, self.places, self.clock, self.bell.ring, calendar_settings(config), bustle)
        self.notifications = make_notifications(config, store, self.clock)
        self._teller = Teller(self.hall, Gauge(self.hall, self._devices))
        lanes = (
            [lane for lane in Lane if lane is not Lane.NETWORK or not config.is_offline] if is_reading else [Lane.DESK]
        )
        self._staff = Staff(self.hall, self._device_ids, lanes)

    @property
    def workers(self) -> list[Worker]:
        """The workers that were hired so far."""
        return self._staff.workers

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
            MatchWeights(store, self.client, clock),
            FetchPreviews(store, places, self.client, clock, self.config.file.api.nsfw.level_threshold),
            RenderPage(store, places, page_sites(self.config)),
            RenderGallery(store, places),
            VerifyFile(store, places, clock),
        )
        return {step.kind: step for step in steps}

    def _new_reader(self) -> Reader:
        return make_reader(self.config, self.places, self.hall, self._outputs)

    def _folders_on(self, device: str) -> list[str]:
        return [each.folder.id for each in [*self.places.values()] if each.traits.id == device]

    def _devices(self) -> dict[str, frozenset[str]]:
        devices: defaultdict[str, set[str]] = defaultdict(set)
        away = {state.id for state in self.store.folders.states() if state.offline_since is not None}
        for place in self.places.values():
            if place.folder.id not in away:
                devices[place.traits.id].add(place.folder.id)
        return {device: frozenset(folder_ids) for device, folder_ids in devices.items()}

    def _device_ids(self) -> set[str]:
        return {place.traits.id for place in [*self.places.values()]}

    def _new_watch(self) -> Watch:
        poll_seconds = self.config.file.watch.poll_interval
        return Watch(self.store, self.places, self.clock, self.bell.ring, poll_seconds)

    def fail(self, error: StoreError) -> None:
        """Take note that the journal is lost: whoever runs the house closes it then."""
        log.critical("journal_lost", reason=str(error))
        self.failure = error
        self.bell.ring()
        self.on_failure()

    def open(self, doors: Doors | None = None) -> None:
        """Open floor by floor: journal, workers, watch, calendar. The watch is up before the first scan is owed.

        Where that fails, `close` is due all the same, and another house for the next try.
        """
        self._doors = doors or Doors()
        heap.restrain()
        self.store.folders.sync(self.config.folders())
        self._whereabouts.look_around()
        self.store.files.reset_too_large(self.config.hashing_limit_bytes, TOO_LARGE, Priority.REST)
        owe_pickle_scans(self.store, self.clock.now())
        recovered = self.store.journal.recover()
        self.store.chunks.recover()
        log.info("journal_recovered", tasks=recovered)
        bring_back_at_start(self.store.journal, self.clock.now())
        self._tell_of_civitai()
        rise(self.hall)
        self._staff.renew()
        if self._doors.has_watch:
            self.watch.open()
            self._whereabouts.owe_scans(self.places)
        if self._doors.has_calendar:
            self.calendar.open(appointments(self.config))
            self.notifications.open()
        self._teller.start()
        self._is_open = True
        self.bell.ring()

    def heed(self, message: bytes) -> None:
        """Do what another process pokes for, see `watching/poke.py`; any poke says that there may be work."""
        if message == STOP_SCANS:
            self.hall.stopped_scans.set()
        if message == EASE_READING:
            self.hall.ease()
        if message == ASK_CIVITAI:
            self.client.ask_again()
        self.bell.ring()

    def close(self) -> list[str]:
        """Close in reverse: no new work, then what is in hand is finished or given back; gives the threads that are stuck."""
        self.client.close()
        self.hall.stopping.set()
        self.bell.ring()
        began_at = self.clock.monotonic()
        self.notifications.close()
        self.calendar.close()
        self.watch.close()
        for worker in self.workers:
            allowed = NETWORK_CLOSE_SECONDS if worker.lane is Lane.NETWORK else CLOSE_SECONDS
            worker.join(timeout=max(0.0, began_at + allowed - self.clock.monotonic()))
        self._teller.close(TELLER_SECONDS)
        try:
            self.hall.close()
            note_awake(self.hall)
        except ModelshelfError as error:
            log.warning("journal_not_written", reason=str(error))
        stuck = [thread.name for thread in (self.watch, *self.workers) if thread.is_alive()]
        log.info("house_closed", stuck=stuck)
        return stuck

    def is_alive(self) -> bool:
        """Tell whether every thread lives and the journal can be written to: what a heartbeat stands for."""
        is_heard = self.watch.is_alive() or not self._doors.has_watch
        return is_heard and self._staff.is_alive() and self.store.database.is_alive()

    def mend(self) -> None:
        """Do the half-minute's round: dead threads, deaf or absent folders; nothing that touches a disk where all is well.

        Each part of it may last, and the house be closed meanwhile: then nothing more is begun.
        """
        parts = (
            self.store.database.demand_own,
            self._look_to_workers,
            self._whereabouts.look_around,
            self._mend_watch,
            self._give_memory_back,
            self.notifications.go_round,
            self._keep_up_backups,
            self._tell_of_civitai,
            partial(end_runs, self.hall),
            partial(fulfil_orders, self.hall),
            lambda: self.store.chunks.end_read(self.clock.now()),
        )
        for part in parts:
            if self.hall.stopping.is_set() or self.failure is not None:
                return
            part()

    def _keep_up_backups(self) -> None:
        with suppress(WorkStopped):
            self._backups.keep_up(self._go_on)

    def _tell_of_civitai(self) -> None:
        """Keep how asking goes for other processes to see, where that changed; what waits for an endpoint comes back with it."""
        vitals, before = self.client.vitals(), self._told_vitals
        if vitals == before:
            return
        self.store.standing.put(CIVITAI_STANDING, to_json(vitals))
        self._told_vitals = vitals
        if before is not None and before.ailing - vitals.ailing:
            bring_back_questions(self.store.journal, self.clock.now())
            self.bell.ring()

    def _go_on(self) -> None:
        if self.hall.stopping.is_set():
            raise WorkStopped("the daemon stops")

    def _look_to_workers(self) -> None:
        """See that every device has its workers, and why one of them is silent: its folders may not answer any more."""
        if not self._is_open:
            return
        self._staff.renew()
        silent = self._staff.silent_devices()
        self._whereabouts.question([each.folder.id for each in self.places.values() if each.traits.id in silent])

    def _mend_watch(self) -> None:
        if not (self._is_open and self._doors.has_watch):
            return
        if self.watch.is_alive():
            self.watch.mend()
            return
        if self.hall.stopping.is_set():
            return  # it was closed, just now
        log.error("watch_replaced")
        self.watch.close()
        self.watch = self._new_watch()
        self.watch.open()
        if self.hall.stopping.is_set():
            self.watch.close()
        self._whereabouts.owe_scans(self.places)

    def _give_memory_back(self) -> None:
        """Once after each burst of work: the bell rings for every piece of it."""
        rings = self.bell.rings
        if rings != self._rings_at_rest and not self.hall.in_hand:
            self._rings_at_rest = rings
            heap.give_back()

    def _settle_in(self, place: Place) -> None:
        """Go by where a folder lies now: its workers, its watches, and how often it is scanned."""
        if not self._is_open or self.hall.stopping.is_set():
            return
        self._staff.renew()
        if self._doors.has_watch:
            self.watch.renew(place.folder.id)
        if self._doors.has_calendar:
            self.calendar.reschedule(place)

    def heed_clock(self, jump_seconds: float) -> None:
        """Go by the wall clock's new time; where it was set back, nothing waits for the old one to come again."""
        log.info("clock_jumped", seconds=round(jump_seconds))
        self.calendar.wake()
        wake_up(self.hall, jump_seconds)
        if jump_seconds < 0:
            self.calendar.begin_anew()
            self._pull_in()
        self.bell.ring()

    def _pull_in(self) -> None:
        now = self.clock.now()
        lingering = Reports(self.store.database).soon(ORDER, [*self.places], now + FAR_AHEAD, now + CENTURY)
        failed = put_off_beyond(self.store.journal, now + FAR_AHEAD)
        with self.store.database.transaction():
            self.store.journal.add([NewTask(task.kind, task.subject, task.path) for task in lingering], now)
            self.store.journal.bring_back(failed, now)
            self.store.contents.pull_in(now + LATEST_LOOKUP, now)
            self.store.remote.pull_in(now + LATEST_LOOKUP, now)
        self._whereabouts.owe_scans(self.places)


def calendar_settings(config: Config) -> CalendarSettings:
    """Give the calendar's own settings."""
    watch = config.file.watch
    return CalendarSettings(
        zone_name=config.file.schedule.timezone,
        rescan=timedelta(seconds=watch.rescan_interval),
        poll=timedelta(seconds=watch.poll_interval),
        keep=timedelta(days=config.file.store.keep_days),
    )


def zone_of(config: Config) -> tzinfo:
    """Give the time zone by which schedules, windows and quiet hours are read."""
    name = config.file.schedule.timezone
    return ZoneInfo(name) if name else local_zone()


def make_notifications(config: Config, store: Store, clock: Clock) -> Notifications:
    """Give what tells a person; it tells nobody where no target is configured, or nothing can be told."""
    wanted = config.file.notifications
    settings = NotificationSettings(
        targets=config.told_targets,
        notices=frozenset(wanted.tell),
        digest=timedelta(seconds=wanted.digest),
        quiet_hours=QuietHours.of(wanted.quiet_hours) if wanted.quiet_hours else None,
        zone=zone_of(config),
    )
    paths = {":state": config.state_directory, **{folder.id: folder.path for folder in config.folders()}}
    return Notifications(store, clock, settings, FreeSpace(store, clock, paths))
