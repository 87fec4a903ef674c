"""While Civitai is ill: what a person is told, when it is asked again, and that nothing known is lost or taken for unknown."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.fakes import civitai_moods as moods
from tests.integration.civitai.told import (
    ASKING,
    NEW,
    OLD,
    STRANGER,
    kept,
    look_up_again,
    next_tries,
    reasons,
    settle,
    why,
)
from tests.unit.steps.step_shelf import HOUR

if TYPE_CHECKING:
    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.unit.steps.step_shelf import StepShelf

MOST_IN_A_MINUTE = 30
"""Two questions are open, each of a few requests: more in the first minute would be hammering."""


@dataclass(frozen=True)
class Illness:
    """A mood: the words that a person reads, and the least and most seconds until the first second try."""

    mood: Mood
    words: str
    at_least: float = 1.0
    at_most: float = 90.0


ILLNESSES = {
    "429 with seconds": Illness(moods.rate_limited("20"), "answered 429: it asks to slow down for 20 seconds", 20),
    "429 with a date": Illness(
        moods.rate_limited("Sat, 08 Aug 2026 13:00:00 GMT"), "answered 429: it asks to slow down", 3000, 3700
    ),
    "429 without a word": Illness(moods.rate_limited(), "answered 429: it asks to slow down", 30),
    "503 with Retry-After 2": Illness(moods.overloaded, "answered 503: it is overloaded", 2),
    "524": Illness(moods.timed_out_at_edge, "answered 524: this is no answer"),
    "challenge": Illness(moods.challenged, "answered 403: a gatekeeper stands before it"),
    "500": Illness(moods.crashed, "answered 500: it crashed over this request"),
    "200 with HTML": Illness(moods.page, "something that is not JSON"),
    "404 with HTML": Illness(moods.wrong_address, "not Civitai's own 404"),
    "404 of somebody else": Illness(moods.strange_miss, "not Civitai's own 404"),
    "half a body": Illness(moods.truncated, "something that is not JSON"),
    "reset": Illness(moods.reset, "broke off in the middle of its answer"),
    "hung up": Illness(moods.hung_up, "cannot be reached"),
    "redirect loop": Illness(moods.redirect_loop, "redirects more than 5 times"),
}


@pytest.mark.parametrize("name", ILLNESSES)
def test_an_outage_is_told_and_ends_without_a_trace(name: str, shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    illness = ILLNESSES[name]
    settle(shelf, civitai)
    known = kept(shelf, OLD)
    civitai.mood_for = lambda _: illness.mood
    look_up_again(shelf, OLD)
    shelf.look_through()
    assert 0 < len([each for each in civitai.requests if each.path.startswith("/api/")]) <= MOST_IN_A_MINUTE
    for asked in (NEW, STRANGER):
        content = shelf.content(asked)
        assert (content.version_id, content.looked_up_at, content.lookup_count) == (None, None, 0)
        assert shelf.path(asked).with_suffix(".html").exists(), "what needs no server is done"
    assert kept(shelf, OLD) == known
    told = reasons(shelf)
    assert told
    assert any(illness.words in each for each in told), told
    assert any(illness.words in str(why(shelf, each)) for each in (NEW, STRANGER, OLD))
    civitai.mood_for = None
    shelf.clock.advance(3 * HOUR)
    shelf.drain()
    assert shelf.content(NEW).version_id is not None
    assert shelf.path(NEW).with_suffix(".civitai.info").exists()
    assert shelf.content(STRANGER).lookup_count == 1
    assert kept(shelf, OLD) == known
    assert not reasons(shelf)


@pytest.mark.parametrize("name", ILLNESSES)
def test_the_second_try_is_not_made_before_its_time(name: str, shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    illness = ILLNESSES[name]
    settle(shelf, civitai)
    civitai.mood_for = lambda _: illness.mood
    shelf.scan()
    for _ in range(200):
        if next_tries(shelf):
            break
        shelf.drain(linger_seconds=0)
        shelf.clock.advance(0.5)
    waits = [each.total_seconds() for each in next_tries(shelf)]
    assert waits
    assert all(illness.at_least - 0.8 <= each <= illness.at_most for each in waits), waits
    asked = len(civitai.requests)
    shelf.clock.advance(max(0.0, illness.at_least - 1.5))
    shelf.drain(linger_seconds=0)
    assert len(civitai.requests) == asked


def test_an_outage_of_days_is_asked_about_more_and_more_seldom(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    settle(shelf, civitai)
    civitai.mood_for = lambda _: moods.timed_out_at_edge
    shelf.scan()
    per_day = []
    for _ in range(3):
        civitai.requests.clear()
        end = shelf.clock.now() + timedelta(days=1)
        shelf.drain(linger_seconds=0)
        while (now := shelf.clock.now()) < end:
            shelf.clock.advance(min(1800.0, (end - now).total_seconds()))
            shelf.drain(linger_seconds=0)
        per_day.append(len(civitai.requests))
    assert 0 < per_day[2] <= 100, per_day
    assert not [task for task in shelf.tasks() if task.kind in ASKING and task.state == "failed"]
    civitai.mood_for = None
    shelf.clock.advance(2 * HOUR)
    shelf.drain()
    assert shelf.content(NEW).version_id is not None


def test_a_429_that_says_nothing_is_heeded_twice_as_long_each_time(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    settle(shelf, civitai)
    moments: list[float] = []

    def slow_down(_: object) -> Mood:
        moments.append(shelf.clock.monotonic())
        return moods.rate_limited()

    civitai.mood_for = slow_down
    shelf.look_through()
    for _ in range(40):
        shelf.clock.advance(30)
        shelf.drain(linger_seconds=0)
    pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert pauses
    assert all(each >= 29 for each in pauses)
    assert pauses[-1] >= 4 * 29, pauses


def test_a_429_pauses_everything_not_only_what_was_asked(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    settle(shelf, civitai)
    civitai.moods.append(moods.rate_limited("600"))
    look_up_again(shelf, OLD)
    shelf.drain()
    shelf.look_through()
    shelf.clock.advance(400)
    shelf.drain(linger_seconds=0)
    assert len([each for each in civitai.requests if not each.path.startswith("/images/")]) == 1
    shelf.clock.advance(400)
    shelf.drain()
    assert shelf.content(NEW).version_id is not None


@pytest.mark.parametrize(
    ("mood", "quiet_hours"), [(moods.region_blocked, 23), (moods.unauthorized, 23), (moods.forbidden, 0.8)]
)
def test_what_is_forbidden_is_shown_and_left_alone_for_long(
    mood: Mood, quiet_hours: float, shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    settle(shelf, civitai)
    known = kept(shelf, OLD)
    civitai.mood_for = lambda _: mood
    look_up_again(shelf, OLD)
    shelf.look_through()
    assert kept(shelf, OLD) == known
    assert any("answered 4" in each for each in reasons(shelf)), reasons(shelf)
    assert shelf.content(STRANGER).looked_up_at is None
    asked = len(civitai.requests)
    assert asked <= 4
    for _ in range(10):
        shelf.clock.advance(quiet_hours * HOUR / 10)
        shelf.drain()
    assert len(civitai.requests) == asked
    civitai.mood_for = None
    shelf.clock.advance(25 * HOUR)
    shelf.drain()
    assert shelf.content(NEW).version_id is not None
    assert kept(shelf, OLD) == known
    assert not reasons(shelf)


@pytest.mark.parametrize("mood", [moods.malformed, moods.too_large, moods.method_not_allowed])
def test_a_batch_that_is_refused_costs_no_file_its_answer(
    mood: Mood, shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    settle(shelf, civitai)
    civitai.mood_for = lambda request: mood if request.method == "POST" else None
    shelf.look_through()
    assert shelf.content(NEW).version_id is not None
    assert shelf.content(STRANGER).lookup_count == 1
    assert not reasons(shelf)


def test_a_parent_that_cannot_be_had_keeps_its_version_from_nobody(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    settle(shelf, civitai)
    civitai.mood_for = lambda request: moods.crashed if "/v1/models" in request.path else None
    shelf.look_through()
    info = shelf.json("new.civitai.info")
    assert info["model"]["name"] == "New"
    assert "tags" not in info["model"]
    civitai.mood_for = None
    shelf.clock.advance(3 * HOUR)
    shelf.drain()
    assert shelf.json("new.civitai.info")["model"]["tags"] == ["New tag"]
