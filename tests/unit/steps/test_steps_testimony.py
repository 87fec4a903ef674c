"""Rules for whom a model believes: sidecars of its stem, strays that name it, and in which order."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.civitai import Alternate
from modelshelf.domain.content import Match
from modelshelf.domain.fact import Fact, Field, Source
from modelshelf.domain.hashes import Hashes
from modelshelf.domain.task import TaskKind
from modelshelf.sidecars.classify import classify
from modelshelf.sidecars.reading import FoundSidecar, read_sidecar
from modelshelf.sidecars.witness import witness
from modelshelf.steps import strays, testimony
from modelshelf.store import strays as strays_table
from modelshelf.store.strays import named_version
from tests import builders
from tests.unit.steps.step_shelf import sha256

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from tests.unit.steps.step_shelf import StepShelf

CONTENT = builders.lora(1)
OTHER = builders.lora(2)
HASHES = Hashes("A1" * 32, "B2" * 32, None, "A1" * 5, "D4" * 6, "C3" * 4)


def version_json(content: bytes, name: str, version_id: int = 5, **changes: JsonValue) -> str:
    """Give Civitai's answer for a file."""
    hashes: JsonObject = {"SHA256": sha256(content)}
    body = {"id": version_id, "modelId": 6, "files": [{"hashes": hashes}], "model": {"name": name}, **changes}
    return json.dumps(body)


def believed(shelf: StepShelf, name: str = "model.safetensors") -> dict[Field, JsonValue]:
    """Give what is believed of the sidecars beside a model."""
    facts = shelf.store.facts.of_file(shelf.file(name).id)
    return {fact.field: fact.value for fact in facts if fact.source in testimony.FROM_BESIDE}


def describe(shelf: StepShelf, *names: str) -> None:
    """Read models in full, and what stands beside them."""
    for name in names:
        shelf.read(name)
        shelf.do(TaskKind.WRITE_SIDECARS, name)


@pytest.fixture
def model(shelf: StepShelf) -> Path:
    """Give a model that waits to be read."""
    return shelf.put("model.safetensors", CONTENT)


def test_a_stray_that_names_the_bytes_is_believed_whatever_its_name(shelf: StepShelf, model: Path) -> None:
    shelf.put("saved from civitai (3).json", version_json(CONTENT, "Told by a stray"))
    describe(shelf, model.name)
    assert believed(shelf)[Field.NAME] == "Told by a stray"


@pytest.mark.parametrize(
    "name", ["elsewhere.civitai.info", "elsewhere.cm-info.json", "elsewhere.metadata.json", "elsewhere.swarm.json"]
)
def test_every_kind_of_name_is_read(shelf: StepShelf, model: Path, name: str) -> None:
    shelf.put(name, version_json(CONTENT, "Told"))
    describe(shelf, model.name)
    assert believed(shelf)[Field.NAME] == "Told"


def test_a_stray_about_other_bytes_or_about_nothing_is_not_believed(shelf: StepShelf, model: Path) -> None:
    shelf.put("a.json", version_json(OTHER, "Another"))
    shelf.put("b.json", json.dumps({"id": 5, "modelId": 6, "files": [], "model": {"name": "Nobody's"}}))
    shelf.put("c.json", json.dumps({"notes": "whose?", "activation text": "whose?"}))
    shelf.put("d.json", "broken")
    describe(shelf, model.name)
    assert believed(shelf) == {}


def test_a_stray_of_forges_is_bound_by_the_hash_that_a_browser_put_there(shelf: StepShelf, model: Path) -> None:
    shelf.put("lost.json", json.dumps({"activation text": "mine", "sha256": sha256(CONTENT)}))
    describe(shelf, model.name)
    assert believed(shelf) == {Field.ACTIVATION_TEXT: "mine"}


def test_a_stray_that_names_two_models_speaks_of_both(shelf: StepShelf, model: Path) -> None:
    shelf.put("second.safetensors", OTHER)
    both = [{"id": 1, "name": "a", "files": [{"hashes": {"SHA256": sha256(CONTENT)}}]}]
    both += [{"id": 2, "name": "b", "files": [{"hashes": {"SHA256": sha256(OTHER)}}]}]
    shelf.put("both.json", json.dumps({"id": 6, "name": "Both", "modelVersions": both}))
    describe(shelf, model.name, "second.safetensors")
    assert (believed(shelf)[Field.NAME], believed(shelf)[Field.VERSION_ID]) == ("Both", 1)
    assert believed(shelf, "second.safetensors")[Field.VERSION_NAME] == "b"


def identify(shelf: StepShelf, name: str, version_id: int) -> None:
    """Let Civitai know a model."""
    shelf.store.contents.record_hit(shelf.content(name).id, version_id, shelf.clock.now())


