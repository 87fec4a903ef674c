from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf.civitai.answers import NotAsked, QuestionRefused
from modelshelf.civitai.breaker import FORBIDDEN_SECONDS, Breaker
from modelshelf.civitai.settings import BreakerSettings
from modelshelf.errors import CivitaiForbids, CivitaiRateLimited, CivitaiUnavailable, ModelshelfError
from tests.logged import logged

if TYPE_CHECKING:
    from tests.fakes.clock import FakeClock

PROBE_SECONDS = 120.0


@pytest.fixture
def breaker(clock: FakeClock) -> Breaker:
    return Breaker("GET models/*", BreakerSettings(failure_threshold=3, reset_seconds=60), clock, PROBE_SECONDS)


def ask(breaker: Breaker, error: ModelshelfError | None = None) -> None:
    with breaker.passage():
        if error is not None:
            raise error


def ask_what_is_forbidden(breaker: Breaker) -> None:
    with breaker.passage():
        error = CivitaiForbids("blocked")
        breaker.forbid(error)
        raise error


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(CivitaiUnavailable, match="ill"):
            ask(breaker, CivitaiUnavailable("ill"))


def test_it_opens_after_so_many_failures_in_a_row_and_says_when_to_come_back(
    breaker: Breaker, clock: FakeClock
) -> None:
    fail(breaker, 3)
    clock.advance(10)
    with pytest.raises(NotAsked, match=r"not asked for 50 more seconds.* ill") as caught:
        ask(breaker)
    assert caught.value.retry_after_seconds == pytest.approx(50)


def test_one_success_between_failures_begins_the_count_anew(breaker: Breaker) -> None:
    fail(breaker, 2)
    ask(breaker)
    fail(breaker, 2)
    ask(breaker)


@pytest.mark.parametrize("error", [QuestionRefused("this one"), CivitaiForbids("403")])
def test_a_refusal_is_an_answer(breaker: Breaker, error: ModelshelfError) -> None:
    fail(breaker, 2)
    with pytest.raises(type(error)):
        ask(breaker, error)
    fail(breaker, 2)
    ask(breaker)


@pytest.mark.parametrize("error", [CivitaiRateLimited("slow down"), NotAsked("about to stop")])
def test_what_says_nothing_of_its_health_counts_neither_way(breaker: Breaker, error: ModelshelfError) -> None:
    fail(breaker, 2)
    for _ in range(5):
        with pytest.raises(type(error)):
            ask(breaker, error)
    fail(breaker)
    with pytest.raises(NotAsked, match="again and again"):
        ask(breaker)


def test_after_its_rest_a_single_question_tries_and_its_success_lets_all_through(
    breaker: Breaker, clock: FakeClock
) -> None:
    fail(breaker, 3)
    clock.advance(60)
    with breaker.passage(), pytest.raises(NotAsked):
        ask(breaker)
    ask(breaker)
    assert breaker.trouble is None


def test_a_probe_that_fails_begins_the_rest_anew(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker, 3)
    clock.advance(60)
    fail(breaker)
    clock.advance(59)
    with pytest.raises(NotAsked):
        ask(breaker)
    clock.advance(1)
    ask(breaker)


def test_a_probe_that_nothing_is_heard_of_is_followed_by_another(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker, 3)
    clock.advance(60)
    with pytest.raises(CivitaiRateLimited):
        ask(breaker, CivitaiRateLimited("slow down"))
    clock.advance(PROBE_SECONDS - 1)
    with pytest.raises(NotAsked):
        ask(breaker)
    clock.advance(1)
    ask(breaker)


def test_of_many_threads_one_probes(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker, 3)
    clock.advance(60)
    begin, end = threading.Barrier(8, timeout=10), threading.Barrier(8, timeout=10)
    asked: list[int] = []

    def try_it(number: int) -> None:
        begin.wait()
        try:
            breaker.admit()
        except NotAsked:
            pass
        else:
            asked.append(number)
        end.wait()

    threads = [threading.Thread(target=try_it, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(asked) == 1


def test_what_is_forbidden_is_asked_again_in_a_day(breaker: Breaker, clock: FakeClock) -> None:
    error = CivitaiForbids("blocked")
    breaker.forbid(error)
    assert error.retry_after_seconds == FORBIDDEN_SECONDS
    clock.advance(FORBIDDEN_SECONDS - 7200)
    with pytest.raises(
        CivitaiForbids, match="blocked; asked again in 2 hours, or after modelshelf retry --kind api"
    ) as caught:
        ask(breaker)
    assert caught.value.retry_after_seconds == pytest.approx(7200)
    clock.advance(7200)
    ask(breaker)
    ask(breaker)


def test_a_refusal_of_an_endpoint_that_is_forbidden_does_not_open_it(breaker: Breaker) -> None:
    with pytest.raises(CivitaiForbids):
        ask_what_is_forbidden(breaker)
    with pytest.raises(CivitaiForbids):
        ask(breaker)


@pytest.mark.parametrize("is_forbidden", [True, False])
def test_a_person_has_a_single_question_tried_at_once(
    breaker: Breaker, clock: FakeClock, *, is_forbidden: bool
) -> None:
    breaker.ask_again()
    assert breaker.trouble is None
    if is_forbidden:
        breaker.forbid(CivitaiForbids("blocked"))
    else:
        fail(breaker, 3)
    before = breaker.trouble
    clock.advance(10)
    breaker.ask_again()
    after = breaker.trouble
    assert before is not None
    assert after == replace(before, asked_again_at=clock.now())
    with breaker.passage(), pytest.raises((CivitaiForbids, NotAsked)):
        ask(breaker)
    ask(breaker)
    assert breaker.trouble is None


def test_its_trouble_says_since_when_and_until_when(breaker: Breaker, clock: FakeClock) -> None:
    assert breaker.trouble is None
    fail(breaker, 3)
    since = clock.now()
    clock.advance(60)
    fail(breaker)
    trouble = breaker.trouble
    assert trouble is not None
    assert (trouble.endpoint, trouble.reason, trouble.is_forbidden) == ("GET models/*", "ill", False)
    assert trouble.since == since
    assert trouble.asked_again_at == clock.now() + timedelta(seconds=60)
    clock.advance(30)
    assert breaker.trouble == trouble


def test_news_are_logged_once(breaker: Breaker, clock: FakeClock) -> None:
    with logged() as logs:
        fail(breaker, 3)
        for _ in range(3):
            clock.advance(60)
            fail(breaker)
        breaker.forbid(CivitaiForbids("451"))
        breaker.forbid(CivitaiForbids("451"))
        breaker.close()
        breaker.close()
    assert [each["event"] for each in logs] == ["civitai_left_alone", "civitai_refused", "civitai_came_back"]
