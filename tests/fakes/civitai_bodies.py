"""The JSON bodies of the Civitai stand-in, in the shape of August 2026 (civitai/civitai v5.0)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from tests.fakes.civitai_stored import Details, StoredVersion

PUBLISHED_AT = "2025-06-01T12:00:00.000Z"
IMAGE_HOST = "https://image.civitai.com/xG1nkqKTMzGDvpLrqFT7WA"
_ECOSYSTEMS = {"SD 1.5": "sd1", "SDXL 1.0": "sdxl", "Pony": "sdxl", "Illustrious": "sdxl", "Flux.1 D": "flux1"}
_AIR_TYPES = {"LoCon": "lycoris", "TextualInversion": "embedding", "Hypernetwork": "hypernet"}
_ONLY_BY_HASH = ("modelId", "model", "air", "usageControl", "updatedAt", "uploadType")
_ONLY_IN_MODEL = ("status", "createdAt", "covered")


def as_objects(value: JsonValue) -> list[JsonObject]:
    """Give the objects in a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def download_url(version_id: int) -> str:
    """Give the address of a version's primary file."""
    return f"https://civitai.com/api/download/models/{version_id}"


def file_body(file_id: int, version_id: int, hashes: dict[str, str], size_bytes: int, details: Details) -> JsonObject:
    """Give a scanned file."""
    return {
        "id": file_id,
        "sizeKB": size_bytes / 1024,
        "name": details.get("file_name", f"standIn_{version_id}.safetensors"),
        "overrideName": None,
        "type": details.get("file_type", "Model"),
        "pickleScanResult": "Success",
        "pickleScanMessage": "No Pickle imports",
        "virusScanResult": "Success",
        "virusScanMessage": None,
        "scannedAt": "2025-06-01T12:05:00.000Z",
        "metadata": {"format": details.get("file_format", "SafeTensor"), "size": None, "fp": None},
        "hashes": dict(hashes),
        "primary": True,
        "downloadUrl": download_url(version_id),
    }


def image_body(image_id: int, key: UUID, *, is_video: bool, level: int = 1) -> JsonObject:
    """Give an image, or a clip; clips have no prompt."""
    extension = "mp4" if is_video else "jpeg"
    meta: JsonObject = {
        "prompt": f"a picture of number {image_id}, best quality",
        "negativePrompt": "blurry",
        "seed": image_id,
        "steps": 30,
        "sampler": "Euler a",
        "cfgScale": 7,
    }
    return {
        "url": f"{IMAGE_HOST}/{key}/original=true/{image_id}.{extension}",
        "nsfwLevel": level,
        "width": 832,
        "height": 1248,
        "hash": "UhIrQxkY%gxv%jRnn$Nd%gRPM_NFE2M}awbI",
        "type": "video" if is_video else "image",
        "metadata": {"width": 832, "height": 1248, "size": 1048576},
        "minor": False,
        "poi": False,
        "meta": None if is_video else meta,
        "availability": "Public",
        "hasMeta": not is_video,
        "hasPositivePrompt": not is_video,
        "onSite": False,
        "remixOfId": None,
    }


def version_body(version_id: int, model_id: int, model: JsonObject, details: Details) -> JsonObject:
    """Give a version as by-hash answers it, without files and images."""
    parent: JsonObject = {key: model[key] for key in ("name", "type", "nsfw", "poi", "mode") if key in model}
    return {
        "id": version_id,
        "modelId": model_id,
        "name": details.get("version_name", "v1.0"),
        "nsfwLevel": details.get("nsfw_level", 1),
        "createdAt": "2025-06-01T11:00:00.000Z",
        "updatedAt": "2025-06-01T12:00:00.000Z",
        "publishedAt": details.get("published_at", PUBLISHED_AT),
        "status": details.get("status", "Published"),
        "trainedWords": [*details.get("trained_words", ("stand-in style",))],
        "trainingStatus": None,
        "trainingDetails": None,
        "baseModel": (base_model := details.get("base_model", "SDXL 1.0")),
        "baseModelType": "Standard",
        "description": details.get("version_description", "<p>First version.</p>"),
        "uploadType": "Created",
        "usageControl": "Download",
        "licensingFee": None,
        "paidAccess": details.get("paid_access"),
        "air": _air(base_model, str(model["type"]), model_id, version_id),
        "stats": {"downloadCount": 100, "thumbsUpCount": 10},
        "model": parent,
        "files": [],
        "images": [],
        "downloadUrl": download_url(version_id),
    }


