from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.civitai.payload import model_facts, parse_model, parse_version, version_facts
from modelshelf.domain.fact import Field, Source

if TYPE_CHECKING:
    from modelshelf.domain.fact import Fact
    from modelshelf.domain.jsontypes import JsonObject, JsonValue

VERSION: JsonObject = {
    "id": 2,
    "modelId": 1,
    "name": "v2",
    "nsfwLevel": 0,
    "publishedAt": "2026-08-01T00:00:00.000Z",
    "trainedWords": ["one", "two"],
    "baseModel": "Pony",
    "description": "<p>new</p>",
    "air": "urn:air:sdxl:lora:civitai:1@2",
    "stats": {"thumbsUpCount": 4},
    "model": {"name": "Fish", "type": "LORA", "nsfw": False, "mode": "Archived"},
    "downloadUrl": "https://undefined/api/download/models/2",
}


def values(facts: list[Fact]) -> dict[Field, JsonValue]:
    found = {fact.field: fact.value for fact in facts}
    assert len(found) == len(facts)
    return found


def test_a_version_gives_everything_it_knows() -> None:
    facts = version_facts(parse_version(VERSION), Source.CIVITAI_API)
    assert {fact.source for fact in facts} == {Source.CIVITAI_API}
    assert values(facts) == {
        Field.NAME: "Fish",
        Field.VERSION_NAME: "v2",
        Field.MODEL_ID: 1,
        Field.VERSION_ID: 2,
        Field.MODEL_TYPE: "LORA",
        Field.BASE_MODEL: "Pony",
        Field.VERSION_DESCRIPTION: "<p>new</p>",
        Field.TRAINED_WORDS: ["one", "two"],
        Field.NSFW: False,
        Field.NSFW_LEVEL: 0,
        Field.PUBLISHED_AT: "2026-08-01T00:00:00.000Z",
        Field.DOWNLOAD_URL: "https://civitai.com/api/download/models/2",
        Field.AIR: "urn:air:sdxl:lora:civitai:1@2",
        Field.MODE: "Archived",
        Field.STATS: {"thumbsUpCount": 4},
    }


def test_what_is_unknown_is_no_fact() -> None:
    assert values(version_facts(parse_version({"id": 2, "description": " ", "trainedWords": []}), Source.FORGE)) == {
        Field.VERSION_ID: 2
    }
    assert values(model_facts(parse_model({"id": 1, "tags": [], "creator": "{}"}), Source.FORGE)) == {Field.MODEL_ID: 1}


def test_what_other_tools_added_to_a_version_becomes_facts() -> None:
    body: JsonObject = {
        "id": 2,
        "model": {"description": "<p>sea</p>", "tags": ["a"], "allowNoCredit": False, "allowCommercialUse": "{Image}"},
        "creator": {"username": "ann"},
    }
    found = values(version_facts(parse_version(body), Source.CIVITAI_JSON))
    assert found[Field.DESCRIPTION] == "<p>sea</p>"
    assert found[Field.TAGS] == ["a"]
    assert found[Field.CREATOR] == "ann"
    assert found[Field.LICENSE] == {"allow_no_credit": False, "allow_commercial_use": ["Image"]}


def test_a_creator_may_stand_in_the_model_of_a_version() -> None:
    body: JsonObject = {"id": 2, "creator": "{}", "model": {"creator": {"username": "ann"}}}
    assert values(version_facts(parse_version(body), Source.CIVITAI_JSON))[Field.CREATOR] == "ann"


def test_a_model_gives_tags_creator_and_licence_but_not_the_numbers_of_its_siblings() -> None:
    body: JsonObject = {
        "id": 1,
        "name": "Fish",
        "type": "LORA",
        "nsfw": True,
        "nsfwLevel": 31,
        "mode": "TakenDown",
        "description": "<p>sea</p>",
        "tags": ["a"],
        "creator": {"username": 5},
        "stats": {"downloadCount": 9},
        "allowNoCredit": True,
        "allowCommercialUse": ["Sell"],
        "allowDerivatives": True,
        "allowDifferentLicense": False,
    }
    assert values(model_facts(parse_model(body), Source.CIVITAI_API)) == {
        Field.NAME: "Fish",
        Field.MODEL_ID: 1,
        Field.MODEL_TYPE: "LORA",
        Field.DESCRIPTION: "<p>sea</p>",
        Field.TAGS: ["a"],
        Field.CREATOR: "5",
        Field.LICENSE: {
            "allow_no_credit": True,
            "allow_commercial_use": ["Sell"],
            "allow_derivatives": True,
            "allow_different_license": False,
        },
        Field.NSFW: True,
        Field.MODE: "TakenDown",
    }