def test_a_stray_is_bound_by_its_version_where_that_is_one_models_alone(shelf: StepShelf, model: Path) -> None:
    shelf.put("lost.json", json.dumps({"activation text": "mine", "modelVersionId": 5}))
    describe(shelf, model.name)
    assert believed(shelf) == {}
    identify(shelf, model.name, 5)
    shelf.do(TaskKind.WRITE_SIDECARS, model.name)
    assert believed(shelf) == {Field.ACTIVATION_TEXT: "mine"}


def test_a_stray_about_other_bytes_of_the_same_version_is_not_believed(shelf: StepShelf, model: Path) -> None:
    shelf.put("lost.json", version_json(OTHER, "Of the other file", 5))
    describe(shelf, model.name)
    identify(shelf, model.name, 5)
    shelf.do(TaskKind.WRITE_SIDECARS, model.name)
    assert believed(shelf) == {}


def test_a_tie_is_left_alone(shelf: StepShelf, model: Path) -> None:
    shelf.put("second.safetensors", OTHER)
    shelf.put("lost.json", json.dumps({"activation text": "mine", "modelVersionId": 5}))
    describe(shelf, model.name, "second.safetensors")
    for name in (model.name, "second.safetensors"):
        identify(shelf, name, 5)
        shelf.do(TaskKind.WRITE_SIDECARS, name)
    shelf.do(TaskKind.WRITE_SIDECARS, model.name)
    assert believed(shelf) == {}


def test_strays_that_disagree_are_not_believed_where_they_do(shelf: StepShelf, model: Path) -> None:
    shelf.put("a.json", version_json(CONTENT, "One name", baseModel="Pony"))
    shelf.put("b.json", version_json(CONTENT, "Another name", baseModel="Pony"))
    describe(shelf, model.name)
    assert Field.NAME not in believed(shelf)
    assert believed(shelf)[Field.BASE_MODEL] == "Pony"


def test_the_stem_goes_before_a_stray(shelf: StepShelf, model: Path) -> None:
    shelf.put("a.json", version_json(CONTENT, "A stray", baseModel="Pony"))
    shelf.put("model.api_info.json", version_json(CONTENT, "Of the stem"))
    describe(shelf, model.name)
    assert believed(shelf)[Field.NAME] == "Of the stem"
    assert believed(shelf)[Field.BASE_MODEL] == "Pony"


def test_a_stem_binds_nothing_that_names_other_bytes(shelf: StepShelf, model: Path) -> None:
    shelf.put("model.civitai.info", version_json(OTHER, "Another"))
    shelf.put("model.metadata.json", json.dumps(manager(sha256="f" * 64, notes="of another")))
    describe(shelf, model.name)
    assert believed(shelf) == {}


def test_a_stem_binds_nothing_whose_short_hashes_are_those_of_other_bytes(shelf: StepShelf, model: Path) -> None:
    files: JsonValue = [{"hashes": {"AutoV2": "AAAAAAAAAA", "AutoV1": "BBBBBBBB", "AutoV3": "CCCCCCCCCCCC"}}]
    shelf.put("model.civitai.info", version_json(OTHER, "Another", files=files))
    describe(shelf, model.name)
    assert believed(shelf) == {}


def test_a_record_of_another_version_than_the_bytes_are_is_not_believed_by_its_stem() -> None:
    told: JsonObject = {"id": 7, "modelId": 6, "files": [], "model": {"name": "Another"}}
    heard = witness(sidecar_of(told), {})
    assert testimony.believed([heard], [], HASHES, {5, 6}) == []
    assert testimony.believed([], [heard], HASHES, {5}) == []
    assert [fact.value for fact in testimony.believed([heard], [], HASHES, {5, 7}) if fact.field is Field.NAME]
    named = witness(sidecar_of({**told, "files": [{"hashes": {"SHA256": HASHES.sha256}}]}), {})
    assert Field.NAME in {fact.field for fact in testimony.believed([named], [], HASHES, {5})}


def test_what_a_person_wrote_beside_a_record_of_another_version_is_believed() -> None:
    heard = witness(sidecar_of(manager(notes="mine", civitai={"id": 7, "modelId": 6, "files": []})), {})
    assert testimony.believed([heard], [], HASHES, {5}) == [Fact(Field.NOTES, Source.TOOL_JSON, "mine")]


def sidecar_of(content: JsonObject) -> FoundSidecar:
    """Give a sidecar without a file behind it."""
    return FoundSidecar(Path("model.json"), classify(content), content, os.stat_result([0] * 10), None)


