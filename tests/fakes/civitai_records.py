"""What the Civitai stand-in knows: models, their versions and files, and how the bodies of each route derive from them."""

from __future__ import annotations

import copy
import itertools
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Unpack

from tests.fakes.civitai_bodies import (
    as_objects,
    file_body,
    image_body,
    model_body,
    version_body,
    version_from_model_record,
)
from tests.fakes.civitai_stored import Details, StoredModel, StoredVersion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelshelf.domain.hashes import Hashes
    from modelshelf.domain.jsontypes import JsonObject, JsonValue

_HASH_NAMES = {name.lower(): name for name in ("SHA256", "BLAKE3", "AutoV1", "AutoV2", "AutoV3", "CRC32")}


class Records:
    """The stand-in's database."""

    def __init__(self) -> None:
        self.models: dict[int, StoredModel] = {}
        self.versions: dict[int, StoredVersion] = {}
        self._ids = itertools.count(1001)
        self._of_model: dict[int, dict[int, StoredVersion]] = {}
        self._holders: dict[str, list[tuple[str, StoredVersion]]] = {}

    def add_file(
        self, hashes: Hashes | Mapping[str, str | None] | str, size_bytes: int, **details: Unpack[Details]
    ) -> int:
        """Add a file with a version and a model around it, and give the version's id.

        `hashes` is a SHA256, our noun, or a mapping under anyone's spelling of the six names.
        """
        version = self.versions.get(details.get("version_id", 0))
        if version is None:
            version = self._add_version(details)
        file = file_body(next(self._ids), version.id, _spelled(hashes), size_bytes, details)
        files = version.body["files"]
        if isinstance(files, list):
            file["primary"] = not files
            files.append(file)
        self._index(version, file)
        file_id = int(str(file["id"]))
        version.hidden |= {file_id} if details.get("is_hidden") else set()
        version.replaced |= {file_id} if details.get("is_replaced") else set()
        return version.id

    def add_recording(self, body: JsonObject) -> list[int]:
        """Add a recorded model, or a recorded version with the model it names; gives the version ids."""
        body = copy.deepcopy(body)
        if "modelVersions" not in body:
            return [self._add_recorded_version(body)]
        model = StoredModel(int(str(body["id"])), {**body, "modelVersions": []}, recorded=body)
        self.models[model.id] = model
        versions = [version_from_model_record(body, each) for each in as_objects(body["modelVersions"])]
        for version in versions:
            self._store(model, version)
        return [int(str(version["id"])) for version in versions]

    def with_hash(self, digits: str) -> list[StoredVersion]:
        """Give the published versions with this hash of any type, oldest first."""
        found = {version.id: version for _, version in self._with(digits)}
        return sorted(found.values(), key=lambda each: each.age)

    def with_sha256s(self, sha256s: Iterable[str]) -> list[tuple[str, StoredVersion]]:
        """Give a pair for every published file that has one of the hashes, in no useful order."""
        return [
            (digits, version)
            for digits in sorted({each.upper() for each in sha256s}, reverse=True)
            for name, version in self._with(digits)
            if name == "SHA256"
        ]

    def versions_of(self, model: StoredModel) -> list[StoredVersion]:
        """Give the published versions of a model, in the order in which they were added."""
        held = self._of_model.get(model.id, {}).values()
        return [each for each in held if each.model is model and each.is_published]

    def _with(self, digits: str) -> list[tuple[str, StoredVersion]]:
        """Give the name of the hash and the version for each file that has it; of a version added twice the later."""
        found = self._holders.get(digits.upper(), ())
        return [each for each in found if each[1].is_published and self.versions[each[1].id] is each[1]]

    def _add_version(self, details: Details) -> StoredVersion:
        model = self.models.get(details.get("model_id", 0)) or self._add_model(details)
        version_id = details.get("version_id", 0) or next(self._ids)
        body = version_body(version_id, model.id, model.body, details)
        body["images"] = self._images(version_id, details)
        return self._store(model, body)

    def _images(self, version_id: int, details: Details) -> list[JsonValue]:
        are_videos = [False] * details.get("images", 2) + [True] * details.get("videos", 0)
        levels = itertools.chain(details.get("image_levels", ()), itertools.repeat(1))
        return [
            image_body(
                next(self._ids),
                uuid.uuid5(uuid.NAMESPACE_OID, f"{version_id}/{number}"),
                is_video=is_video,
                level=level,
            )
            for number, (is_video, level) in enumerate(zip(are_videos, levels, strict=False))
        ]

    def _add_model(self, details: Details) -> StoredModel:
        model_id = details.get("model_id", 0) or next(self._ids)
        model = StoredModel(model_id, model_body(model_id, details), details.get("status", "Published"))
        self.models[model_id] = model
        return model

    def _add_recorded_version(self, body: JsonObject) -> int:
        parent = body.get("model")
        model_id = int(str(body.get("modelId") or next(self._ids)))
        named = parent if isinstance(parent, dict) else {}
        model = self.models.setdefault(model_id, StoredModel(model_id, {**model_body(model_id, {}), **named}))
        body = {**body, "modelId": model_id, "model": {"name": None, "type": None, **named}}
        return self._store(model, body).id

    def _store(self, model: StoredModel, body: JsonObject) -> StoredVersion:
        version = StoredVersion(int(str(body["id"])), model, body)
        self.versions[version.id] = version
        self._of_model.setdefault(model.id, {})[version.id] = version
        for file in as_objects(body.get("files")):
            self._index(version, file)
        return version

    def _index(self, version: StoredVersion, file: JsonObject) -> None:
        hashes = file.get("hashes")
        for name, digits in hashes.items() if isinstance(hashes, dict) else ():
            if isinstance(digits, str):
                self._holders.setdefault(digits.upper(), []).append((name, version))


def _spelled(hashes: Hashes | Mapping[str, str | None] | str) -> dict[str, str]:
    """Give the hashes under Civitai's names in UPPERCASE; AutoV2 always follows from SHA256."""
    if isinstance(hashes, str):
        hashes = {"SHA256": hashes}
    given = hashes if isinstance(hashes, Mapping) else asdict(hashes)
    spelled = {_HASH_NAMES[name.lower()]: value.upper() for name, value in given.items() if value}
    if "SHA256" in spelled:
        spelled.setdefault("AutoV2", spelled["SHA256"][:10])
    return spelled
