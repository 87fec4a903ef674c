"""Files whose header was edited are known by their weights, which says less than their bytes would."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.content import Match
from modelshelf.domain.fact import Field
from modelshelf.domain.task import Lane, TaskKind
from modelshelf.steps.step import Failed
from tests import builders
from tests.fakes import civitai_moods as moods
from tests.unit.steps.step_shelf import introduce, sha256

if TYPE_CHECKING:
    from modelshelf.domain.content import Content
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.unit.steps.step_shelf import StepShelf

THEIRS = builders.lora(1)
OURS = builders.lora(1, metadata={"ss_output_name": "edited since"})
SOON = timedelta(minutes=6).total_seconds()


@pytest.fixture
def version_id(shelf: StepShelf, civitai: CivitaiStandIn) -> int:
    """Let Civitai know a file with the weights of ours; it was asked for ours by its bytes already."""
    shelf.put("edited.safetensors", OURS)
    shelf.look_through()
    autov3 = shelf.content("edited.safetensors").hashes.autov3
    found = civitai.add_file({"SHA256": sha256(THEIRS), "AutoV3": autov3}, len(THEIRS), name="Original", model_id=77)
    civitai.requests.clear()
    return found


def edited(shelf: StepShelf) -> Content:
    return shelf.content("edited.safetensors")


def test_what_is_unknown_by_its_bytes_is_asked_for_by_its_weights_a_while_later(
    shelf: StepShelf, civitai: CivitaiStandIn, version_id: int
) -> None:
    assert shelf.drain() == 0
    shelf.clock.advance(SOON)
    shelf.drain()
    found = edited(shelf)
    assert (found.version_id, found.matched_by) == (version_id, Match.WEIGHTS)
    assert found.next_lookup_at is not None
    description = shelf.description("edited.safetensors")
    assert description.text(Field.NAME) == "Original"
    assert description.value(Field.TAGS) == ["style", "stand-in"]
    assert (description.value(Field.DOWNLOAD_URL), description.version and description.version.files) == (None, ())
    assert [event.name for event in shelf.store.events.latest(9) if "weights" in event.name] == [
        "content_matched_by_weights"
    ]
    assert shelf.json("edited.civitai.info")["model"]["name"] == "Original"
    assert sha256(THEIRS) not in shelf.path("edited.civitai.info").read_text()


def test_weights_are_asked_for_once(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    shelf.put("edited.safetensors", OURS)
    shelf.look_through()
    shelf.clock.advance(SOON)
    shelf.drain()
    asked_at = edited(shelf).weights_looked_up_at
    assert asked_at is not None
    civitai.requests.clear()
    shelf.clock.advance(2 * 3600)
    shelf.drain()
    shelf.clock.advance(SOON)
    shelf.drain()
    assert edited(shelf).weights_looked_up_at == asked_at
    assert len(civitai.requests) == 1
    shelf.look_through(is_forced=True)
    shelf.clock.advance(SOON)
    shelf.drain()
    later = edited(shelf).weights_looked_up_at
    assert later is not None
    assert later > asked_at


def test_the_bytes_found_later_take_the_place_of_the_weights(
    shelf: StepShelf, civitai: CivitaiStandIn, version_id: int
) -> None:
    shelf.clock.advance(SOON)
    shelf.drain()
    itself = introduce(civitai, OURS, "Itself")
    shelf.clock.advance(2 * 3600)
    shelf.drain()
    found = edited(shelf)
    assert (found.version_id, found.matched_by) == (itself, Match.FILE)
    assert shelf.description("edited.safetensors").text(Field.NAME) == "Itself"
    assert shelf.json("edited.civitai.info")["id"] == itself


def test_a_miss_of_the_bytes_takes_nothing_away_from_the_weights(
    shelf: StepShelf, civitai: CivitaiStandIn, version_id: int
) -> None:
    shelf.clock.advance(SOON)
    shelf.drain()
    shelf.clock.advance(2 * 3600)
    shelf.drain()
    found = edited(shelf)
    assert (found.version_id, found.matched_by, found.lookup_count) == (version_id, Match.WEIGHTS, 2)
    assert (found.absent_since, found.gone_since) == (None, None)
    assert shelf.description("edited.safetensors").text(Field.NAME) == "Original"


def test_what_was_found_by_its_bytes_meanwhile_stays_that(
    shelf: StepShelf, civitai: CivitaiStandIn, version_id: int
) -> None:
    outcomes = shelf.perform(TaskKind.MATCH_WEIGHTS, edited(shelf).id)
    shelf.store.contents.record_hit(edited(shelf).id, 4711, shelf.clock.now())
    shelf.record(outcomes)
    assert (edited(shelf).version_id, edited(shelf).matched_by) == (4711, Match.FILE)
    assert not [event for event in shelf.store.events.latest(9) if "weights" in event.name]
    civitai.requests.clear()
    shelf.do(TaskKind.MATCH_WEIGHTS, edited(shelf).id)
    assert not civitai.requests


@pytest.fixture
def questioned(shelf: StepShelf, civitai: CivitaiStandIn) -> int:
    """Let Civitai list our bytes, and weights, with another size than they have."""
    shelf.put("edited.safetensors", OURS)
    shelf.read("edited.safetensors")
    hashes = {"SHA256": sha256(OURS), "AutoV3": edited(shelf).hashes.autov3}
    return civitai.add_file(hashes, len(OURS) + 1024, name="Wrong")


def test_a_record_that_contradicts_the_bytes_is_not_believed_by_the_weights_either(
    shelf: StepShelf, civitai: CivitaiStandIn, questioned: int
) -> None:
    shelf.do(TaskKind.IDENTIFY_CONTENT, edited(shelf).id)
    assert edited(shelf).questioned_version_id == questioned
    shelf.clock.advance(SOON)
    shelf.drain()
    assert (edited(shelf).version_id, edited(shelf).weights_looked_up_at is None) == (None, False)


def test_what_is_questioned_while_it_is_asked_for_by_its_weights_is_not_believed(
    shelf: StepShelf, civitai: CivitaiStandIn, questioned: int
) -> None:
    outcomes = shelf.perform(TaskKind.MATCH_WEIGHTS, edited(shelf).id)
    shelf.do(TaskKind.IDENTIFY_CONTENT, edited(shelf).id)
    shelf.record(outcomes)
    assert edited(shelf).version_id is None


def test_a_look_up_that_fails_is_owed_still(shelf: StepShelf, civitai: CivitaiStandIn, version_id: int) -> None:
    civitai.mood_for = lambda _: moods.crashed
    (outcome,) = shelf.perform(TaskKind.MATCH_WEIGHTS, edited(shelf).id)
    assert isinstance(outcome, Failed)
    assert edited(shelf).weights_looked_up_at is None
    assert shelf.store.journal.next_due_at(Lane.NETWORK) is not None


def test_a_content_that_is_not_known_is_forgotten(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    (outcome,) = shelf.perform(TaskKind.MATCH_WEIGHTS, 4711)
    assert isinstance(outcome, Failed)


def test_a_kill_between_asking_and_recording_repeats_the_question(
    shelf: StepShelf, civitai: CivitaiStandIn, version_id: int
) -> None:
    shelf.clock.advance(SOON)
    (task,) = shelf.store.journal.claim(Lane.NETWORK, shelf.clock.now())
    shelf.steps[TaskKind.MATCH_WEIGHTS].perform([task], shelf.reins)
    assert shelf.store.journal.recover(shelf.clock.now()) == 1
    shelf.drain()
    assert edited(shelf).version_id == version_id
    assert not shelf.tasks()