def test_only_a_match_by_its_bytes_says_which_versions_a_content_is(shelf: StepShelf, model: Path) -> None:
    describe(shelf, model.name)
    assert testimony.listed_versions(shelf.store, None) == frozenset()
    assert testimony.listed_versions(shelf.store, shelf.content(model.name)) == frozenset()
    identify(shelf, model.name, 5)
    shelf.store.alternates.replace(shelf.content(model.name).id, [Alternate(8, 6, None)])
    assert testimony.listed_versions(shelf.store, shelf.content(model.name)) == {5, 8}
    by_weights = replace(shelf.content(model.name), matched_by=Match.WEIGHTS)
    assert testimony.listed_versions(shelf.store, by_weights) == frozenset()


def manager(**changes: JsonValue) -> JsonObject:
    """Give a file of LoRA-Manager's."""
    return {"file_path": "/a", "model_name": "a", "file_name": "a", **changes}


def test_a_name_is_never_a_fact(shelf: StepShelf) -> None:
    shelf.put("Pony XL v2.safetensors", CONTENT)
    shelf.put("Pony XL v2.metadata.json", json.dumps(manager(model_name="Pony XL v2", base_model="Pony")))
    describe(shelf, "Pony XL v2.safetensors")
    assert believed(shelf, "Pony XL v2.safetensors") == {}


def test_forge_goes_before_civitai_json_and_that_before_the_words_of_other_tools(shelf: StepShelf, model: Path) -> None:
    shelf.put("model.json", json.dumps({"description": "of Forge"}))
    shelf.put("model.civitai.info", version_json(CONTENT, "Foo", model={"name": "Foo", "description": "of Civitai"}))
    shelf.put("model.swarm.json", json.dumps({"modelspec.description": "of SwarmUI", "modelspec.author": "anna"}))
    describe(shelf, model.name)
    description = shelf.description(model.name)
    assert description.value(Field.DESCRIPTION) == "of Forge"
    assert description.value(Field.AUTHOR) == "anna"
    shelf.path("model.json").unlink()
    shelf.do(TaskKind.WRITE_SIDECARS, model.name)
    assert shelf.description(model.name).value(Field.DESCRIPTION) == "of Civitai"
    shelf.path("model.civitai.info").unlink()
    shelf.do(TaskKind.WRITE_SIDECARS, model.name)
    assert shelf.description(model.name).value(Field.DESCRIPTION) == "of SwarmUI"


def test_a_forge_version_makes_no_base_model(shelf: StepShelf, model: Path) -> None:
    shelf.put("model.json", json.dumps({"sd version": "SDXL"}))
    describe(shelf, model.name)
    assert believed(shelf) == {Field.FORGE_SD_VERSION: "SDXL"}


def test_of_a_whole_model_the_version_with_these_hashes_speaks_too() -> None:
    versions: JsonValue = [
        {"id": 1, "name": "other", "baseModel": "Pony", "files": []},
        {"id": 2, "name": "this", "baseModel": "SDXL 1.0", "files": [{"hashes": {"SHA256": HASHES.sha256.lower()}}]},
    ]
    body: JsonObject = {"id": 6, "name": "Foo", "modelVersions": versions}
    facts = {fact.field: fact.value for fact in testimony.civitai_facts(body, HASHES)}
    assert (facts[Field.NAME], facts[Field.VERSION_NAME], facts[Field.BASE_MODEL]) == ("Foo", "this", "SDXL 1.0")
    assert Field.BASE_MODEL not in {fact.field for fact in testimony.civitai_facts(body, None)}


@pytest.mark.parametrize("version_id", [None, "2"])
def test_a_version_without_an_id_does_not_speak(version_id: JsonValue) -> None:
    version: JsonObject = {"id": version_id, "name": "this", "files": [{"hashes": {"SHA256": HASHES.sha256}}, 3]}
    facts = testimony.civitai_facts({"id": 6, "name": "Foo", "modelVersions": [version]}, HASHES)
    assert {fact.field for fact in facts} == {Field.NAME, Field.MODEL_ID}


# How strays are noticed


