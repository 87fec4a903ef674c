from __future__ import annotations

import os

import pytest

from modelshelf.worker import slots as room
from modelshelf.worker.pace import Pace
from modelshelf.worker.slots import Speeds, slots_for

FAST = room.FAST_BYTES_PER_SECOND


@pytest.mark.parametrize(
    ("rates", "count"),
    [
        ({}, 1),
        ({1: 0.9 * FAST}, 1),
        ({1: FAST}, 2),
        ({1: FAST, 2: 1.15 * FAST}, 1),
        ({1: FAST, 2: 1.2 * FAST}, 3),
        ({1: FAST, 2: 1.2 * FAST, 3: 1.3 * FAST}, 2),
        ({1: FAST, 2: 2 * FAST, 3: 3 * FAST}, 4),
        ({1: FAST, 2: 2 * FAST, 3: 3 * FAST, 4: 3 * FAST}, 3),
        ({1: FAST, 2: 2 * FAST, 3: 3 * FAST, 4: 4 * FAST}, 4),
        ({2: 2 * FAST}, 1),
    ],
)
def test_a_reader_is_added_while_that_pays_and_never_on_a_slow_disk(rates: dict[int, float], count: int) -> None:
    assert slots_for(rates, 4) == count


def test_there_are_no_more_readers_than_processors() -> None:
    assert slots_for({1: FAST, 2: 2 * FAST}, 2) == 2
    assert slots_for({1: FAST}, 1) == 1
    assert 1 <= Speeds()._most <= room.MOST_READERS


def test_what_was_read_for_long_enough_tells_how_many_are_worth_it() -> None:
    speeds = Speeds(most=4)
    speeds.begin("8:1")
    speeds.note("8:1", FAST // 2, 0.4)
    assert speeds.slots("8:1") == 1
    speeds.note("8:1", FAST // 2, 0.4)
    assert speeds.slots("8:1") == 2
    assert speeds.slots("8:2") == 1
    speeds.begin("8:1")
    speeds.note("8:1", 2 * FAST, 4.0)
    assert speeds.slots("8:1") == 1
    speeds.note("8:1", 60 * FAST, 60.0)
    assert speeds.slots("8:1") == 3
    speeds.end("8:1")
    speeds.note("8:1", FAST, 60.0)
    assert speeds.slots("8:1") == 1


def test_what_is_read_is_paid_for_by_all_readers_of_a_device_together_and_nothing_is_saved_up() -> None:
    pace = Pace()
    assert pace.seconds_left("8:1", 100.0) == 0
    pace.pay("8:1", 1000, 100.0, 100.0)
    pace.pay("8:1", 500, 100.0, 100.0)
    assert pace.seconds_left("8:1", 105.0) == 10
    assert pace.seconds_left("8:2", 105.0) == 0
    assert pace.seconds_left("8:1", 200.0) == 0
    pace.pay("8:1", 100, 100.0, 200.0)
    assert pace.seconds_left("8:1", 200.0) == 1


def test_who_hires_is_told_when_another_number_is_worth_it() -> None:
    speeds = Speeds(most=2)
    told: list[int] = []
    speeds.on_change = lambda: told.append(speeds.slots("8:1"))
    speeds.begin("8:1")
    speeds.note("8:1", FAST, 0.4)
    assert told == []
    speeds.note("8:1", FAST, 0.4)
    speeds.note("8:1", FAST, 0.4)
    assert told == [2]
    speeds.begin("8:1")
    speeds.note("8:1", FAST, 1.0)
    assert told == [2, 1]


def test_each_reader_may_use_its_share_of_the_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    speeds = Speeds()
    assert speeds.threads() == 4
    for count, threads in ((1, 4), (2, 2), (3, 1), (4, 1), (5, 1)):
        speeds.begin("8:0")
        assert (count, speeds.threads()) == (count, threads)
