"""Two modelshelves, each with a state of its own, over one folder: what a person told one of them the other believes."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from modelshelf.cli import known
from modelshelf.domain.decision import Decision
from modelshelf.domain.fact import Field, Source
from modelshelf.domain.output import Output, SidecarKind
from modelshelf.errors import UsageError
from modelshelf.steps.undoing import undo_sidecar
from tests import builders
from tests.unit.steps.step_shelf import StepShelf, introduce

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from modelshelf.domain.jsontypes import JsonValue
    from tests.fakes.civitai_server import CivitaiStandIn

CONTENT = builders.lora(1)


@pytest.fixture
def shelf(tmp_path: Path, civitai: CivitaiStandIn) -> Iterator[StepShelf]:
    made = StepShelf(tmp_path, civitai)
    introduce(civitai, CONTENT, "Ink", trained_words=["their word"])
    made.put("a.safetensors", CONTENT)
    made.look_through()
    yield made
    made.close()


@pytest.fixture
def other(shelf: StepShelf, civitai: CivitaiStandIn) -> Iterator[StepShelf]:
    """Give a second one that has read the same folder."""
    root = shelf.root / "other"
    root.mkdir()
    (root / "loras").symlink_to(shelf.path(""))
    made = StepShelf(root, civitai)
    made.look_through()
    yield made
    made.close()


def decide(shelf: StepShelf, field: Field, value: JsonValue) -> None:
    content = shelf.content("a.safetensors")
    shelf.store.decisions.keep(content.id, Decision(field, value, "anna", shelf.clock.now()))
    shelf.clock.advance(1)
    shelf.look_through(is_forced=True)


def words(shelf: StepShelf, name: str = "a.json") -> dict[str, str]:
    told: dict[str, str] = shelf.json(name)["extensions"]["modelshelf"].get("words", {})
    return told


def settle(*shelves: StepShelf) -> None:
    for each in shelves:
        each.look_through(is_forced=True)


def test_each_state_has_an_id_of_its_own_that_stays(shelf: StepShelf, other: StepShelf) -> None:
    ids = {each.store.standing.own_id for each in (shelf, other)}
    assert len(ids) == 2
    assert all(len(each) == 16 for each in ids)
    assert shelf.store.standing.get("own_id") in ids


def test_what_a_person_told_one_is_believed_and_kept_by_the_other(shelf: StepShelf, other: StepShelf) -> None:
    decide(shelf, Field.ACTIVATION_TEXT, "my word")
    assert words(shelf) == {"activation text": shelf.store.standing.own_id}
    settle(other, shelf, other)
    assert shelf.json("a.json")["activation text"] == "my word"
    fact = other.description("a.safetensors").facts[Field.ACTIVATION_TEXT]
    assert (fact.value, fact.source) == ("my word", Source.FORGE)


def test_what_one_wrote_from_civitai_is_nobodys_fact_to_the_other(shelf: StepShelf, other: StepShelf) -> None:
    decide(shelf, Field.NOTES, "my word")
    settle(other)
    assert shelf.json("a.json")["activation text"] == "their word"
    of_forge = {
        fact.field: fact.value
        for fact in other.store.facts.of_file(other.file("a.safetensors").id)
        if fact.source is Source.FORGE
    }
    assert of_forge == {Field.NOTES: "my word"}


def test_each_keeps_its_own_word_current_and_the_others_signed(shelf: StepShelf, other: StepShelf) -> None:
    own, others = (each.store.standing.own_id for each in (shelf, other))
    decide(shelf, Field.ACTIVATION_TEXT, "my word")
    settle(other)
    decide(other, Field.NOTES, "another's notes")
    assert words(shelf) == {"activation text": own, "notes": others}
    decide(shelf, Field.ACTIVATION_TEXT, "my new word")
    assert words(shelf) == {"activation text": own, "notes": others}
    settle(other)
    before = shelf.path("a.json").read_bytes()
    settle(shelf, other)
    assert shelf.path("a.json").read_bytes() == before
    assert other.description("a.safetensors").value(Field.ACTIVATION_TEXT) == "my new word"
    assert shelf.description("a.safetensors").value(Field.NOTES) == "another's notes"


def test_a_word_that_is_taken_back_is_civitais_again_and_no_persons(shelf: StepShelf, other: StepShelf) -> None:
    decide(shelf, Field.ACTIVATION_TEXT, "my word")
    settle(other)
    shelf.store.decisions.take_back(shelf.content("a.safetensors").id, Field.ACTIVATION_TEXT)
    settle(shelf, other)
    assert (shelf.json("a.json")["activation text"], words(shelf)) == ("their word", {})
    assert other.description("a.safetensors").facts.get(Field.ACTIVATION_TEXT) is None


def test_a_word_that_somebody_edited_since_is_theirs(shelf: StepShelf, other: StepShelf) -> None:
    decide(shelf, Field.ACTIVATION_TEXT, "my word")
    edited = shelf.path("a.json").read_text().replace("my word", "edited")
    shelf.path("a.json").write_text(edited)
    settle(other, shelf)
    assert shelf.json("a.json")["activation text"] == "edited"
    assert other.description("a.safetensors").value(Field.ACTIVATION_TEXT) == "edited"


def test_a_mark_from_before_there_were_ids_is_ours(shelf: StepShelf) -> None:
    decide(shelf, Field.ACTIVATION_TEXT, "my word")
    unsigned = shelf.json("a.json")
    del unsigned["extensions"]["modelshelf"]["words"]
    shelf.path("a.json").write_text(json.dumps(unsigned))
    decide(shelf, Field.ACTIVATION_TEXT, "my new word")
    assert shelf.json("a.json")["activation text"] == "my new word"


def test_a_word_stays_in_every_dialect(shelf: StepShelf, other: StepShelf) -> None:
    output = Output(sidecars=frozenset(SidecarKind))
    for each in (shelf, other):
        each.set_output(output)
    decide(shelf, Field.BASE_MODEL, "Mine")
    decide(shelf, Field.NAME, "My name")
    settle(other, shelf, other)
    assert shelf.json("a.metadata.json")["base_model"] == "Mine"
    assert shelf.json("a.cm-info.json")["BaseModel"] == "Mine"
    assert shelf.json("a.swarm.json")["modelspec.title"] == "My name"
    assert words(shelf, "a.metadata.json").keys() == {"base_model", "model_name"}
    assert other.description("a.safetensors").value(Field.BASE_MODEL) == "Mine"


def test_a_file_with_another_ones_word_is_not_all_ours_to_remove_or_to_claim(
    shelf: StepShelf, other: StepShelf
) -> None:
    decide(shelf, Field.ACTIVATION_TEXT, "my word")
    settle(other)
    path = shelf.path("a.json")
    beside = known._keyed(other.store, os.fsencode(path))
    assert (beside.others, "activation text" in beside.ours) == (("activation text",), False)
    with pytest.raises(UsageError, match="nothing is kept"):
        undo_sidecar(other.store, path, other.clock.now(), is_forced=True)
    assert path.is_file()
