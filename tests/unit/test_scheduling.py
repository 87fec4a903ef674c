from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from modelshelf import scheduling
from modelshelf.domain.folder import WatchMode
from modelshelf.domain.job import Appointment, Deed, JobKind
from modelshelf.domain.task import Priority, TaskKind
from modelshelf.errors import DiskFull
from modelshelf.scheduling import Bustle, Calendar, CalendarSettings, due_after, local_zone
from modelshelf.steps.beginning import begin_run
from tests import builders
from tests.fakes.clock import FakeClock
from tests.logged import logged
from tests.unit.steps.step_shelf import TRAITS, StepShelf
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from modelshelf.domain.run import Run

SCAN = (Deed(JobKind.SCAN_PATHS, ("loras",)),)
NIGHTLY = Appointment("nightly", SCAN, cron="0 2 * * *")
OFTEN = Appointment("often", SCAN, interval=timedelta(hours=6))
UTC_SETTINGS = CalendarSettings(zone_name="UTC")


class Ring:
    """Counts how often it rang."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[StepShelf]:
    made = StepShelf(tmp_path)
    yield made
    made.close()


@pytest.fixture
def ring() -> Ring:
    return Ring()


@pytest.fixture
def calendar(shelf: StepShelf, ring: Ring, monkeypatch: pytest.MonkeyPatch) -> Iterator[Calendar]:
    """Give a calendar whose library sleeps until `resume`: it knows the machine's clock only."""
    made = Calendar(shelf.store, shelf.places, shelf.clock, ring, UTC_SETTINGS)
    start = made._scheduler.start
    monkeypatch.setattr(made._scheduler, "start", lambda: start(paused=True))
    yield made
    made.close()


def ran(shelf: StepShelf, appointment: Appointment, ago: timedelta) -> None:
    """Let a job have run so long ago."""
    began_at = shelf.clock.now() - ago
    run_id = shelf.store.runs.start(appointment.job_name, began_at, appointment.folder_ids)
    shelf.store.runs.end(run_id, shelf.clock.now() - ago)


def runs(shelf: StepShelf) -> list[Run]:
    """Give the runs that go on."""
    return [run for run in shelf.store.runs.latest(10) if run.ended_at is None]


def jobs(calendar: Calendar) -> dict[str, Any]:
    """Give what is entered in the calendar, by id."""
    return {job.id: job for job in calendar._scheduler.get_jobs()}


@pytest.mark.parametrize(
    ("appointment", "ago", "is_due"),
    [
        (NIGHTLY, timedelta(hours=9), False),
        (NIGHTLY, timedelta(hours=11), True),
        (NIGHTLY, timedelta(days=30), True),
        (OFTEN, timedelta(hours=5), False),
        (OFTEN, timedelta(hours=6), True),
        (OFTEN, timedelta(days=30), True),
    ],
)
def test_what_was_missed_while_the_daemon_was_away_runs_once_at_start(
    appointment: Appointment, ago: timedelta, *, is_due: bool, shelf: StepShelf, calendar: Calendar, ring: Ring
) -> None:
    ran(shelf, appointment, ago)
    calendar.open([appointment])
    assert len(runs(shelf)) == is_due
    assert len(shelf.tasks()) == is_due


def test_a_job_that_never_ran_waits_for_its_time(shelf: StepShelf, calendar: Calendar) -> None:
    calendar.open([NIGHTLY, OFTEN])
    assert not shelf.tasks()


@pytest.mark.parametrize("appointment", [NIGHTLY, OFTEN])
def test_a_last_run_in_the_future_puts_nothing_off(
    appointment: Appointment, shelf: StepShelf, calendar: Calendar
) -> None:
    ran(shelf, appointment, -timedelta(days=3650))
    calendar.open([appointment])
    assert not runs(shelf)
    assert jobs(calendar)[f"job:{appointment.job_name}"].next_run_time < datetime.now(UTC) + timedelta(days=2)


def test_after_the_clock_was_set_back_everything_is_entered_anew(shelf: StepShelf, calendar: Calendar) -> None:
    calendar.begin_anew()
    assert not jobs(calendar), "it is not open"
    calendar.open([NIGHTLY, OFTEN])
    for each in jobs(calendar).values():
        each.modify(next_run_time=datetime.now(UTC) + timedelta(days=3650))
    calendar.begin_anew()
    entered = jobs(calendar)
    assert {"job:nightly", "job:often", "scan:loras"} < entered.keys()
    assert len(entered) == 4
    assert all(each.next_run_time < datetime.now(UTC) + timedelta(days=2) for each in entered.values())


