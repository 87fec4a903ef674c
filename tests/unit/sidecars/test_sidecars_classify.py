"""Dialects are told by content."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from modelshelf.sidecars.classify import Dialect, classify
from modelshelf.sidecars.mark import marked

if TYPE_CHECKING:
    from pathlib import Path

    from modelshelf.domain.jsontypes import JsonValue

HELPER: JsonValue = {"sd_civitai_helper": {"version": "1.8.13", "skeleton_file": False}}
SKELETON: JsonValue = {"sd_civitai_helper": {"skeleton_file": True}}


@pytest.mark.parametrize(
    ("dialect", "content"),
    [
        (Dialect.KRITA, [{"id": "a", "name": "a", "source": 1}]),
        (Dialect.EMPTY, {}),
        (Dialect.SWARM, {"modelspec.title": "Foo", "description": "x"}),
        (Dialect.STABILITY_MATRIX, {"ModelName": "Foo", "Hashes": {}}),
        (Dialect.LORA_MANAGER, {"file_path": "/a", "model_name": "a", "file_name": "a", "civitai": {}}),
        (Dialect.RGTHREE, {"raw": {}, "hasInfoFile": True}),
        (Dialect.CIVITAI_MODEL, {"id": 1, "modelVersions": []}),
        (Dialect.FORGE, {"activation text": "foo"}),
        (Dialect.FORGE, {"sd version": "SDXL", "modelId": 1, "sha256": "AA"}),
        (Dialect.FORGE, {"description": "x", "sd version": "SDXL", "extensions": HELPER}),
        (Dialect.FORGE, {"description": "", "notes": "", "vae": "Automatic"}),
        (Dialect.CIVITAI_SKELETON, {"id": "", "modelId": "", "files": [{"hashes": {}}], "baseModel": "Unknown"}),
        (Dialect.CIVITAI_SKELETON, {"id": 1, "modelId": 1, "files": [], "extensions": SKELETON}),
        (Dialect.CIVITSCRAPER, {"id": 1, "modelId": 2, "files": [], "parentModel": {}}),
        (Dialect.CIVITAI_VERSION, {"id": 1, "modelId": 2, "files": []}),
        (Dialect.CIVITAI_VERSION, {"id": 1, "modelId": 2, "files": [], "extensions": HELPER, "creator": "{}"}),
        (Dialect.COMFY_WORKFLOW, {"nodes": [], "links": []}),
        (Dialect.COMFY_WORKFLOW, {"1": {"class_type": "KSampler", "inputs": {}}}),
        (Dialect.UNKNOWN, {"hello": 1}),
        (Dialect.UNKNOWN, {"extensions": [], "parentModel": {}}),
        (Dialect.UNKNOWN, {"modelVersions": "none"}),
        (Dialect.UNKNOWN, []),
        (Dialect.UNKNOWN, [1]),
        (Dialect.UNKNOWN, "text"),
        (Dialect.UNKNOWN, None),
    ],
)
def test_a_dialect_is_told_by_content(dialect: Dialect, content: JsonValue) -> None:
    assert classify(content) is dialect


def test_our_own_forge_file_is_known_whatever_a_person_adds() -> None:
    assert classify(marked({"description": "x", "rating": 5}, {})) is Dialect.FORGE


def test_a_file_of_ours_that_lost_a_key_keeps_the_dialect_in_which_we_wrote_it() -> None:
    manager = marked({"file_path": "/a", "file_name": "a"}, {"file_path": "1", "file_name": "2", "model_name": "3"})
    assert classify(manager) is Dialect.LORA_MANAGER
    assert (
        classify(marked({"ModelName": "Foo", "notes": "mine"}, {"ModelName": "1", "Hashes": "2"})) is not Dialect.FORGE
    )
    assert classify(marked({"rating": 5}, {"description": "1", "sd version": "2"})) is Dialect.FORGE


def test_recorded_answers_are_told_apart(recordings: Path) -> None:
    told = {
        folder: {classify(json.loads(each.read_bytes())) for each in (recordings / "civitai" / folder).glob("*.json")}
        for folder in ("version_by_hash", "version_by_id", "model_2023")
    }
    assert told == {
        "version_by_hash": {Dialect.CIVITAI_VERSION},
        "version_by_id": {Dialect.CIVITAI_VERSION},
        "model_2023": {Dialect.CIVITAI_MODEL},
    }


def test_recorded_workflows_are_told(recordings: Path) -> None:
    folder = recordings / "files" / "comfy_workflow_json"
    told = {classify(json.loads((folder / name).read_bytes())) for name in ("workflow-ui.json", "workflow-api.json")}
    assert told == {Dialect.COMFY_WORKFLOW}
