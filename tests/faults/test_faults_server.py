"""Civitai is ill in every way it knows; what needs no server is done all the same, and the lookup is remembered."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.task import TaskKind, TaskState
from tests import builders
from tests.fakes import civitai_moods as moods
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


@pytest.mark.parametrize(
    "mood",
    [
        moods.rate_limited("2"),
        moods.rate_limited(),
        moods.overloaded,
        moods.timed_out_at_edge,
        moods.challenged,
        moods.crashed,
        moods.page,
        moods.truncated,
        moods.reset,
        moods.hung_up,
        moods.unauthorized,
        moods.region_blocked,
    ],
)
def test_whatever_the_server_says_the_file_is_done_and_asked_about_later(
    mood: Mood, shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    """F60."""
    civitai.mood_for = lambda _: mood
    shelf.look_through()
    assert shelf.names() >= UNNEEDED
    assert shelf.content("ink.safetensors").version_id is None
    [lookup] = shelf.tasks(TaskKind.IDENTIFY_CONTENT)
    assert (lookup.state, lookup.attempts > 0) == (TaskState.QUEUED, True)
    civitai.mood_for = None
    shelf.clock.advance(2 * HOUR)
    shelf.drain()
    assert shelf.path("ink.civitai.info").exists()
    assert not shelf.tasks(TaskKind.IDENTIFY_CONTENT)


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
