"""Civitai is ill in every way it knows; what needs no server is done all the same, and the lookup is remembered."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.task import TaskKind, TaskState
from tests import builders
from tests.fakes import civitai_moods as moods
from tests.fakes.civitai_chance import Chance
from tests.unit.steps.step_shelf import HOUR, StepShelf, introduce

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_server import CivitaiStandIn

CONTENT = builders.lora(1)
UNNEEDED = {"ink.json", "ink.html", "gallery.html"}
"""What stands beside a file whether or not a server answers."""


@pytest.fixture
def shelf(tmp_path: Path, civitai: CivitaiStandIn) -> Iterator[StepShelf]:
    made = StepShelf(tmp_path, civitai)
    introduce(civitai, CONTENT, "ink")
    made.put("ink.safetensors", CONTENT)
    yield made
    made.close()


PASSING = (
    moods.rate_limited("2"),
    moods.rate_limited("Sat, 08 Aug 2026 12:10:00 GMT"),
    moods.rate_limited(),
    moods.overloaded,
    moods.timed_out_at_edge,
    moods.challenged,
    moods.crashed,
    moods.page,
    moods.wrong_address,
    moods.truncated,
    moods.reset,
    moods.hung_up,
    moods.redirect_loop,
)
FORBIDDING = (moods.unauthorized, moods.forbidden, moods.region_blocked)


@pytest.mark.parametrize(("mood", "hours"), [*((mood, 2) for mood in PASSING), *((mood, 25) for mood in FORBIDDING)])
def test_whatever_the_server_says_the_file_is_done_and_asked_about_later(
    mood: Mood, hours: int, shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    """F60."""
    civitai.mood_for = lambda _: mood
    shelf.look_through()
    assert shelf.names() >= UNNEEDED
    assert shelf.content("ink.safetensors").version_id is None
    [lookup] = shelf.tasks(TaskKind.IDENTIFY_CONTENT)
    assert (lookup.state, lookup.attempts > 0) == (TaskState.QUEUED, True)
    civitai.mood_for = None
    shelf.clock.advance(hours * HOUR)
    shelf.drain()
    assert shelf.path("ink.civitai.info").exists()
    assert not shelf.tasks(TaskKind.IDENTIFY_CONTENT)


def test_a_server_that_fails_now_and_then_holds_nothing_up_for_good(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    """F60."""
    civitai.mood_for = Chance(0.5, seed=3)
    for number in range(20):
        introduce(civitai, builders.lora(100 + number), f"Number {number}", images=0)
        shelf.put(f"{number}.safetensors", builders.lora(100 + number))
    shelf.look_through()
    for _ in range(24):
        shelf.clock.advance(HOUR)
        shelf.drain()
    assert civitai.mood_for.failures > 0
    assert all(shelf.path(f"{number}.civitai.info").exists() for number in range(20))
    assert not shelf.tasks()


def test_without_a_name_server_nothing_else_waits(
    shelf: StepShelf, civitai: CivitaiStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F60."""

    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    shelf.look_through()
    assert shelf.names() >= UNNEEDED
    assert not civitai.requests
    monkeypatch.undo()
    shelf.clock.advance(2 * HOUR)
    shelf.drain()
    assert shelf.path("ink.civitai.info").exists()
