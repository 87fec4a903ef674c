"""Every recorded body, through the parser and through the stand-in: nothing that the records name may get lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.civitai.payload import model_facts, parse_model, parse_version, slim, version_facts
from modelshelf.domain.fact import Field, Source
from tests.fakes.civitai_server import CivitaiStandIn, add_recordings

if TYPE_CHECKING:
    from pathlib import Path

    from modelshelf.civitai.client import CivitaiClient
    from modelshelf.domain.civitai import Model, ModelVersion, RemoteFile, RemoteImage


def bodies(recordings: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path in sorted((recordings / "civitai").rglob("*.json")):
        recorded = json.loads(path.read_bytes())
        items = recorded.get("items", [recorded]) if isinstance(recorded, dict) else recorded
        found += [each for each in items if "id" in each]
    assert len(found) >= 50
    return found


@pytest.fixture
def models(recordings: Path) -> list[dict[str, Any]]:
    return [each for each in bodies(recordings) if "modelVersions" in each]


@pytest.fixture
def versions(recordings: Path) -> list[dict[str, Any]]:
    found = bodies(recordings)
    alone = [each for each in found if "modelVersions" not in each]
    return alone + [version for each in found for version in each.get("modelVersions", ())]


def assert_no_file_field_lost(recorded: dict[str, Any], file: RemoteFile) -> None:
    assert file.id == recorded["id"]
    assert file.name == recorded["name"]
    assert file.type == recorded["type"]
    assert file.size_kb == recorded["sizeKB"]
    assert file.size_bytes == (round(recorded["sizeKB"] * 1024) or None)
    assert file.metadata.items() >= recorded.get("metadata", {}).items()
    assert (file.pickle_scan, file.virus_scan) == (recorded["pickleScanResult"], recorded["virusScanResult"])
    assert file.is_primary == recorded.get("primary", False)
    assert file.download_url == recorded["downloadUrl"]
    expected = {name: digits[:12] if name == "AutoV3" else digits for name, digits in recorded["hashes"].items()}
    assert file.hashes == expected


def assert_no_image_field_lost(recorded: dict[str, Any], image: RemoteImage) -> None:
    assert image.url == recorded["url"]
    assert image.type == recorded.get("type", "image")
    assert (image.width, image.height) == (recorded["width"], recorded["height"])
    assert image.nsfw_level in {1, 2, 4, 8, 16, 32}
    meta = recorded.get("meta") or {}
    assert (image.prompt, image.negative_prompt) == (meta.get("prompt") or None, meta.get("negativePrompt") or None)


def assert_no_version_field_lost(recorded: dict[str, Any], version: ModelVersion) -> None:
    assert version.body == recorded
    assert version.id == recorded["id"]
    assert version.model_id == recorded.get("modelId")
    assert version.name == recorded["name"]
    assert version.base_model == recorded.get("baseModel")
    assert version.description == (recorded.get("description") or None)
    assert version.published_at == recorded.get("publishedAt")
    assert version.air == recorded.get("air")
    assert version.nsfw_level == recorded.get("nsfwLevel")
    assert version.stats == recorded.get("stats", {})
    assert version.download_url == recorded.get("downloadUrl")
    parent = recorded.get("model", {})
    assert (version.model_name, version.model_type, version.is_nsfw) == (
        parent.get("name"),
        parent.get("type"),
        parent.get("nsfw"),
    )
    for words in recorded.get("trainedWords", ()):
        assert not words.strip(" ,") or any(words.strip(" ,") in each for each in version.trained_words)
    assert len(version.files) == len(recorded.get("files", ()))
    assert len(version.images) == len(recorded.get("images", ()))
    for file_body, file in zip(recorded.get("files", ()), version.files, strict=True):
        assert_no_file_field_lost(file_body, file)
    for image_body, image in zip(recorded.get("images", ()), version.images, strict=True):
        assert_no_image_field_lost(image_body, image)


def assert_no_model_field_lost(recorded: dict[str, Any], model: Model) -> None:
    assert model.body == recorded
    assert (model.id, model.name, model.type) == (recorded["id"], recorded["name"], recorded["type"])
    assert model.description == (recorded["description"] or None)
    assert (model.is_nsfw, model.nsfw_level) == (recorded["nsfw"], recorded.get("nsfwLevel"))
    assert model.mode == recorded.get("mode")
    assert model.stats == recorded["stats"]
    assert model.creator == recorded.get("creator", {}).get("username")
    assert set(model.tags) == {tag["name"] if isinstance(tag, dict) else tag for tag in recorded["tags"]}
    uses = recorded["allowCommercialUse"]
    assert model.license.allow_commercial_use == ((uses,) if isinstance(uses, str) else tuple(uses))
    assert model.license.allow_no_credit == recorded["allowNoCredit"]
    assert model.license.allow_derivatives == recorded["allowDerivatives"]
    assert model.license.allow_different_license == recorded["allowDifferentLicense"]
    assert [each.id for each in model.versions] == [each["id"] for each in recorded["modelVersions"]]
    assert [each.name for each in model.versions] == [each["name"] for each in recorded["modelVersions"]]


def test_no_recorded_version_loses_a_field(versions: list[dict[str, Any]]) -> None:
    for recorded in versions:
        assert_no_version_field_lost(recorded, parse_version(recorded))


def test_no_recorded_model_loses_a_field(models: list[dict[str, Any]]) -> None:
    for recorded in models:
        assert_no_model_field_lost(recorded, parse_model(recorded))


def test_every_recording_gives_facts(models: list[dict[str, Any]], versions: list[dict[str, Any]]) -> None:
    for recorded in versions:
        fields = {fact.field for fact in version_facts(parse_version(recorded), Source.CIVITAI_API)}
        assert {Field.VERSION_ID, Field.VERSION_NAME} <= fields
    for recorded in models:
        fields = {fact.field for fact in model_facts(parse_model(recorded), Source.CIVITAI_API)}
        assert {Field.NAME, Field.MODEL_ID, Field.MODEL_TYPE, Field.LICENSE, Field.NSFW} <= fields


def test_no_recording_is_large_enough_to_be_slimmed(versions: list[dict[str, Any]]) -> None:
    for recorded in versions:
        assert slim(recorded) == recorded


def test_every_recorded_file_is_found_again_through_the_stand_in(
    recordings: Path, models: list[dict[str, Any]], client: CivitaiClient, stand_in: CivitaiStandIn
) -> None:
    assert add_recordings(stand_in, recordings / "civitai") >= 50
    ids = {
        file["hashes"]["SHA256"].upper(): version["id"]
        for model in models
        for version in model["modelVersions"]
        for file in version["files"]
        if "SHA256" in file["hashes"]
    }
    assert len(ids) >= 50
    found = client.versions_by_hash(list(ids)).found
    assert found.keys() == ids.keys()
    assert {request.method for request in stand_in.requests} <= {"POST", "GET"}
    for model in models:
        answered = client.get_model(model["id"])
        assert (answered is None) == (not model["modelVersions"] or model["poi"])
        assert answered is None or answered.name == model["name"]
