from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from modelshelf import scheduling
from modelshelf.domain.folder import WatchMode
from modelshelf.domain.task import Priority, TaskKind
from modelshelf.errors import DiskFull
from modelshelf.scheduling import Appointment, Calendar, CalendarSettings, begin_run, local_zone
from tests.unit.steps.step_shelf import TRAITS, StepShelf
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from modelshelf.domain.run import Run

NIGHTLY = Appointment("nightly", ("loras",), cron="0 2 * * *", interval=None)
OFTEN = Appointment("often", ("loras",), cron=None, interval=timedelta(hours=6))
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
    run_id = shelf.store.runs.start(appointment.job_name, shelf.clock.now() - ago)
    shelf.store.runs.end(run_id, shelf.clock.now() - ago)


def runs(shelf: StepShelf) -> list[Run]:
    """Give the runs that go on."""
    return [run for run in shelf.store.runs.latest(10) if run.ended_at is None]


def jobs(calendar: Calendar) -> dict[str, Any]:
    """Give what is entered in the calendar, by id."""
    return {job.id: job for job in calendar._scheduler.get_jobs()}


def test_a_run_is_a_scan_of_each_folder_owed_from_the_start(shelf: StepShelf) -> None:
    appointment = Appointment("job", ("loras", "more"), None, None, is_forced=True)
    run_id = begin_run(shelf.store, appointment, shelf.clock, Priority.PERSON)
    tasks = shelf.tasks(TaskKind.SCAN_FOLDER)
    assert [(task.subject, task.run_id, task.priority, task.is_forced) for task in tasks] == [
        ("loras", run_id, Priority.PERSON, True),
        ("more", run_id, Priority.PERSON, True),
    ]


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


def test_an_interval_counts_from_the_last_run_not_from_the_restart(shelf: StepShelf, calendar: Calendar) -> None:
    ran(shelf, OFTEN, timedelta(hours=5))
    calendar.open([OFTEN])
    assert jobs(calendar)["job:often"].next_run_time == shelf.clock.now() + timedelta(hours=1)


def test_cron_means_the_clock_on_the_wall(shelf: StepShelf) -> None:
    zone = ZoneInfo("Europe/Berlin")
    summer, winter = datetime(2026, 7, 1, 12, tzinfo=UTC), datetime(2026, 12, 1, 12, tzinfo=UTC)
    due = [NIGHTLY.due_after(each, zone) for each in (summer, winter)]
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