def test_an_interval_counts_from_the_last_run_not_from_the_restart(shelf: StepShelf, calendar: Calendar) -> None:
    ran(shelf, OFTEN, timedelta(hours=5))
    calendar.open([OFTEN])
    assert jobs(calendar)["job:often"].next_run_time == shelf.clock.now() + timedelta(hours=1)


def test_cron_means_the_clock_on_the_wall(shelf: StepShelf) -> None:
    zone = ZoneInfo("Europe/Berlin")
    summer, winter = datetime(2026, 7, 1, 12, tzinfo=UTC), datetime(2026, 12, 1, 12, tzinfo=UTC)
    due = [due_after(NIGHTLY, each, zone) for each in (summer, winter)]
    assert [each.astimezone(UTC).hour for each in due if each] == [0, 1]


def test_every_folder_is_scanned_by_itself_oftener_where_it_has_no_events(shelf: StepShelf, calendar: Calendar) -> None:
    deaf = shelf.add_folder("deaf")
    shelf.places["deaf"] = replace(deaf, traits=replace(TRAITS, has_events=False))
    polled = shelf.add_folder("polled")
    shelf.places["polled"] = replace(polled, folder=replace(polled.folder, watch=WatchMode.POLL))
    heard = shelf.add_folder("heard")
    forced = replace(heard.folder, watch=WatchMode.EVENTS)
    shelf.places["heard"] = replace(heard, folder=forced, traits=replace(TRAITS, has_events=False))
    calendar.open([])
    intervals = {name: job.trigger.interval for name, job in jobs(calendar).items() if name.startswith("scan:")}
    day, quarter = timedelta(days=1), timedelta(minutes=15)
    for folder_id, usual in (("loras", day), ("deaf", quarter), ("polled", quarter), ("heard", day)):
        assert 0.7 * usual < intervals[f"scan:{folder_id}"] < 1.3 * usual


def test_a_folder_that_lies_elsewhere_now_is_scanned_as_often_as_that_asks_for(
    shelf: StepShelf, calendar: Calendar
) -> None:
    calendar.open([])
    shelf.places["loras"] = replace(shelf.places["loras"], traits=replace(TRAITS, has_events=False))
    calendar.reschedule(shelf.places["loras"])
    assert jobs(calendar)["scan:loras"].trigger.interval < timedelta(minutes=20)


def test_a_due_scan_is_owed_and_the_workers_are_woken(shelf: StepShelf, calendar: Calendar, ring: Ring) -> None:
    calendar.open([NIGHTLY])
    for job in jobs(calendar).values():
        job.modify(next_run_time=datetime.now(UTC))
    calendar._scheduler.resume()
    wait_until(lambda: ring.count >= 4)
    assert [task.subject for task in shelf.tasks()] == ["loras"]
    assert [run.job_name for run in runs(shelf)] == ["nightly"]
    calendar.wake()


def test_old_runs_and_events_are_forgotten_at_every_start(shelf: StepShelf, calendar: Calendar) -> None:
    ran(shelf, NIGHTLY, timedelta(days=91))
    ran(shelf, NIGHTLY, timedelta(hours=1))
    shelf.store.events.add("file_moved", shelf.clock.now() - timedelta(days=91))
    shelf.store.events.add("file_moved", shelf.clock.now())
    calendar.open([])
    assert len(shelf.store.runs.latest(10)) == 1
    assert len(shelf.store.events.latest(10)) == 1