def model_body(model_id: int, details: Details) -> JsonObject:
    """Give a model without its versions. The site's own account has no creator: pass None."""
    creator = details.get("creator", "stand_in_creator")
    body: JsonObject = {
        "id": model_id,
        "name": details.get("name", f"Stand-in {model_id}"),
        "description": details.get("description", "<p>A model of the stand-in.</p>"),
        "type": details.get("model_type", "LORA"),
        "nsfw": details.get("nsfw", False),
        "nsfwLevel": details.get("nsfw_level", 1),
        "minor": details.get("minor", False),
        "poi": details.get("poi", False),
        "sfwOnly": False,
        "allowNoCredit": True,
        "allowCommercialUse": "{Image,RentCivit}",
        "allowDerivatives": True,
        "allowDifferentLicense": False,
        "availability": details.get("availability", "Public"),
        "userId": 7,
        "baseModels": [details.get("base_model", "SDXL 1.0")],
        "cosmetic": None,
        "supportsGeneration": False,
        "stats": {
            "downloadCount": 100,
            "thumbsUpCount": 10,
            "thumbsDownCount": 0,
            "commentCount": 1,
            "tippedAmountCount": 0,
        },
        "tags": [*details.get("tags", ("style", "stand-in"))],
    }
    if creator is not None:
        body["creator"] = {"username": creator, "image": None}
    return {**body, "mode": details["mode"]} if "mode" in details else body


def version_from_model_record(model: JsonObject, version: JsonObject) -> JsonObject:
    """Derive a by-hash body from a version inside a recorded model."""
    model_id, version_id = int(str(model["id"])), int(str(version["id"]))
    body: JsonObject = {"trainedWords": [], "description": None, "files": [], "images": [], **version}
    body.pop("index", None)
    body["modelId"] = model_id
    body["model"] = {key: model[key] for key in ("name", "type", "nsfw", "poi", "mode") if key in model}
    body.setdefault("air", _air(str(version.get("baseModel")), str(model.get("type")), model_id, version_id))
    body["images"] = [{"meta": None, **each} for each in as_objects(body["images"])]
    return body


def by_hash_body(version: StoredVersion, *, is_batch: bool = False) -> JsonObject:
    """Give what GET or POST by-hash answers: ten images, no hidden or replaced file, and in batches broken addresses."""
    body = copy.deepcopy(version.body)
    left_out = version.hidden | version.replaced
    files = [each for each in as_objects(body.get("files")) if each.get("id") not in left_out]
    mode = version.model.body.get("mode")
    body["files"] = [] if mode == "Archived" else [*files]
    body["images"] = [] if mode == "TakenDown" else [*as_objects(body.get("images"))[:10]]
    if mode == "Archived":
        body.pop("downloadUrl", None)
    for each in [body, *as_objects(body["files"])] if is_batch else []:
        if "downloadUrl" in each:
            each["downloadUrl"] = str(each["downloadUrl"]).replace("https://civitai.com/", "https://undefined/")
    return body


def by_id_body(version: StoredVersion) -> JsonObject:
    """Give what GET /model-versions/{id} answers: replaced files too, and their dates without a zone."""
    body = by_hash_body(version)
    shown = [each for each in as_objects(version.body.get("files")) if each.get("id") not in version.hidden]
    if version.model.body.get("mode") != "Archived":
        body["files"] = [
            {**{key: value for key, value in each.items() if key != "overrideName"}, "scannedAt": _without_zone(each)}
            for each in shown
        ]
    return {**body, "licensingFee": None}


def model_version_body(version: StoredVersion, index: int, *, is_listed: bool) -> JsonObject:
    """Give a version as it stands inside a model; only lists keep keys that are empty."""
    body = {key: value for key, value in by_hash_body(version).items() if key not in _ONLY_BY_HASH}
    body |= {"index": index, "availability": "Public", "covered": True}
    body["images"] = [
        {key: value for key, value in each.items() if key not in {"meta", "metadata", "availability"}}
        for each in as_objects(body["images"])
    ]
    if is_listed:
        return {key: value for key, value in body.items() if key not in _ONLY_IN_MODEL}
    return {key: value for key, value in body.items() if value is not None and value != []}


def _without_zone(file: JsonObject) -> JsonValue:
    scanned_at = file.get("scannedAt")
    return scanned_at.removesuffix("Z") if isinstance(scanned_at, str) else scanned_at


def _air(base_model: str, model_type: str, model_id: int, version_id: int) -> str:
    ecosystem = _ECOSYSTEMS.get(base_model, "other")
    return f"urn:air:{ecosystem}:{_AIR_TYPES.get(model_type, model_type.lower())}:civitai:{model_id}@{version_id}"
