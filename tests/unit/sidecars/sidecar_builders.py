"""Small descriptions, records and findings to plan sidecars from."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from modelshelf.domain.civitai import License, Model, ModelVersion, Sibling
from modelshelf.domain.description import Description
from modelshelf.domain.fact import Fact, Field, Source
from modelshelf.domain.hashes import Hashes
from modelshelf.domain.model_file import Fingerprint, ModelFile, ScanPhase
from modelshelf.sidecars.classify import classify
from modelshelf.sidecars.reading import FoundSidecar, read_sidecar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from modelshelf.domain.jsontypes import JsonObject, JsonValue

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HASHES = Hashes("A1" * 32, "B2" * 32, None, "A1" * 5, "D4" * 6, "C3" * 4)


def describe(
    values: Mapping[Field, JsonValue] | None = None,
    *,
    source: Source = Source.CIVITAI_API,
    version: ModelVersion | None = None,
    model: Model | None = None,
    hashes: Hashes | None = None,
) -> Description:
    file = ModelFile(1, "loras", b"foo.safetensors", Fingerprint(1, 1, 1, 1), ScanPhase.DEEP, True, 1, NOW)
    facts = {field: Fact(field, source, value) for field, value in (values or {}).items()}
    return Description(file, None, hashes, facts, version, model)


def version_body(**changes: JsonValue) -> JsonObject:
    return {
        "id": 20,
        "modelId": 10,
        "name": "v1",
        "baseModel": "SDXL 1.0",
        "description": "<p>notes é</p>",
        "trainedWords": ["foostyle"],
        "model": {"name": "Foo", "type": "LORA", "nsfw": False},
        "files": [{"id": 1, "sizeKB": 12.0}],
        "images": [],
        "downloadUrl": "https://civitai.com/api/download/models/20",
        **changes,
    }


def version(body: JsonObject | None = None) -> ModelVersion:
    received = version_body() if body is None else body
    return ModelVersion(
        id=received["id"] if isinstance(received.get("id"), int) else 20,  # type: ignore[arg-type]
        model_id=10,
        name="v1",
        base_model="SDXL 1.0",
        model_name="Foo",
        model_type="LORA",
        is_nsfw=False,
        nsfw_level=1,
        description=None,
        trained_words=("foostyle",),
        published_at=None,
        air=None,
        mode=None,
        download_url=None,
        stats={},
        files=(),
        images=(),
        body=received,
    )


def model(**changes: JsonValue) -> Model:
    body: JsonObject = {
        "id": 10,
        "creator": {"username": "anna", "image": None},
        "modelVersions": [
            {"id": 20, "createdAt": "2025-01-01T00:00:00.000Z", "stats": {"downloadCount": 3}},
            {"id": 21, "createdAt": "2025-02-01T00:00:00.000Z"},
            "nonsense",
        ],
        **changes,
    }
    return Model(
        id=10,
        name="Foo",
        type="LORA",
        description="<p>all about Foo</p>",
        is_nsfw=False,
        nsfw_level=1,
        tags=("style",),
        creator="anna",
        license=License(True, ("Image", "Sell"), None, False),
        mode=None,
        stats={},
        versions=(
            Sibling(20, "v1", "SDXL 1.0", "2025-01-01T01:00:00.000Z"),
            Sibling(21, "v2", "Pony", None),
            Sibling(22, "v0", None, "2024-01-01T00:00:00.000Z"),
        ),
        body=body,
    )


def found(path: Path, content: JsonValue) -> FoundSidecar:
    """Put JSON at a path and read it back as the room does."""
    path.write_bytes(json.dumps(content).encode())
    return found_at(path)


def found_at(path: Path) -> FoundSidecar:
    sidecar = read_sidecar(path)
    assert sidecar is not None
    return sidecar


def unwritten(path: Path, content: JsonObject, problem: str | None = None) -> FoundSidecar:
    """A finding without a file behind it."""
    return FoundSidecar(path, classify(content), content, os.stat_result([0] * 10), problem)


def loaded(content: bytes | None) -> JsonObject:
    assert content is not None
    parsed = json.loads(content)
    assert isinstance(parsed, dict)
    return parsed


def spoken(content: bytes | None) -> JsonObject:
    """What a planned file says, without our mark."""
    return {key: value for key, value in loaded(content).items() if key != "extensions"}
