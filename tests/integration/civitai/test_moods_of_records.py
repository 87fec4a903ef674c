"""Records as odd as real ones: the file is identified all the same, and what can be read of the record is."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.fact import Field
from tests import builders
from tests.fakes import civitai_moods as moods
from tests.fakes import civitai_odd_records as odd
from tests.fakes.civitai_edge import EdgeCache
from tests.fakes.civitai_wire import error_reply
from tests.integration.civitai.told import NEW, OLD, STRANGER, kept, look_up_again, reasons, settle
from tests.unit.steps.step_shelf import HOUR, introduce, sha256

if TYPE_CHECKING:
    from tests.fakes.civitai_moods import Mood
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.unit.steps.step_shelf import StepShelf

DAY = 24 * HOUR
INK = builders.lora(7)


@dataclass(frozen=True)
class Oddity:
    """A mood, and the fields that it may change."""

    mood: Mood
    spoils: tuple[Field, ...] = ()


ODDITIES = {
    "control characters": Oddity(moods.raw_control_character, (Field.NAME, Field.VERSION_NAME)),
    "numeric user name": Oddity(moods.numeric_username, (Field.CREATOR,)),
    "unknown enumerations": Oddity(odd.unknown_enums, (Field.MODEL_TYPE, Field.BASE_MODEL)),
    "hashes missing": Oddity(moods.without_hashes),
    "lower-case hashes": Oddity(moods.lower_case_hashes),
    "downloads hidden": Oddity(odd.hidden_downloads),
    "AutoV3 of 64 digits": Oddity(odd.legacy_autov3),
    "parents dropped from lists": Oddity(odd.drops_parents(1)),
}


def facts(shelf: StepShelf, name: str, but: tuple[Field, ...] = ()) -> dict[str, Any]:
    found = shelf.store.facts.of_file(shelf.file(name).id)
    return {fact.field: fact.value for fact in found if fact.source == "civitai_api" and fact.field not in but}


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", ODDITIES)
def test_an_odd_record_is_believed_but_for_what_is_odd(
    name: str, count: int, shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    oddity = ODDITIES[name]
    civitai.mood_for = lambda request: None if request.path.startswith("/images/") else oddity.mood
    for number in range(count):
        content = builders.lora(number)
        hashes = {"sha256": sha256(content), "autov3": f"ABCDEF12345{number}"}
        civitai.add_file(hashes, len(content), name=f"Odd {number}", creator="somebody", tags=["ink"])
        shelf.put(f"{number}.safetensors", content)
    shelf.look_through()
    for number in range(count):
        model = f"{number}.safetensors"
        told = facts(shelf, model)
        assert shelf.content(model).version_id is not None
        assert told.keys() >= {Field.NAME, Field.MODEL_TYPE, Field.BASE_MODEL, Field.CREATOR, Field.TAGS}, told
        if Field.NAME not in oddity.spoils:
            assert told[Field.NAME] == f"Odd {number}"
        assert shelf.path(f"{number}.civitai.info").exists()
        assert shelf.path(f"{number}.preview.png").exists()
    assert not reasons(shelf)
    assert not shelf.tasks()


def test_a_creator_of_digits_is_a_name(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    introduce(civitai, INK, "Ink")
    civitai.mood_for = lambda request: None if request.path.startswith("/images/") else moods.numeric_username
    shelf.put("ink.safetensors", INK)
    shelf.look_through()
    assert facts(shelf, "ink.safetensors")[Field.CREATOR] == "12345"


def test_the_broken_addresses_of_batches_reach_no_sidecar(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    settle(shelf, civitai)
    shelf.look_through()
    assert any(request.method == "POST" for request in civitai.requests)
    version_id = shelf.content(NEW).version_id
    assert shelf.json("new.civitai.info")["downloadUrl"] == f"https://civitai.com/api/download/models/{version_id}"
    for name in shelf.names():
        assert b"undefined" not in shelf.path(name).read_bytes() or name.endswith(".html")


def test_a_key_that_is_not_accepted_makes_nobody_of_us_and_nothing_fail(
    shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    civitai.routes.keys.clear()
    settle(shelf, civitai)
    shelf.look_through()
    assert shelf.content(NEW).version_id is not None


def test_two_files_of_one_version_and_one_file_of_two_versions(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    first, second = builders.lora(21), builders.lora(22)
    older = introduce(civitai, first, "Older", published_at="2024-01-01T00:00:00.000Z")
    introduce(civitai, first, "Newer", published_at="2025-01-01T00:00:00.000Z")
    civitai.add_file(sha256(second), len(second), version_id=older)
    shelf.put("first.safetensors", first)
    shelf.put("second.safetensors", second)
    shelf.look_through()
    assert shelf.content("first.safetensors").version_id == older
    assert shelf.content("second.safetensors").version_id == older
    assert facts(shelf, "first.safetensors")[Field.NAME] == "Older"


@pytest.mark.parametrize("hidden", ["is_hidden", "is_replaced"])
def test_a_file_that_no_answer_lists_any_more_is_found(hidden: str, shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    for number in range(3):
        details: dict[str, Any] = {hidden: True} if number == 1 else {}
        introduce(civitai, builders.lora(number), f"Number {number}", **details)
        shelf.put(f"{number}.safetensors", builders.lora(number))
    shelf.look_through()
    for number in range(3):
        assert facts(shelf, f"{number}.safetensors")[Field.NAME] == f"Number {number}"


def test_what_became_known_a_moment_ago_is_found_in_spite_of_the_edge(
    shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    civitai.edge = EdgeCache(shelf.clock)
    shelf.put("ink.safetensors", INK)
    shelf.look_through()
    unknown = shelf.content("ink.safetensors")
    assert (unknown.version_id, unknown.lookup_count) == (None, 1)
    introduce(civitai, INK, "Ink")
    shelf.clock.advance(2.1 * HOUR)
    shelf.drain()
    assert facts(shelf, "ink.safetensors")[Field.NAME] == "Ink"


def test_every_question_by_hash_is_spelled_in_one_way(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    """The edge keeps a miss for each spelling, and the server purges only two of them."""
    settle(shelf, civitai)
    shelf.look_through()
    look_up_again(shelf, OLD)
    shelf.clock.advance(40 * DAY)
    shelf.drain()
    asked = [request for request in civitai.requests if "/by-hash/" in request.path and request.method == "GET"]
    for request in asked:
        assert request.path == request.route
        assert request.path.rpartition("/")[2].isupper() or request.path.rpartition("/")[2].isdecimal()
    for request in civitai.requests:
        if request.method == "POST":
            assert request.body == request.body.upper()


def test_a_record_that_goes_away_leaves_everything_and_a_mark(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    settle(shelf, civitai)
    known = kept(shelf, OLD)
    for version in civitai.records.versions.values():
        version.body["status"] = "Unpublished"
    for _ in range(3):
        look_up_again(shelf, OLD)
        shelf.drain()
        shelf.clock.advance(3 * HOUR)
        shelf.drain()
    content = shelf.content(OLD)
    assert content.gone_since is not None
    assert kept(shelf, OLD) == known


def test_one_miss_alone_is_no_proof_that_a_record_is_gone(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    settle(shelf, civitai)
    known = kept(shelf, OLD)
    version = civitai.records.versions[known.version_id or 0]
    version.body["status"] = "Unpublished"
    look_up_again(shelf, OLD)
    shelf.drain(linger_seconds=0.5)
    assert shelf.content(OLD).gone_since is None
    version.body["status"] = "Published"
    shelf.clock.advance(3 * HOUR)
    shelf.drain()
    assert shelf.content(OLD).gone_since is None
    assert kept(shelf, OLD) == known


def test_a_parent_that_goes_away_takes_nothing_along(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    settle(shelf, civitai)
    known = kept(shelf, OLD)

    def without_parents(request: Any) -> Mood | None:
        if "/v1/models/" in request.path:
            return lambda _: error_reply("No model with id 5", 404)
        return odd.drops_parents(1)

    civitai.mood_for = without_parents
    look_up_again(shelf, OLD)
    shelf.look_through()
    shelf.clock.advance(8 * DAY)
    shelf.drain()
    assert kept(shelf, OLD) == known
    assert shelf.content(NEW).version_id is not None
    assert not reasons(shelf)


def test_an_unknown_file_is_asked_about_at_longer_and_longer_distances(
    shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    settle(shelf, civitai)
    shelf.look_through()
    asked_at = [shelf.clock.monotonic()]
    for _ in range(3):
        count = shelf.content(STRANGER).lookup_count
        due_at = shelf.content(STRANGER).next_lookup_at
        assert due_at is not None
        shelf.clock.advance((due_at - shelf.clock.now()).total_seconds() + 60)
        shelf.drain()
        assert shelf.content(STRANGER).lookup_count == count + 1
        asked_at.append(shelf.clock.monotonic())
    waits = [(later - earlier) / HOUR for earlier, later in itertools.pairwise(asked_at)]
    assert waits == pytest.approx([2, 24, 168], rel=0.2)
    due_at = shelf.content(STRANGER).next_lookup_at
    assert due_at is not None
    assert (due_at - shelf.clock.now()).days == pytest.approx(30, rel=0.2)
