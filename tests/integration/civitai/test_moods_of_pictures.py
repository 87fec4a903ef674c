"""The image edge in its moods: a picture is whole or not there, and what was fetched of it is not fetched twice."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests import builders
from tests.fakes import civitai_moods as moods
from tests.fakes.civitai_wire import Reply
from tests.unit.steps.step_shelf import HOUR, introduce

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.fakes.civitai_wire import RecordedRequest
    from tests.unit.steps.step_shelf import StepShelf

INK = builders.lora(7)


def play(civitai: CivitaiStandIn, kinds: Iterable[Mood]) -> None:
    """Have the image edge, and it alone, play these moods, then none."""
    left = iter(kinds)
    civitai.mood_for = lambda request: next(left, None) if request.path.startswith("/images/") else None


def asked(civitai: CivitaiStandIn) -> list[RecordedRequest]:
    return [each for each in civitai.requests if each.path.startswith("/images/")]


@pytest.fixture
def ink(shelf: StepShelf, civitai: CivitaiStandIn) -> Any:
    introduce(civitai, INK, "Ink", images=1)
    shelf.put("ink.safetensors", INK)
    return shelf.path("ink.preview.png")


@pytest.mark.parametrize(
    "mood",
    [
        moods.reset,
        moods.hung_up,
        moods.overloaded,
        moods.timed_out_at_edge,
        moods.crashed,
        moods.page,
        moods.challenged,
        moods.rate_limited("5"),
        moods.rate_limited(),
    ],
)
def test_a_picture_that_could_not_be_had_comes_later_and_whole(
    mood: Mood, shelf: StepShelf, civitai: CivitaiStandIn, ink: Any
) -> None:
    play(civitai, [mood] * 3)
    shelf.look_through()
    shelf.clock.advance(HOUR)
    shelf.drain()
    with Image.open(io.BytesIO(ink.read_bytes())) as picture:
        picture.load()
    assert not [name for name in shelf.names() if name.endswith(".part")]
    assert shelf.path("ink.civitai.info").exists()


def test_the_rest_of_a_picture_is_fetched_and_not_all_of_it_again(
    shelf: StepShelf, civitai: CivitaiStandIn, ink: Any
) -> None:
    play(civitai, [moods.reset])
    shelf.look_through()
    shelf.clock.advance(HOUR)
    shelf.drain()
    assert ink.exists()
    first, *rest = asked(civitai)
    assert "range" not in first.headers
    assert any(each.headers.get("range", "").startswith("bytes=") and each.headers.get("if-range") for each in rest)


def test_an_edge_that_ignores_what_was_asked_for_sends_all_of_it(
    shelf: StepShelf, civitai: CivitaiStandIn, ink: Any
) -> None:
    civitai.has_ranges = False
    play(civitai, [moods.reset])
    shelf.look_through()
    shelf.clock.advance(HOUR)
    shelf.drain()
    with Image.open(io.BytesIO(ink.read_bytes())) as picture:
        picture.load()


def test_a_picture_that_was_exchanged_meanwhile_is_no_mixture(
    shelf: StepShelf, civitai: CivitaiStandIn, ink: Any
) -> None:
    play(civitai, [moods.reset])
    shelf.look_through()
    other = Reply(200, builders.png(40, 60, (1, 2, 3)), "image/png")
    if not ink.exists():
        civitai.routes.picture = lambda _: other
    shelf.clock.advance(HOUR)
    shelf.drain()
    with Image.open(io.BytesIO(ink.read_bytes())) as picture:
        picture.load()


def test_a_picture_that_is_gone_gives_its_place_to_the_next(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    introduce(civitai, INK, "Ink", images=3)
    shelf.put("ink.safetensors", INK)
    play(civitai, [moods.unknown])
    shelf.look_through()
    assert shelf.path("ink.preview.png").exists()
    assert not shelf.tasks()
