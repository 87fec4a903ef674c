"""Which tool speaks here? Dialects of JSON beside model files, told by content.

The name proves nothing: A1111, SD.Next and CivitScraper all write `<stem>.json`, and none reads the others'.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from modelshelf.sidecars.mark import EXTENSIONS, is_marked, wrote

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelshelf.domain.jsontypes import JsonObject, JsonValue


class Dialect(StrEnum):
    """What a JSON file beside a model is.

    `civitai_skeleton` is Civitai Helper's note that a file is not on Civitai: hashes, but no ids.
    """

    FORGE = "forge"
    CIVITAI_VERSION = "civitai_version"
    CIVITAI_SKELETON = "civitai_skeleton"
    CIVITAI_MODEL = "civitai_model"
    CIVITSCRAPER = "civitscraper"
    LORA_MANAGER = "lora_manager"
    STABILITY_MATRIX = "stability_matrix"
    SWARM = "swarm"
    RGTHREE = "rgthree"
    COMFY_WORKFLOW = "comfy_workflow"
    KRITA = "krita"
    EMPTY = "empty"
    UNKNOWN = "unknown"


_FORGE_KEYS = {"activation text", "sd version", "preferred weight", "negative text", "vae_te", "sd_version_str"}
_PLAIN_FORGE_KEYS = {"description", "notes", "vae", EXTENSIONS}
_VERSION_KEYS = {"files", "images", "trainedWords", "baseModel"}


def classify(parsed: JsonValue) -> Dialect:
    """Give the dialect of parsed JSON, whatever its root."""
    if isinstance(parsed, dict):
        return next((dialect for dialect, speaks in _IN_ORDER if speaks(parsed)), Dialect.UNKNOWN)
    return Dialect.KRITA if isinstance(parsed, list) and _is_krita(parsed) else Dialect.UNKNOWN


def _is_krita(root: list[JsonValue]) -> bool:
    return bool(root) and all(isinstance(each, dict) and each.keys() >= {"id", "name", "source"} for each in root)


def _is_swarm(root: JsonObject) -> bool:
    return any(key.startswith("modelspec.") for key in root)


def _is_stability_matrix(root: JsonObject) -> bool:
    return "ModelName" in root and not root.keys().isdisjoint({"Hashes", "VersionId", "ModelType"})


def _is_lora_manager(root: JsonObject) -> bool:
    return root.keys() | wrote(root).keys() >= {"file_path", "model_name", "file_name"}


def _is_rgthree(root: JsonObject) -> bool:
    return isinstance(root.get("raw"), dict) and not root.keys().isdisjoint({"hasInfoFile", "trainedWords"})


def _is_civitai_model(root: JsonObject) -> bool:
    return isinstance(root.get("modelVersions"), list)


def _is_forge(root: JsonObject) -> bool:
    return not root.keys().isdisjoint(_FORGE_KEYS)


def _is_civitai_skeleton(root: JsonObject) -> bool:
    extensions = root.get(EXTENSIONS)
    note = extensions.get("sd_civitai_helper") if isinstance(extensions, dict) else None
    is_noted = root.get("skeleton_file") is True or (isinstance(note, dict) and note.get("skeleton_file") is True)
    return "files" in root and (is_noted or (root.get("id") == "" and root.get("modelId") == ""))


def _is_civitscraper(root: JsonObject) -> bool:
    return _is_civitai_version(root) and not root.keys().isdisjoint({"siblingVersions", "parentModel"})


def _is_civitai_version(root: JsonObject) -> bool:
    return "modelId" in root and not root.keys().isdisjoint(_VERSION_KEYS)


def _is_comfy_workflow(root: JsonObject) -> bool:
    if root.keys() >= {"nodes", "links"}:
        return True
    return all(isinstance(each, dict) and "class_type" in each for each in root.values())


def _is_plain_forge(root: JsonObject) -> bool:
    """Tell a checkpoint's Forge file by having nothing else, and our own whatever a person has added to it."""
    told = wrote(root).keys() if is_marked(root) else root.keys()
    return told <= _FORGE_KEYS | _PLAIN_FORGE_KEYS


_IN_ORDER: tuple[tuple[Dialect, Callable[[JsonObject], bool]], ...] = (
    (Dialect.EMPTY, lambda root: not root),
    (Dialect.SWARM, _is_swarm),
    (Dialect.STABILITY_MATRIX, _is_stability_matrix),
    (Dialect.LORA_MANAGER, _is_lora_manager),
    (Dialect.RGTHREE, _is_rgthree),
    (Dialect.CIVITAI_MODEL, _is_civitai_model),
    (Dialect.FORGE, _is_forge),
    (Dialect.CIVITAI_SKELETON, _is_civitai_skeleton),
    (Dialect.CIVITSCRAPER, _is_civitscraper),
    (Dialect.CIVITAI_VERSION, _is_civitai_version),
    (Dialect.COMFY_WORKFLOW, _is_comfy_workflow),
    (Dialect.FORGE, _is_plain_forge),
)
