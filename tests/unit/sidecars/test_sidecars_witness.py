"""Rules for what a sidecar is heard to say, and of which bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.fact import Field, Source
from modelshelf.domain.hashes import EMPTY_AUTOV3
from modelshelf.sidecars.witness import MOST_NAMES, Witness, witness
from tests.unit.sidecars.sidecar_builders import HASHES, unwritten, version_body

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject, JsonValue

MANAGER: JsonObject = {"file_path": "/a", "model_name": "a", "file_name": "a"}
MATRIX: JsonObject = {"ModelName": "Foo", "ModelId": 10, "VersionId": 20}


def hear(content: JsonObject) -> Witness:
    return witness(unwritten(Path("x.json"), content), {})


def own_words(content: JsonObject) -> dict[Field, JsonValue]:
    facts = hear(content).facts
    assert all(fact.source is Source.TOOL_JSON for fact in facts)
    return {fact.field: fact.value for fact in facts}


def test_stability_matrix_tells_civitais_answer_in_its_own_names() -> None:
    told = MATRIX | {
        "ModelDescription": "<p>all</p>",
        "Nsfw": True,
        "Tags": ["style"],
        "ModelType": "lora",
        "VersionName": "v1",
        "VersionDescription": None,
        "BaseModel": "Pony",
        "AuthorUsername": "anna",
        "TrainedWords": ["foo"],
        "Hashes": {"SHA256": HASHES.sha256.lower(), "CRC32": None},
        "Source": 0,
    }
    assert hear(told).body == {
        "id": 20,
        "modelId": 10,
        "name": "v1",
        "baseModel": "Pony",
        "trainedWords": ["foo"],
        "model": {"name": "Foo", "nsfw": True, "description": "<p>all</p>", "tags": ["style"], "type": "lora"},
        "creator": {"username": "anna"},
        "files": [{"hashes": {"SHA256": HASHES.sha256.lower(), "CRC32": None}}],
    }
    assert hear(told).speaks_of(HASHES) is True


@pytest.mark.parametrize("source", [1, 2, 3, "Civitai"])
def test_what_stability_matrix_has_from_elsewhere_is_not_civitais_answer(source: JsonValue) -> None:
    assert hear(MATRIX | {"Source": source}).body == {}


def test_a_model_type_that_stability_matrix_does_not_know_is_none() -> None:
    assert hear(MATRIX | {"ModelType": "Unknown"}).body["model"] == {"name": "Foo"}
    assert hear(MATRIX | {"ModelType": 3}).body["model"] == {"name": "Foo"}


def test_a_person_speaks_in_lora_manager_by_notes_and_a_strength() -> None:
    assert own_words(MANAGER | {"notes": "mine", "usage_tips": '{"strength": 0.7}'}) == {
        Field.NOTES: "mine",
        Field.PREFERRED_WEIGHT: 0.7,
    }


@pytest.mark.parametrize(
    "tips", ["", "{}", "[]", "{", '{"strength": "x"}', '{"strength": 0}', 3, None, "[" * 9_000, "1" * 20_000]
)
def test_tips_that_say_no_strength_say_nothing(tips: JsonValue) -> None:
    assert own_words(MANAGER | {"notes": 1, "usage_tips": tips}) == {}


def test_swarmui_speaks_in_modelspec() -> None:
    assert own_words(
        {
            "modelspec.title": "Foo",
            "modelspec.author": "anna",
            "modelspec.description": "words",
            "modelspec.trigger_phrase": "foo",
            "modelspec.usage_hint": "hint",
            "modelspec.tags": ["a", 1, "b"],
            "modelspec.lora_default_weight": "0.5",
            "modelspec.architecture": "flux-1-dev/lora",
        }
    ) == {
        Field.TITLE: "Foo",
        Field.AUTHOR: "anna",
        Field.DESCRIPTION: "words",
        Field.TRIGGER_PHRASE: "foo",
        Field.USAGE_HINT: "hint",
        Field.TAGS: ["a", "b"],
        Field.PREFERRED_WEIGHT: 0.5,
    }


@pytest.mark.parametrize("weight", ["x", "", "nan", [], None, 0])
def test_a_weight_that_is_none_says_nothing(weight: JsonValue) -> None:
    assert own_words({"modelspec.title": 1, "modelspec.tags": "a", "modelspec.lora_default_weight": weight}) == {}


def test_what_rgthree_keeps_of_civitai_counts_as_its_answer() -> None:
    assert hear({"raw": {"civitai": version_body()}, "hasInfoFile": True}).body == version_body()
    assert hear({"raw": {}, "hasInfoFile": True}).body == {}


@pytest.mark.parametrize(
    "content",
    [
        {"modelId": 1, "images": [], "files": [{"hashes": {"SHA256": HASHES.sha256.lower()}}]},
        {"modelId": 1, "images": [], "files": [{"hashes": {"SHA256": "F" * 64, "AutoV3": HASHES.autov3}}]},
        {"modelId": 1, "images": [], "files": [{"hashes": {"AutoV2": HASHES.autov2}}]},
        {"modelVersions": [{"files": []}, {"files": [{"hashes": {"BLAKE3": HASHES.blake3}}]}]},
        {"activation text": "a", "sha256": HASHES.sha256},
        MANAGER | {"sha256": HASHES.sha256.lower()},
        MATRIX | {"Hashes": {"BLAKE3": HASHES.blake3}},
        {"modelspec.title": "a", "modelspec.hash_sha256": "0x" + str(HASHES.autov3).lower() + "0" * 52},
    ],
)
def test_bytes_are_named_by_any_of_their_hashes(content: JsonObject) -> None:
    assert hear(content).speaks_of(HASHES) is True


@pytest.mark.parametrize("named", [{"SHA256": "F" * 64}, {"AutoV2": "F" * 10}, {"AutoV3": "f" * 12, "CRC32": "C3" * 4}])
def test_another_hash_of_a_kind_that_is_known_contradicts(named: JsonObject) -> None:
    assert hear(version_body(files=[{"hashes": named}])).speaks_of(HASHES) is False


def test_what_is_too_short_and_what_cannot_be_compared_proves_nothing() -> None:
    assert hear(version_body(files=[{"hashes": {"AutoV1": "F" * 8, "CRC32": "F" * 8}}])).speaks_of(HASHES) is None
    assert hear(MANAGER | {"autov3": "f" * 12}).speaks_of(replace(HASHES, autov3=None)) is None
    assert hear(MANAGER | {"autov3": "f" * 12}).speaks_of(replace(HASHES, autov3=EMPTY_AUTOV3)) is None
    assert hear(MANAGER | {"sha256": "no hash"}).speaks_of(HASHES) is None
    assert hear(MANAGER | {"sha256": "f" * 64}).speaks_of(None) is None


def test_the_hash_of_no_data_names_nothing() -> None:
    assert hear(MANAGER | {"autov3": EMPTY_AUTOV3.lower()}).hashes == frozenset()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (version_body(), {20}),
        (version_body(id=True), set()),
        ({"modelVersions": [{"id": 1}, {"id": "2"}, 3]}, {1}),
        (MATRIX, {20}),
        (MANAGER | {"civitai": version_body(id=7)}, {7}),
        ({"activation text": "a", "modelVersionId": 9}, {9}),
        ({"id": "", "modelId": "", "files": []}, set()),
    ],
)
def test_versions_are_named_by_their_ids(content: JsonObject, named: set[int]) -> None:
    assert hear(content).version_ids == named


def test_a_file_that_names_without_end_is_cut_off() -> None:
    files: JsonValue = [{"hashes": {"SHA256": f"{number:064x}"}} for number in range(MOST_NAMES + 100)]
    assert len(hear(version_body(files=files)).hashes) <= MOST_NAMES
