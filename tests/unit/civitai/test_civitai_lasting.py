"""What of a former record stays where a new one of the same id says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.civitai.lasting import completed
from modelshelf.civitai.payload import model_facts, parse_model, parse_version, version_facts
from modelshelf.domain.fact import Field, Source

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject, JsonValue

VERSION: JsonObject = {
    "id": 7,
    "modelId": 5,
    "name": "v1",
    "baseModel": "Pony",
    "description": "of it",
    "trainedWords": ["ink"],
    "publishedAt": "2026-01-01T00:00:00.000Z",
    "downloadUrl": "https://civitai.com/api/download/models/7",
    "air": "urn:air",
    "nsfwLevel": 1,
    "stats": {"downloadCount": 3},
    "files": [{"id": 1, "name": "ink.safetensors"}],
    "images": [{"url": "https://x/1.jpeg"}],
    "model": {"name": "Ink", "type": "LORA", "nsfw": False, "description": "about", "tags": ["pen"]},
    "creator": {"username": "ann", "image": None},
}
MODEL: JsonObject = {
    "id": 5,
    "name": "Ink",
    "type": "LORA",
    "nsfw": False,
    "description": "about",
    "tags": ["pen"],
    "creator": {"username": "ann"},
    "allowNoCredit": True,
    "allowCommercialUse": "{Image}",
    "allowDerivatives": True,
    "allowDifferentLicense": False,
    "modelVersions": [{"id": 7}],
}
NOTHING: list[JsonValue] = [None, "", [], {}]


def version_says(body: JsonObject) -> dict[Field, Any]:
    return {each.field: each.value for each in version_facts(parse_version(body), Source.CIVITAI_API)}


def model_says(body: JsonObject) -> dict[Field, Any]:
    return {each.field: each.value for each in model_facts(parse_model(body), Source.CIVITAI_API)}


@pytest.mark.parametrize("nothing", NOTHING)
def test_no_fact_file_or_picture_of_a_version_goes_where_nothing_is_said(nothing: JsonValue) -> None:
    thins: list[JsonObject] = [{"id": 7}, {**dict.fromkeys(VERSION, nothing), "id": 7}]
    for thin in thins:
        body = completed(thin, VERSION)
        assert version_says(body) == version_says(VERSION)
        assert (body["files"], body["images"]) == (VERSION["files"], VERSION["images"])


@pytest.mark.parametrize("nothing", NOTHING)
def test_no_fact_of_a_model_and_none_of_its_versions_goes_where_nothing_is_said(nothing: JsonValue) -> None:
    thins: list[JsonObject] = [{"id": 5}, {**dict.fromkeys(MODEL, nothing), "id": 5}]
    for thin in thins:
        body = completed(thin, MODEL)
        assert model_says(body) == model_says(MODEL)
        assert body["modelVersions"] == MODEL["modelVersions"]


def test_parts_are_completed_like_the_whole() -> None:
    body = completed({"id": 7, "model": {"name": "Ink 2"}, "creator": {"username": None, "image": "x"}}, VERSION)
    assert body["model"] == {**VERSION["model"], "name": "Ink 2"}  # type: ignore[dict-item]
    assert body["creator"] == {"username": "ann", "image": "x"}


def test_what_is_said_anew_wins() -> None:
    after: JsonObject = {**MODEL, "nsfw": True, "tags": ["ball"], "allowCommercialUse": "{}", "extra": 1}
    assert completed(after, MODEL) == after
    assert completed({"id": 5, "nsfw": False}, {"id": 5, "nsfw": True})["nsfw"] is False


def test_a_state_that_is_told_no_more_is_over() -> None:
    before: JsonObject = {
        **MODEL,
        "mode": "Archived",
        "earlyAccessEndsAt": "2026-01-01",
        "paidAccess": {"endsAt": None},
    }
    assert completed(MODEL, before) == MODEL


def test_what_was_no_use_before_is_not_kept() -> None:
    assert completed({"id": 5}, {"id": 5, "name": {}, "files": ["x", {}], "tags": 7, "creator": "{}"}) == {"id": 5}


def test_without_a_former_record_the_new_one_is_all() -> None:
    assert completed(VERSION, None) is VERSION
    assert completed(VERSION, VERSION) == VERSION


def test_the_same_thin_record_once_more_changes_nothing() -> None:
    once = completed({"id": 7}, VERSION)
    assert [*completed({"id": 7}, once).items()] == [*once.items()]
    assert [*completed(VERSION, once).items()] == [*VERSION.items()]