def test_a_stray_is_read_once(shelf: StepShelf, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.put("a.json", version_json(OTHER, "Another"))
    read: list[str] = []

    def counting(path: Path) -> Any:
        read.append(path.name)
        return read_sidecar(path)

    monkeypatch.setattr(strays, "read_sidecar", counting)
    shelf.scan()
    shelf.scan()
    describe(shelf, model.name)
    assert read == ["a.json"]


def described(shelf: StepShelf, *, path: str = "") -> list[str]:
    """Give the files that a scan has described anew."""
    found = shelf.scan(path) if path else shelf.scan()
    return [each.subject for each in found if each.kind is TaskKind.WRITE_SIDECARS]


@pytest.mark.parametrize("path", ["", "late.json"])
def test_a_stray_that_comes_changes_or_goes_has_its_model_read_again(shelf: StepShelf, model: Path, path: str) -> None:
    describe(shelf, model.name)
    shelf.scan()
    subject = [str(shelf.file(model.name).id)]
    shelf.put("late.json", version_json(CONTENT, "Late"))
    assert described(shelf, path=path) == subject
    assert described(shelf, path=path) == []
    shelf.put("late.json", version_json(OTHER, "Of another"), age_seconds=10)
    assert described(shelf, path=path) == subject
    shelf.put("late.json", version_json(CONTENT, "Back"), age_seconds=5)
    assert described(shelf, path=path) == subject
    shelf.path("late.json").unlink()
    assert described(shelf, path=path) == subject
    assert described(shelf, path=path) == []
    shelf.do(TaskKind.WRITE_SIDECARS, model.name)
    assert believed(shelf) == {}


def test_an_event_about_no_sidecar_reads_nothing(shelf: StepShelf, model: Path) -> None:
    describe(shelf, model.name)
    shelf.put("picture.webp", b"")
    assert described(shelf, path="picture.webp") == []
    assert described(shelf, path="never.json") == []


def test_a_stray_in_a_directory_below_is_bound_there_and_not_above(shelf: StepShelf, model: Path) -> None:
    shelf.put("below/model.safetensors", CONTENT)
    shelf.put("below/note.json", version_json(CONTENT, "Below"))
    describe(shelf, model.name)
    shelf.do(TaskKind.INSPECT_FILE, shelf.file("below/model.safetensors").id)
    shelf.do(TaskKind.HASH_FILE, shelf.file("below/model.safetensors").id)
    shelf.do(TaskKind.WRITE_SIDECARS, shelf.file("below/model.safetensors").id)
    assert believed(shelf) == {}
    assert believed(shelf, "below/model.safetensors")[Field.NAME] == "Below"


def test_a_stray_that_became_some_models_own_is_no_stray_any_more(shelf: StepShelf, model: Path) -> None:
    shelf.put("second.json", json.dumps({"activation text": "mine", "sha256": sha256(CONTENT)}))
    describe(shelf, model.name)
    assert Field.ACTIVATION_TEXT in believed(shelf)
    shelf.put("second.safetensors", OTHER)
    shelf.scan()
    shelf.do(TaskKind.WRITE_SIDECARS, model.name)
    assert believed(shelf) == {}


def test_a_file_without_hashes_has_no_strays(shelf: StepShelf, model: Path) -> None:
    shelf.scan()
    file, place = shelf.file(model.name), shelf.places["loras"]
    assert strays.strays_of(shelf.store, place, file, None, lambda _: {}) == []


def test_a_stray_that_vanishes_between_scan_and_reading_says_nothing(shelf: StepShelf, model: Path) -> None:
    path = shelf.put("a.json", version_json(CONTENT, "Told"))
    shelf.read(model.name)
    path.unlink()
    shelf.do(TaskKind.WRITE_SIDECARS, model.name)
    assert believed(shelf) == {}


def test_what_a_stray_names_is_kept_once(shelf: StepShelf, tmp_path: Path) -> None:
    table, directory = shelf.store.strays, os.fsencode(tmp_path)
    table.keep(directory, b"a.json", (1, 2**70), {"A", named_version(3)})
    table.keep(directory, b"a.json", (2, 2), {"B"})
    assert table.in_directory(directory) == {b"a.json": (2, 2)}
    assert table.named_by(directory, b"a.json") == {"B"}
    assert table.naming(directory, ["A"]) == []
    table.forget(directory, b"a.json")
    assert shelf.store.database.rows("SELECT * FROM stray_names") == []


def test_thousands_of_strays_are_not_gone_through_for_each_model(shelf: StepShelf) -> None:
    plan = shelf.store.database.rows(f"EXPLAIN QUERY PLAN {strays_table._NAMING}", (b"/", "[]"))
    told = [row["detail"] for row in plan]
    assert [each for each in told if each.startswith("SEARCH n USING PRIMARY KEY (named=?)")]
    assert [each for each in told if each.startswith("SEARCH s USING INTEGER PRIMARY KEY")]


def test_the_words_of_two_witnesses_are_one_fact_per_field(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps({"activation text": name}))
    found = [read_sidecar(tmp_path / name) for name in ("a.json", "b.json")]
    heard = [witness(each, {}) for each in found if each is not None]
    assert testimony.believed(heard, [], None) == [Fact(Field.ACTIVATION_TEXT, Source.FORGE, "a.json")]
    assert testimony.believed([], heard, None) == []
