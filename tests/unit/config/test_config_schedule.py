"""Schedules: what people write, as APScheduler understands it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.triggers.cron import CronTrigger

from modelshelf.config.schedule import parse_schedule


@pytest.mark.parametrize(
    ("written", "cron"),
    [
        ("0 2 * * *", "0 2 * * *"),
        ("*/15 0-5 1,15 jan-mar *", "*/15 0-5 1,15 jan-mar *"),
        ("@daily", "0 0 * * *"),
        ("@Weekly", "0 0 * * sun"),
        ("0 2 * * 0", "0 2 * * sun"),
        ("0 2 * * 7", "0 2 * * sun"),
        ("0 2 * * 1-5", "0 2 * * mon,tue,wed,thu,fri"),
        ("0 2 * * MON-FRI", "0 2 * * mon,tue,wed,thu,fri"),
        ("0 2 * * fri-mon", "0 2 * * sun,mon,fri,sat"),
        ("0 2 * * 5-7", "0 2 * * sun,fri,sat"),
        ("0 2 * * 0-6", "0 2 * * *"),
        ("0 2 * * */2", "0 2 * * sun,tue,thu,sat"),
        ("0 2 * * 1/2", "0 2 * * mon,wed,fri"),
        ("0 2 * * sat,sun", "0 2 * * sun,sat"),
    ],
)
def test_weekdays_come_out_as_names(written: str, cron: str) -> None:
    assert parse_schedule(written).cron == cron


def test_a_number_means_the_day_that_cron_means() -> None:
    trigger = CronTrigger.from_crontab(parse_schedule("0 2 * * 1").cron, timezone=UTC)
    monday = datetime(2026, 1, 5, 2, tzinfo=UTC)
    assert trigger.get_next_fire_time(None, monday - timedelta(days=3)) == monday


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("every 6h", 21600), ("Every 30 minutes", 1800), ("every day", 86400), ("every hour", 3600)],
)
def test_an_interval_is_a_duration(written: str, seconds: float) -> None:
    schedule = parse_schedule(written)
    assert (schedule.interval_seconds, schedule.cron, schedule.text) == (seconds, None, written)


@pytest.mark.parametrize(("written", "seconds"), [("idle", 900), ("Idle 1h", 3600), ("idle hour", 3600)])
def test_idle_is_a_lull_of_a_length(written: str, seconds: float) -> None:
    schedule = parse_schedule(written)
    assert (schedule.lull_seconds, schedule.cron, schedule.interval_seconds) == (seconds, None, None)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("idle 5 s", "must be a minute or longer"),
        ("idle always", "must be a duration"),
        ("", "must be a schedule such as"),
        ("0 2 * *", "must be a schedule such as"),
        ("@sometimes", "must be a schedule such as"),
        ("61 2 * * *", "is no schedule"),
        ("a 2 * * *", "is no schedule"),
        ("*/0 2 * * *", "is no schedule"),
        ("0 2 1 * 1", "restricts both day and weekday"),
        ("0 2 * * 8", "knows no weekday '8'"),
        ("0 2 * * xyz", "knows no weekday 'xyz'"),
        ("0 2 * * 1-5/0", "knows no weekday"),
        ("0 2 * * ,", "knows no weekday"),
        ("every", "must be a minute or longer"),
        ("every now and then", "must be a duration"),
        ("every 59s", "must be a minute or longer"),
    ],
)
def test_what_is_no_schedule_is_refused(written: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        parse_schedule(written)
