from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf.civitai.pacing import BURST_SECONDS, LONGEST_PAUSE_SECONDS, Pacing
from modelshelf.errors import CivitaiRateLimited, CivitaiUnavailable
from tests.logged import logged

if TYPE_CHECKING:
    from tests.fakes.clock import FakeClock


def test_a_rested_bucket_lets_a_burst_through_and_then_paces(clock: FakeClock) -> None:
    pacing = Pacing(60, clock, clock.sleep)
    for _ in range(BURST_SECONDS):
        pacing.take_turn()
    assert clock.slept == []
    pacing.take_turn()
    pacing.take_turn()
    assert clock.slept == [pytest.approx(1), pytest.approx(1)]


def test_tokens_come_back_with_time_but_never_more_than_a_burst(clock: FakeClock) -> None:
    pacing = Pacing(60, clock, clock.sleep)
    clock.advance(3600)
    for _ in range(BURST_SECONDS + 1):
        pacing.take_turn()
    assert clock.slept == [pytest.approx(1)]


def test_the_rate_holds_over_an_hour(clock: FakeClock) -> None:
    pacing = Pacing(100, clock, clock.sleep)
    turns = 0
    while clock.monotonic() < 3600:
        pacing.take_turn()
        turns += 1
    assert 5990 <= turns <= 6000 + 100 * BURST_SECONDS / 60 + 1


@pytest.mark.parametrize("limit", [1, 0, -5])
def test_the_slowest_rate_is_one_a_minute(clock: FakeClock, limit: int) -> None:
    pacing = Pacing(limit, clock, clock.sleep)
    pacing.take_turn()
    pacing.take_turn()
    assert clock.slept == [pytest.approx(60)]


def test_without_a_limit_nobody_waits(clock: FakeClock) -> None:
    pacing = Pacing(None, clock, clock.sleep)
    for _ in range(1000):
        pacing.take_turn()
    assert clock.slept == []


def test_a_pause_refuses_everyone_until_it_is_over(clock: FakeClock) -> None:
    pacing = Pacing(None, clock, clock.sleep)
    pacing.pause(30)
    pacing.pause(5)
    clock.advance(10)
    with pytest.raises(CivitaiRateLimited, match="20 more seconds") as caught:
        pacing.take_turn()
    assert caught.value.retry_after_seconds == pytest.approx(20)
    clock.advance(20)
    pacing.take_turn()
    assert clock.slept == []


def test_each_endpoint_has_a_bucket_of_its_own(clock: FakeClock) -> None:
    pacing = Pacing(6, clock, clock.sleep)
    pacing.take_turn("a")
    pacing.take_turn("b")
    assert clock.slept == []
    pacing.take_turn("a")
    assert clock.slept == [pytest.approx(10)]


def paused(pacing: Pacing, clock: FakeClock, asked_seconds: float | None) -> float:
    seconds = pacing.pause(asked_seconds)
    clock.advance(seconds)
    return seconds


@pytest.mark.parametrize("asked_seconds", [None, 0.0])
def test_a_pause_of_unsaid_length_doubles_up_to_a_bound_until_something_is_answered(
    clock: FakeClock, asked_seconds: float | None
) -> None:
    pacing = Pacing(None, clock, clock.sleep)
    lengths = [paused(pacing, clock, asked_seconds) for _ in range(40)]
    assert lengths[:4] == [30, 60, 120, 240]
    assert lengths[-1] == LONGEST_PAUSE_SECONDS
    pacing.relax()
    assert pacing.pause(asked_seconds) == 30


def test_a_pause_of_said_length_is_that_long_and_doubles_nothing(clock: FakeClock) -> None:
    pacing = Pacing(None, clock, clock.sleep)
    assert [paused(pacing, clock, each) for each in (7, 7, None, 3600, None)] == [7, 7, 30, 3600, 60]


def test_questions_that_were_under_way_when_it_was_asked_for_do_not_lengthen_a_pause(clock: FakeClock) -> None:
    pacing = Pacing(None, clock, clock.sleep)
    pacing.pause(None)
    clock.advance(1)
    with logged() as logs:
        assert [pacing.pause(None) for _ in range(3)] == [29, 29, 29]
    assert logs == []
    clock.advance(29)
    assert pacing.pause(None) == 60


def test_it_tells_until_when_it_pauses(clock: FakeClock) -> None:
    pacing = Pacing(None, clock, clock.sleep)
    assert pacing.paused_until is None
    pacing.pause(30)
    until = clock.now() + timedelta(seconds=30)
    assert pacing.paused_until == until
    clock.advance(20)
    pacing.pause(5)
    assert pacing.paused_until == until
    clock.advance(10)
    assert pacing.paused_until is None


def test_a_pause_that_begins_while_one_waits_holds_that_one_too(clock: FakeClock) -> None:
    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        pacing.pause(60)

    pacing = Pacing(1, clock, sleep)
    pacing.take_turn()
    with pytest.raises(CivitaiRateLimited):
        pacing.take_turn()


def test_threads_that_wait_do_not_hold_up_one_another(clock: FakeClock) -> None:
    both_asleep = threading.Barrier(3, timeout=10)
    delays: list[float] = []

    def sleep(seconds: float) -> None:
        delays.append(seconds)
        both_asleep.wait()

    pacing = Pacing(6, clock, sleep)
    pacing.take_turn()
    threads = [threading.Thread(target=pacing.take_turn) for _ in range(2)]
    for thread in threads:
        thread.start()
    both_asleep.wait()
    for thread in threads:
        thread.join()
    assert sorted(delays) == [pytest.approx(10), pytest.approx(20)]


def test_once_closed_nothing_leaves_not_even_what_waits_for_its_turn(clock: FakeClock) -> None:
    pacing = Pacing(1, clock, lambda _: pacing.close())
    pacing.take_turn()
    with pytest.raises(CivitaiUnavailable, match="about to stop"):
        pacing.take_turn()
    with pytest.raises(CivitaiUnavailable, match="about to stop"):
        pacing.take_turn()
