"""The calendar: when each Job with a `schedule:` is due, when every folder gets its safety scan, and what was missed."""

from __future__ import annotations

import math
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
from modelshelf.steps.beginning import begin_run

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime, tzinfo

    from modelshelf.clock import Clock
    from modelshelf.domain.job import Appointment
    from modelshelf.steps.place import Place, Places
    from modelshelf.store.store import Store

log = get_log(__name__)

HOUSEKEEPING = timedelta(days=1)
"""How often old runs and events are forgotten, beside once at every start."""

RETRY = timedelta(minutes=5)
LONGEST_REPEAT = timedelta(hours=2)

GRACE_SECONDS = 600
"""A job whose missed times are skipped still runs where it is late by no more than this."""


def _always() -> float:
    return math.inf


@dataclass(frozen=True, slots=True)
class CalendarSettings:
    """`zone_name` None: the machine's own. A folder with events is walked every `rescan`, one without every `poll`."""

    zone_name: str | None = None
    rescan: timedelta = timedelta(days=1)
    poll: timedelta = timedelta(minutes=15)
    keep: timedelta = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Bustle:
    """What goes on in the house, as the calendar asks.

    For how long nobody dropped or asked for anything, whether the disks are at rest too, and whose bulk reading must wait.
    """

    quiet_seconds: Callable[[], float] = _always
    is_calm: Callable[[], bool] = lambda: True
    held: Callable[[Collection[str]], Collection[str]] = frozenset


class Calendar:
    """APScheduler as the clock only: a due job adds tasks and returns; what was missed is known from the runs."""

    def __init__(
        self,
        store: Store,
        places: Places,
        clock: Clock,
        ring: Callable[[], None],
        settings: CalendarSettings,
        bustle: Bustle | None = None,
    ) -> None:
        self._store = store
        self._places = places
        self._clock = clock
        self._ring = ring
        self._settings = settings
        self._bustle = bustle or Bustle()
        self._appointments: tuple[Appointment, ...] = ()
        self._zone = ZoneInfo(settings.zone_name) if settings.zone_name else local_zone()
        self._scheduler = BackgroundScheduler(
            timezone=self._zone,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def open(self, appointments: Sequence[Appointment]) -> None:
        """Enter every appointment and the safety scans, catch up on what was missed, and start."""
        self._appointments = tuple(appointments)
        self._enter_all()
        self._keep_house()
        self._scheduler.start()

    def begin_anew(self) -> None:
        """Enter everything anew: the clock was set back, and what was entered may be due in years."""
        if self._scheduler.running:
            self._scheduler.remove_all_jobs()
            self._enter_all()

    def _enter_all(self) -> None:
        for appointment in self._appointments:
            self._enter(appointment)
        for place in self._places.values():
            self.reschedule(place)
        self._scheduler.add_job(
            self._keep_house, IntervalTrigger(seconds=int(HOUSEKEEPING.total_seconds()), timezone=self._zone)
        )

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
        if appointment.lull is not None:
            self._await_lull(appointment)
            return
        last, now = self._store.runs.latest_of_job(name), self._clock.now()
        is_believed = last is not None and last.started_at <= now  # else the clock was wrong then
        due_at = due_after(appointment, last.started_at, self._zone) if last and is_believed else None
        is_missed = due_at is not None and due_at <= now
        if is_missed and appointment.is_missed_run:
            log.info("job_caught_up", job=name)
            self._begin(appointment)
        at = {"next_run_time": due_at} if due_at is not None and not is_missed else {}
        grace = {} if appointment.is_missed_run else {"misfire_grace_time": GRACE_SECONDS}
        self._scheduler.add_job(
            self._begin, trigger_of(appointment, self._zone), args=[appointment], id=f"job:{name}", **at, **grace
        )

    def _begin(self, appointment: Appointment) -> None:
        """Begin a run, unless it is only the same hour once more or the last run goes on: that is left to go on."""
        name, now = appointment.job_name, self._clock.now()
        last = self._store.runs.latest_of_job(name)
        if last is not None and is_repeat(appointment, last.started_at, now, self._zone):
            return
        if (going_on := self._store.runs.under_way(name, now, self._bustle.held)) is not None:
            log.warning("job_left_to_go_on", job=name, run=going_on.id, since=str(going_on.started_at))
            return
        self._add(begin_run, self._store, appointment, self._clock, Priority.CHANGED)

    def _await_lull(self, appointment: Appointment) -> None:
        """Begin a run in the first lull of the day, and look again when the next one may have come: nothing is missed."""
        lull, now = appointment.lull or HOUSEKEEPING, self._clock.now()
        last = self._store.runs.latest_of_job(appointment.job_name)
        left_seconds = lull.total_seconds() - self._bustle.quiet_seconds()
        if last is not None and last.started_at.astimezone(self._zone).date() == now.astimezone(self._zone).date():
            look_at = self._tomorrow(now)
        elif left_seconds > 0:
            look_at = now + timedelta(seconds=left_seconds)
        elif not self._bustle.is_calm():
            look_at = now + RETRY
        else:
            self._begin(appointment)
            look_at = self._tomorrow(now)
        self._scheduler.add_job(
            self._await_lull,
            "date",
            run_date=look_at,
            args=[appointment],
            id=f"job:{appointment.job_name}",
            replace_existing=True,
        )

    def _tomorrow(self, now: datetime) -> datetime:
        today = now.astimezone(self._zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return (today + timedelta(days=1)).astimezone(UTC)

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
        self._store.chunks.prune(before)
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


def trigger_of(appointment: Appointment, zone: tzinfo) -> Any:
    """Give APScheduler's trigger for it."""
    if appointment.cron is not None:
        return CronTrigger.from_crontab(appointment.cron, timezone=zone)
    return IntervalTrigger(seconds=int(_interval(appointment).total_seconds()), timezone=zone)


def due_after(appointment: Appointment, last: datetime, zone: tzinfo) -> datetime | None:
    """Give when it is due after a run that began at `last`: an interval counts from there, not from a restart."""
    if appointment.cron is None:
        return last + _interval(appointment)
    due_at: datetime | None = trigger_of(appointment, zone).get_next_fire_time(
        None, last.astimezone(zone) + timedelta(seconds=1)
    )
    return due_at


def is_repeat(appointment: Appointment, last: datetime, now: datetime, zone: tzinfo) -> bool:
    """Tell whether `now` is only the hour of `last` once more, on the night when clocks go back.

    A fixed time of day runs once in such a night, every so many minutes goes by real time: cron(8) has it so.
    """
    is_fixed = appointment.cron is not None and "*" not in "".join(appointment.cron.split()[:2])
    if not is_fixed or not timedelta(0) <= now - last <= LONGEST_REPEAT:
        return False
    before, again = (moment.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0) for moment in (last, now))
    return again <= before


def _interval(appointment: Appointment) -> timedelta:
    return appointment.interval or HOUSEKEEPING