def test_what_the_journal_cannot_take_is_added_a_little_later(
    shelf: StepShelf, calendar: Calendar, ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [DiskFull("full")]

    def begin_if_there_is_room(*given: Any) -> int:
        if refusals:
            raise refusals.pop()
        return begin_run(*given)

    monkeypatch.setattr(scheduling, "begin_run", begin_if_there_is_room)
    ran(shelf, NIGHTLY, timedelta(days=3))
    calendar.open([NIGHTLY])
    assert not runs(shelf)
    (later,) = [job for job in jobs(calendar).values() if job.name.endswith("_add")]
    later.modify(next_run_time=datetime.now(UTC))
    calendar._scheduler.resume()
    wait_until(lambda: runs(shelf))


def test_a_calendar_that_was_never_opened_can_be_closed(calendar: Calendar) -> None:
    calendar.wake()
    calendar.close()
    calendar.close()


def test_the_machine_s_own_zone_is_used_unless_another_is_named(shelf: StepShelf, ring: Ring) -> None:
    made = Calendar(shelf.store, shelf.places, shelf.clock, ring, CalendarSettings())
    assert made._zone == local_zone()


def test_a_machine_without_a_zone_goes_by_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise LookupError("no zone")

    monkeypatch.setattr(scheduling, "get_localzone", refuse)
    assert local_zone() is UTC


def test_a_job_whose_times_are_skipped_is_not_caught_up(shelf: StepShelf, calendar: Calendar) -> None:
    ran(shelf, NIGHTLY, timedelta(days=3))
    calendar.open([replace(NIGHTLY, is_missed_run=False)])
    assert not runs(shelf)
    due = jobs(calendar)["job:nightly"]
    assert due.misfire_grace_time == scheduling.GRACE_SECONDS
    assert due.next_run_time > shelf.clock.now()


def test_times_missed_one_after_the_other_are_made_up_for_by_one_run(shelf: StepShelf, calendar: Calendar) -> None:
    calendar.open([OFTEN])
    due = jobs(calendar)["job:often"]
    assert (due.coalesce, due.misfire_grace_time) == (True, None)


def test_a_job_slept_through_runs_once_when_the_machine_wakes(shelf: StepShelf, calendar: Calendar) -> None:
    calendar.open([OFTEN])
    jobs(calendar)["job:often"].modify(next_run_time=datetime.now(UTC) - timedelta(days=5))
    calendar._scheduler.resume()
    calendar.wake()
    wait_until(lambda: runs(shelf))
    assert jobs(calendar)["job:often"].next_run_time > datetime.now(UTC)
    assert len(runs(shelf)) == 1


def test_a_run_that_goes_on_is_left_to_go_on(shelf: StepShelf, calendar: Calendar) -> None:
    calendar._begin(OFTEN)
    shelf.clock.advance(6 * 3600)
    with logged() as logs:
        calendar._begin(OFTEN)
    assert len(shelf.store.runs.latest(10)) == 1
    assert [(each["event"], each["job"]) for each in logs] == [("job_left_to_go_on", "often")]
    shelf.drain()
    calendar._begin(OFTEN)
    assert len(shelf.store.runs.latest(10)) == 2


def test_a_run_that_only_waits_for_an_absent_folder_keeps_no_other_from_beginning(
    shelf: StepShelf, calendar: Calendar
) -> None:
    calendar._begin(OFTEN)
    shelf.store.folders.set_offline("loras", "away", shelf.clock.now())
    calendar._begin(OFTEN)
    assert len(shelf.store.runs.latest(10)) == 2
    assert len(shelf.tasks(TaskKind.SCAN_FOLDER)) == 1


def test_a_run_whose_reading_has_no_leave_keeps_no_other_from_beginning(shelf: StepShelf, ring: Ring) -> None:
    held: set[str] = set()
    made = Calendar(shelf.store, shelf.places, shelf.clock, ring, UTC_SETTINGS, Bustle(held=lambda _: held))
    shelf.put("a.safetensors", builders.lora(1))
    shelf.scan(priority=Priority.REST)
    made._begin(OFTEN)
    shelf.store.journal.drop_scans(shelf.tasks())
    made._begin(OFTEN)
    assert len(shelf.store.runs.latest(10)) == 1, "its reading goes on"
    held.add("loras")
    made._begin(OFTEN)
    assert len(shelf.store.runs.latest(10)) == 2


def test_a_run_that_is_over_keeps_no_other_from_beginning_whatever_is_still_to_be_read(
    shelf: StepShelf, calendar: Calendar
) -> None:
    shelf.put("a.safetensors", builders.lora(1))
    shelf.scan()
    ran(shelf, OFTEN, timedelta(hours=6))
    calendar._begin(OFTEN)
    assert len(shelf.store.runs.latest(10)) == 2


def test_a_run_is_not_waited_for_longer_than_half_a_day(shelf: StepShelf, calendar: Calendar) -> None:
    shelf.put("a.safetensors", builders.lora(1))
    shelf.scan()
    shelf.store.runs.start("often", shelf.clock.now() - timedelta(hours=12), ["loras"])
    calendar._begin(OFTEN)
    assert len(shelf.store.runs.latest(10)) == 2


class Idleness:
    """A calendar with one idle job, in a house whose bustle is set by hand."""

    def __init__(self, shelf: StepShelf, calendar: Calendar) -> None:
        self.shelf, self.calendar = shelf, calendar
        self.quiet, self.is_calm = timedelta(hours=1), True
        calendar._bustle = Bustle(lambda: self.quiet.total_seconds(), lambda: self.is_calm)  # noqa: PLW0108 -- it changes
        calendar._zone = UTC

    def look(self) -> timedelta:
        """Open, or look as the calendar does when the time has come; gives after how long the next look is."""
        self.calendar._await_lull(IDLE)
        at: datetime = jobs(self.calendar)["job:idle"].next_run_time or self.shelf.clock.now()
        return at - self.shelf.clock.now()


IDLE = Appointment("idle", SCAN, lull=timedelta(minutes=15))


@pytest.fixture
def idleness(shelf: StepShelf, calendar: Calendar) -> Idleness:
    calendar.open([])
    return Idleness(shelf, calendar)


def test_an_idle_job_runs_in_the_first_lull_and_once_a_day(idleness: Idleness, shelf: StepShelf) -> None:
    assert idleness.look() == timedelta(hours=12), "it is noon"
    assert len(runs(shelf)) == 1
    shelf.drain()
    shelf.clock.advance(3600)
    idleness.look()
    assert len(shelf.store.runs.latest(10)) == 1
    shelf.clock.advance(11 * 3600)
    idleness.look()
    assert len(shelf.store.runs.latest(10)) == 2


def test_an_idle_job_waits_until_the_lull_is_long_enough(idleness: Idleness, shelf: StepShelf) -> None:
    idleness.quiet = timedelta(minutes=5)
    assert idleness.look() == timedelta(minutes=10)
    assert not runs(shelf)


def test_an_idle_job_waits_until_the_disks_are_at_rest(idleness: Idleness, shelf: StepShelf) -> None:
    idleness.is_calm = False
    assert idleness.look() == timedelta(minutes=5)
    assert not runs(shelf)


def test_a_day_without_a_lull_is_no_debt(idleness: Idleness, shelf: StepShelf) -> None:
    ran(shelf, IDLE, timedelta(days=5))
    idleness.quiet = timedelta()
    assert idleness.look() == timedelta(minutes=15)
    assert not runs(shelf)
    idleness.quiet = timedelta(hours=1)
    idleness.look()
    assert len(shelf.store.runs.latest(10)) == 2


def test_an_idle_job_is_entered_at_the_start(shelf: StepShelf, calendar: Calendar) -> None:
    calendar.open([IDLE])
    assert len(runs(shelf)) == 1
    assert "job:idle" in jobs(calendar)


def test_a_last_run_that_a_wrong_clock_put_into_the_future_holds_up_no_idle_job(
    idleness: Idleness, shelf: StepShelf
) -> None:
    ran(shelf, IDLE, -timedelta(days=300))
    idleness.look()
    assert len(shelf.store.runs.latest(10)) == 2


@pytest.mark.parametrize(
    ("appointment", "again", "runs_again"),
    [
        (NIGHTLY, "2026-10-25T01:00Z", False),
        (NIGHTLY, "2026-10-26T01:00Z", True),
        (replace(NIGHTLY, cron="*/30 * * * *"), "2026-10-25T01:00Z", True),
        (OFTEN, "2026-10-25T01:00Z", True),
    ],
)
def test_a_fixed_time_of_day_runs_once_in_the_night_when_it_comes_twice(
    appointment: Appointment, again: str, *, runs_again: bool, tmp_path: Path, ring: Ring
) -> None:
    shelf = StepShelf(tmp_path)
    shelf.clock = FakeClock(datetime(2026, 10, 25, 0, tzinfo=UTC))
    made = Calendar(shelf.store, shelf.places, shelf.clock, ring, CalendarSettings("Europe/Berlin"))
    shelf.store.runs.end(begin_run(shelf.store, appointment, shelf.clock, Priority.CHANGED), shelf.clock.now())
    shelf.store.journal.drop_scans(shelf.tasks())
    shelf.clock.advance((datetime.fromisoformat(again) - shelf.clock.now()).total_seconds())
    made._begin(appointment)
    assert len(shelf.store.runs.latest(10)) == 1 + runs_again
    shelf.close()


def test_the_library_looks_again_until_a_lull_has_come(shelf: StepShelf, ring: Ring) -> None:
    looks: list[float] = []

    def quiet_seconds() -> float:
        looks.append(1.0)
        return 0.0 if len(looks) < 4 else 3600.0

    made = Calendar(shelf.store, shelf.places, shelf.clock, ring, UTC_SETTINGS, Bustle(quiet_seconds))
    made.open([IDLE])
    try:
        wait_until(lambda: runs(shelf))
    finally:
        made.close()
    assert len(runs(shelf)) == 1
