"""`<stem>.cm-info.json` as Stability Matrix keeps it (`ConnectedModelInfo.cs`).

System.Text.Json: names in exactly this case, and one value of a wrong type makes the whole file unreadable: a number that
leaves 32 bits, a null where text must be, a word for `Source`. Without `Hashes` an update check ends in a null reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.fact import Field, is_known
from modelshelf.domain.hashes import EMPTY_AUTOV3
from modelshelf.sidecars.classify import Dialect
from modelshelf.sidecars.mark import is_ours
from modelshelf.sidecars.telling import Telling, known
from modelshelf.sidecars.values import storable_object
from modelshelf.sidecars.writer import Layout, Planned, Wanted, merged_into

if TYPE_CHECKING:
    from modelshelf.domain.civitai import ModelVersion, RemoteFile
    from modelshelf.domain.description import Description
    from modelshelf.domain.hashes import Hashes
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.sidecars.mark import Digests
    from modelshelf.sidecars.reading import FoundSidecar

FROM_CIVITAI = 0
MODEL_TYPES = {
    name.lower(): name
    for name in (
        *("Checkpoint", "TextualInversion", "Hypernetwork", "DoRA", "LORA", "Controlnet", "LoCon", "VAE"),
        *("AestheticGradient", "Model", "MotionModule", "Poses", "Upscaler", "Wildcards", "Workflows", "Other"),
    )
}
_FORMATS = ("SafeTensor", "PickleTensor", "Diffusers", "GGUF", "Other")
_LAYOUT = Layout(indent=None, is_ascii=False)
_DIALECTS = frozenset({Dialect.STABILITY_MATRIX, Dialect.EMPTY})
_REQUIRED = frozenset({"Hashes"})
_SETTLED = frozenset({"ImportedAt"})
_LARGEST_NUMBER = 2**31 - 1
_VERSION_KEYS = {
    "name": "VersionName",
    "description": "VersionDescription",
    "baseModel": "BaseModel",
    "trainedWords": "TrainedWords",
}
_MODEL_KEYS = {"name": "ModelName", "nsfw": "Nsfw", "description": "ModelDescription", "tags": "Tags"}
_ANSWERED = frozenset({*_VERSION_KEYS.values(), *_MODEL_KEYS.values(), "ModelType", "AuthorUsername"})


def compose(description: Description, existing: FoundSidecar | None, ours: Digests) -> Planned:
    """Plan the file where Civitai knows the version; one that speaks of another version is left alone."""
    version, hashes = description.version, description.hashes
    if hashes is None:
        return Planned()
    if version is None or not (_is_fit(version.id) and _is_fit(version.model_id)):
        return _with_hashes(existing, hashes, description.weights, ours)
    if existing is not None and not _is_civitais(existing.content):
        return Planned(refusal="a file for a model from elsewhere than Civitai is there: it was left alone")
    if existing is not None and _is_of_another(existing.content, version, ours):
        return Planned(refusal="a file for another version is there: it was left alone")
    values = storable_object(_values(description, version, hashes))
    wanted = Wanted(
        values,
        _LAYOUT,
        description.weights,
        is_whole=True,
        required=_REQUIRED,
        settled=_SETTLED,
        says_nothing=_says_nothing,
    )
    return merged_into(existing, wanted, _DIALECTS, ours)


def answer_in(theirs: JsonObject, content: JsonObject) -> JsonObject:
    """Give what a file holds of Civitai's answer, in Civitai's own form; nothing where it came from elsewhere.

    `theirs` is the part of the content that is not ours; the ids say of what it speaks.
    """
    if not _is_civitais(content) or not theirs.keys() & _ANSWERED:
        return {}
    kind = theirs.get("ModelType")
    model = known({ours: theirs.get(name) for ours, name in _MODEL_KEYS.items()})
    model |= {"type": kind} if isinstance(kind, str) and kind.lower() in MODEL_TYPES else {}
    return known(
        {
            "id": content.get("VersionId"),
            "modelId": content.get("ModelId"),
            **{ours: theirs.get(name) for ours, name in _VERSION_KEYS.items()},
            "model": model,
            "creator": known({"username": theirs.get("AuthorUsername")}),
            "files": [{"hashes": hashes}] if isinstance(hashes := theirs.get("Hashes"), dict) else None,
        }
    )


def _with_hashes(existing: FoundSidecar | None, hashes: Hashes, weights: str | None, ours: Digests) -> Planned:
    """Plan nothing but what Stability Matrix cannot do without, and only into a file that is there."""
    if existing is None or existing.dialect is not Dialect.STABILITY_MATRIX:
        return Planned()
    wanted = Wanted({"Hashes": _hashes(hashes)}, _LAYOUT, weights, required=_REQUIRED, says_nothing=_says_nothing)
    return merged_into(existing, wanted, _DIALECTS, ours)


def _is_civitais(content: JsonObject) -> bool:
    return content.get("Source") in (FROM_CIVITAI, None)


def _is_of_another(content: JsonObject, version: ModelVersion, ours: Digests) -> bool:
    told = content.get("VersionId")
    return is_known(told) and told != version.id and not is_ours(content, "VersionId", ours)


def _values(description: Description, version: ModelVersion, hashes: Hashes) -> JsonObject:
    telling = Telling(description)
    file = next((each for each in version.files if _is_it(each, hashes)), None)
    return {
        "ModelId": version.model_id,
        "ModelName": telling.text(Field.NAME) or version.model_name or "",
        "ModelDescription": telling.text(Field.DESCRIPTION) or "",
        "Nsfw": bool(telling.value(Field.NSFW)),
        "Tags": telling.words(Field.TAGS),
        "ModelType": MODEL_TYPES.get((telling.text(Field.MODEL_TYPE) or "").lower(), "Unknown"),
        "VersionId": version.id,
        "VersionName": telling.text(Field.VERSION_NAME) or version.name or "",
        "VersionDescription": telling.text(Field.VERSION_DESCRIPTION),
        "BaseModel": telling.text(Field.BASE_MODEL),
        "AuthorUsername": telling.text(Field.CREATOR),
        "RemoteFileId": file.id if file is not None and _is_fit(file.id) else None,
        "RemoteFileName": file.name if file is not None else None,
        "FileMetadata": _file_metadata(file),
        "ImportedAt": description.file.first_seen_at.replace(microsecond=0).isoformat(),
        "Hashes": _hashes(hashes),
        "TrainedWords": telling.words(Field.TRAINED_WORDS),
        "Source": FROM_CIVITAI,
    }


def _is_fit(number: int | None) -> bool:
    return number is not None and 0 <= number <= _LARGEST_NUMBER


def _is_it(file: RemoteFile, hashes: Hashes) -> bool:
    told = file.hashes.get("AutoV3")
    return file.hashes.get("SHA256") == hashes.sha256 or (told == hashes.autov3 and told not in {None, EMPTY_AUTOV3})


def _file_metadata(file: RemoteFile | None) -> JsonObject:
    told = file.metadata if file is not None else {}
    fp, size, kind = told.get("fp"), told.get("size"), told.get("format")
    return {
        "fp": fp if isinstance(fp, str) else None,
        "size": size if isinstance(size, str) else None,
        "format": kind if kind in _FORMATS else "Unknown",
    }


def _hashes(hashes: Hashes) -> JsonObject:
    return {"SHA256": hashes.sha256, "CRC32": hashes.crc32, "BLAKE3": hashes.blake3}


def _says_nothing(_key: str, value: JsonValue) -> bool:
    return not is_known(value)
