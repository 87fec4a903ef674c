from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from modelshelf.civitai.pacing import BURST_SECONDS, Pacing
from modelshelf.errors import CivitaiRateLimited, CivitaiUnavailable

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
