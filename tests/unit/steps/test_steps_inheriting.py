"""A header that another tool rewrites makes other bytes; what is known of the weights, and what a person said, stays."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from modelshelf.domain.content import Match
from modelshelf.domain.decision import IGNORE, PIN, Decision
from modelshelf.domain.fact import Field, Source
from modelshelf.domain.task import TaskKind
from tests import builders
from tests.unit.steps.step_shelf import introduce

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonValue
    from tests.fakes.civitai_server import CivitaiStandIn
    from tests.unit.steps.step_shelf import StepShelf

NAME = "a.safetensors"
BEFORE = builders.lora(1, metadata={"ss_output_name": "x"})
AFTER = builders.lora(
    1, metadata={"ss_output_name": "x", "modelspec.hash_sha256": "0x12", "modelspec.trigger_phrase": "t"}
)


def decide(shelf: StepShelf, matter: str, value: JsonValue = True) -> None:  # noqa: FBT002 -- the value of `IGNORE`
    content = shelf.content(NAME)
    shelf.store.decisions.keep(content.id, Decision(matter, value, "anna", shelf.clock.now()))
    shelf.clock.advance(1)


def rewrite(shelf: StepShelf, content: bytes = AFTER) -> None:
    """Put other bytes at the path, as a program does that edits headers, and have only this read."""
    shelf.put(NAME, content, age_seconds=100)
    shelf.read(NAME)


def decided(shelf: StepShelf) -> dict[str, JsonValue]:
    return {each.matter: each.value for each in shelf.store.decisions.of_content(shelf.content(NAME).id)}


def test_a_rewritten_header_keeps_what_a_person_decided_and_what_civitai_said(
    shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    version_id = introduce(civitai, BEFORE, "Theirs", trained_words=["their word"])
    shelf.put(NAME, BEFORE)
    shelf.look_through()
    decide(shelf, Field.TRAINED_WORDS, ["my word"])
    first = shelf.content(NAME)
    civitai.requests.clear()
    rewrite(shelf)
    content = shelf.content(NAME)
    assert content.id != first.id
    assert (content.version_id, content.matched_by) == (version_id, Match.WEIGHTS)
    assert content.next_lookup_at == shelf.clock.now()
    assert civitai.requests == []
    description = shelf.description(NAME)
    assert description.text(Field.NAME) == "Theirs"
    assert description.facts[Field.TRAINED_WORDS].source is Source.USER
    assert description.value(Field.DOWNLOAD_URL) is None
    assert len(shelf.events("content_matched_by_weights")) == 1
    shelf.look_through(is_forced=True)
    assert shelf.json("a.json")["activation text"] == "my word"
    assert shelf.content(NAME).version_id == version_id
    assert shelf.content(NAME).looked_up_at is not None


def test_what_its_bytes_are_known_as_counts_for_more_than_the_weights(
    shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    introduce(civitai, BEFORE, "Theirs")
    shelf.put(NAME, BEFORE)
    shelf.look_through()
    other = introduce(civitai, AFTER, "Another", model_id=77)
    shelf.put(NAME, AFTER, age_seconds=100)
    shelf.look_through()
    content = shelf.content(NAME)
    assert (content.version_id, content.matched_by) == (other, Match.FILE)
    assert shelf.json("a.civitai.info")["model"]["name"] == "Another"


def test_what_is_ignored_stays_ignored_under_another_header(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    shelf.put(NAME, BEFORE)
    shelf.read(NAME)
    decide(shelf, IGNORE)
    shelf.put(NAME, AFTER, age_seconds=100)
    shelf.look_through()
    assert decided(shelf) == {IGNORE: True}
    assert civitai.requests == []
    assert shelf.content(NAME).next_lookup_at is None
    assert not [name for name in shelf.names() if name.endswith((".json", ".info"))]


def test_a_pin_stays_with_what_is_known_of_its_version(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    by_hash = introduce(civitai, BEFORE, "Theirs")
    chosen = introduce(civitai, builders.lora(2), "Chosen", model_id=77)
    shelf.put(NAME, BEFORE)
    shelf.put("other.safetensors", builders.lora(2))
    shelf.look_through()
    decide(shelf, PIN, chosen)
    civitai.requests.clear()
    rewrite(shelf)
    content = shelf.content(NAME)
    assert (content.version_id, content.pinned_version_id, content.matched_by) == (chosen, chosen, None)
    assert shelf.description(NAME).text(Field.NAME) == "Chosen"
    shelf.store.decisions.take_back(content.id, PIN)
    assert shelf.content(NAME).version_id == by_hash


def test_a_pin_of_a_version_that_was_never_fetched_is_kept_and_looked_up(shelf: StepShelf) -> None:
    shelf.put(NAME, BEFORE)
    shelf.read(NAME)
    decide(shelf, PIN, 4711)
    rewrite(shelf)
    content = shelf.content(NAME)
    assert (content.version_id, content.pinned_version_id) == (None, 4711)
    assert content.next_lookup_at == shelf.clock.now()


def test_a_version_that_a_person_chose_for_one_file_is_not_that_of_its_likes(
    shelf: StepShelf, civitai: CivitaiStandIn
) -> None:
    chosen = introduce(civitai, builders.lora(2), "Chosen", model_id=77)
    shelf.put(NAME, BEFORE)
    shelf.look_through()
    decide(shelf, PIN, chosen)
    shelf.store.contents.record_hit(shelf.content(NAME).id, chosen, shelf.clock.now(), match=None)
    shelf.put("b.safetensors", AFTER)
    shelf.read("b.safetensors")
    assert shelf.content("b.safetensors").version_id is None
    assert shelf.store.decisions.of_content(shelf.content("b.safetensors").id) == []


def test_other_weights_begin_without_decisions_and_the_words_can_be_had_back(shelf: StepShelf) -> None:
    shelf.put(NAME, BEFORE)
    shelf.look_through()
    decide(shelf, Field.ACTIVATION_TEXT, "my words")
    shelf.look_through(is_forced=True)
    sidecar = shelf.path("a.json")
    assert shelf.json("a.json")["activation text"] == "my words"
    written = int(shelf.clock.now().timestamp()) * 10**9
    os.utime(sidecar, ns=(written, written))
    shelf.store.database.execute("UPDATE writings SET mtime_ns = ? WHERE path = ?", (written, os.fsencode(sidecar)))
    words = sidecar.read_bytes()
    shelf.clock.advance(60)
    shelf.put(NAME, builders.lora(3, metadata={"modelspec.description": "another"}), age_seconds=30)
    shelf.look_through()
    assert decided(shelf) == {}
    assert "my words" not in (sidecar.read_text() if sidecar.exists() else "")
    assert words in [each.content for each in shelf.store.formers.of(os.fsencode(sidecar))]


def test_other_bytes_are_not_described_beside_before_their_weights_are_known(shelf: StepShelf) -> None:
    shelf.put(NAME, BEFORE)
    shelf.look_through()
    decide(shelf, Field.ACTIVATION_TEXT, "my words")
    shelf.look_through(is_forced=True)
    before = shelf.path("a.json").read_bytes()
    shelf.put(NAME, builders.lora(3, metadata={"modelspec.description": "another"}), age_seconds=100)
    shelf.scan()
    shelf.do(TaskKind.INSPECT_FILE, NAME)
    shelf.do(TaskKind.WRITE_SIDECARS, NAME)
    assert shelf.path("a.json").read_bytes() == before
    shelf.do(TaskKind.HASH_FILE, NAME)
    shelf.do(TaskKind.WRITE_SIDECARS, NAME)
    assert "activation text" not in shelf.json("a.json")


def test_weights_of_no_data_hand_nothing_on(shelf: StepShelf) -> None:
    shelf.put(NAME, builders.raw_safetensors(b'{"__metadata__":{"a":"1"}}'))
    shelf.read(NAME)
    if shelf.file(NAME).content_id is not None:
        decide(shelf, IGNORE)
        rewrite(shelf, builders.raw_safetensors(b'{"__metadata__":{"a":"22"}}'))
        assert decided(shelf) == {}
