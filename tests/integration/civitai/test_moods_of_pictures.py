"""The image edge in its moods: a picture is whole or not there, and what was fetched of it is not fetched twice."""

from __future__ import annotations

import io
from dataclasses import replace
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


def halved(reply: Reply) -> Reply:
    """Give half of a picture and call it whole."""
    return replace(reply, body=reply.body[: len(reply.body) // 2])


@pytest.mark.parametrize(
    "mood",
    [
        moods.region_blocked,
        moods.unauthorized,
        moods.forbidden,
        moods.unknown,
        moods.wrong_address,
        moods.strange_miss,
        moods.malformed,
        moods.redirect_loop,
        halved,
    ],
)
@pytest.mark.parametrize("count", [1, 2])
def test_pictures_that_are_all_refused_for_days_come_once_the_host_is_well(
    mood: Mood, count: int, shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    introduce(civitai, INK, "Ink", images=count)
    shelf.put("ink.safetensors", INK)
    civitai.mood_for = lambda request: mood if request.path.startswith("/images/") else None
    shelf.look_through()
    shelf.clock.advance(5 * 24 * HOUR)
    shelf.drain()
    assert asked(civitai)
    (owed,) = shelf.tasks()
    assert owed.last_error, "a person sees why it does not come"
    civitai.mood_for = None
    shelf.clock.advance(25 * HOUR)
    shelf.drain()
    assert shelf.path("ink.preview.png").exists()
    assert not shelf.tasks()


def test_another_host_s_pause_holds_up_no_picture_of_civitai_s(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    other = builders.lora(8)
    version_id = introduce(civitai, INK, "Ink", images=1)
    introduce(civitai, other, "Other", images=1)
    strange = civitai.origin.replace("127.0.0.1", "localhost")
    civitai.records.versions[version_id].body["images"] = [{"url": f"{strange}/images/u/width=512/1.jpeg"}]
    slow = moods.rate_limited("86400")
    civitai.mood_for = lambda request: slow if request.headers["host"].startswith("localhost") else None
    shelf.put("ink.safetensors", INK)
    shelf.look_through()
    shelf.put("other.safetensors", other)
    shelf.look_through()
    assert shelf.path("other.preview.png").exists()
    assert not shelf.path("ink.preview.png").exists()
    civitai.mood_for = None
    shelf.clock.advance(25 * HOUR)
    shelf.drain()
    assert shelf.path("ink.preview.png").exists()


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
