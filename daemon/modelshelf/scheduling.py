"""The calendar: when each Job with a `schedule:` is due, when every folder gets its safety scan, and what was missed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from tzlocal import get_localzone

from modelshelf.domain.task import NewTask, Priority, TaskKind
from modelshelf.errors import TransientError
from modelshelf.logs import get_log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, tzinfo

    from modelshelf.clock import Clock
    from modelshelf.steps.place import Place, Places
    from modelshelf.store.store import Store

log = get_log(__name__)

HOUSEKEEPING = timedelta(days=1)
"""How often old runs and events are forgotten, beside once at every start."""

RETRY = timedelta(minutes=5)
LONGEST_REPEAT = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class CalendarSettings:
    """`zone_name` None: the machine's own. A folder with events is walked every `rescan`, one without every `poll`."""

    zone_name: str | None = None
    rescan: timedelta = timedelta(days=1)
    poll: timedelta = timedelta(minutes=15)
    keep: timedelta = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Appointment:
    """A Job and when it is due: a cron text of five fields, or an interval."""

    job_name: str
    folder_ids: tuple[str, ...]
    cron: str | None
    interval: timedelta | None
    is_forced: bool = False

    def trigger(self, zone: tzinfo) -> Any:
        """Give APScheduler's trigger for it."""
        if self.cron is not None:
            return CronTrigger.from_crontab(self.cron, timezone=zone)
        return IntervalTrigger(seconds=int(self._interval.total_seconds()), timezone=zone)

    def due_after(self, last: datetime, zone: tzinfo) -> datetime | None:
        """Give when it is due after a run that began at `last`: an interval counts from there, not from a restart."""
        if self.cron is None:
            return last + self._interval
        due_at: datetime | None = self.trigger(zone).get_next_fire_time(
            None, last.astimezone(zone) + timedelta(seconds=1)
        )
        return due_at

    def is_repeat(self, last: datetime, now: datetime, zone: tzinfo) -> bool:
        """Tell whether `now` is only the hour of `last` once more, on the night when clocks go back.

        A fixed time of day runs once in such a night, every so many minutes goes by real time: cron(8) has it so.
        """
        is_fixed = self.cron is not None and "*" not in "".join(self.cron.split()[:2])
        if not is_fixed or not timedelta(0) <= now - last <= LONGEST_REPEAT:
            return False
        before, again = (
            moment.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0) for moment in (last, now)
        )
        return again <= before

    @property
    def _interval(self) -> timedelta:
        return self.interval or HOUSEKEEPING


class Calendar:
    """APScheduler as the clock only: a due job adds tasks and returns; what was missed is known from the runs."""

    def __init__(
        self, store: Store, places: Places, clock: Clock, ring: Callable[[], None], settings: CalendarSettings
    ) -> None:
        self._store = store
        self._places = places
        self._clock = clock
        self._ring = ring
        self._settings = settings
        self._zone = ZoneInfo(settings.zone_name) if settings.zone_name else local_zone()
        self._scheduler = BackgroundScheduler(
            timezone=self._zone,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def open(self, appointments: Sequence[Appointment]) -> None:
        """Enter every appointment and the safety scans, catch up on what was missed, and start."""
        for appointment in appointments:
            self._enter(appointment)
        for place in self._places.values():
            self.reschedule(place)
        self._scheduler.add_job(
            self._keep_house, IntervalTrigger(seconds=int(HOUSEKEEPING.total_seconds()), timezone=self._zone)
        )
        self._keep_house()
        self._scheduler.start()

    def close(self) -> None:
        """Stop the clock; its jobs only add tasks, so there is nothing to wait for."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def reschedule(self, place: Place) -> None:
        """Let a folder's safety scans come as often as its Place now asks for; nothing else of it is changed."""
        self._scheduler.add_job(
            self._scan,
            self._safety_trigger(place),
            args=[place.folder.id],
            id=f"scan:{place.folder.id}",
            replace_existing=True,
        )

    def wake(self) -> None:
        """Look at the wall clock again: after a suspend the library sleeps too long."""
        if self._scheduler.running:
            self._scheduler.wakeup()

    def _safety_trigger(self, place: Place) -> Any:
        interval = self._settings.rescan if place.has_events else self._settings.poll
        seconds = int(interval.total_seconds() * random.uniform(0.75, 1.25))  # noqa: S311  # spreads load
        return IntervalTrigger(seconds=seconds, timezone=self._zone)

    def _enter(self, appointment: Appointment) -> None:
        name = appointment.job_name
        last = self._store.runs.latest_of_job(name)
        due_at = appointment.due_after(last.started_at, self._zone) if last else None
        is_missed = due_at is not None and due_at <= self._clock.now()
        if is_missed:
            log.info("job_caught_up", job=name)
            self._begin(appointment)
        at = {"next_run_time": due_at} if due_at is not None and not is_missed else {}
        self._scheduler.add_job(
            self._begin, appointment.trigger(self._zone), args=[appointment], id=f"job:{name}", **at
        )

    def _begin(self, appointment: Appointment) -> None:
        last = self._store.runs.latest_of_job(appointment.job_name)
        if last is not None and appointment.is_repeat(last.started_at, self._clock.now(), self._zone):
            return
        self._add(begin_run, self._store, appointment, self._clock, Priority.CHANGED)

    def _add(self, add: Callable[..., object], *given: object) -> None:
        """Let `add` use the journal; where that has no room, or another process holds it, a little later once more."""
        try:
            add(*given)
        except TransientError as error:
            log.warning("journal_not_written", reason=str(error))
            self._scheduler.add_job(self._add, "date", run_date=self._clock.now() + RETRY, args=[add, *given])
        self._ring()

    def _keep_house(self) -> None:
        self._add(self._prune)

    def _prune(self) -> None:
        before = self._clock.now() - self._settings.keep
        self._store.runs.prune(before)
        self._store.events.prune(before)
        self._store.formers.prune(before)

    def _scan(self, folder_id: str) -> None:
        self._add(self._store.journal.add, [NewTask(TaskKind.SCAN_FOLDER, folder_id)], self._clock.now())


def local_zone() -> tzinfo:
    """Give the machine's time zone, UTC where it is not set up."""
    try:
        return get_localzone()
    except (LookupError, ValueError, OSError) as error:
        log.warning("time_zone_not_found", reason=str(error))
        return UTC


def begin_run(store: Store, appointment: Appointment, clock: Clock, priority: Priority) -> int:
    """Start a Run of a job: a scan of each of its folders, owed in the journal from here on; gives the run's id."""
    now = clock.now()
    with store.database.transaction():
        run_id = store.runs.start(appointment.job_name, now)
        store.journal.add(
            [
                NewTask(
                    TaskKind.SCAN_FOLDER,
                    folder_id,
                    priority=priority,
                    run_id=run_id,
                    is_forced=appointment.is_forced,
                )
                for folder_id in appointment.folder_ids
            ],
            now,
        )
    log.info("job_started", job=appointment.job_name, run=run_id)
    return run_id
