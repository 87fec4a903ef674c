"""Facts that a model file carries in its own header: what trainers and editors wrote there.

Keys: kohya's sd-scripts (`ss_*`, every value `str(v)`, so None is "None"), Stability's ModelSpec 1.0.1 (`modelspec.*`), the
additional-networks editor (`ssmd_*`), A1111's merger (`sd_merge_*`), ai-toolkit (`software`), OneTrainer (`ot_*`), GGUF
(`general.*`). None of them fills Civitai's `base_model`, `trained_words` or `license`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modelshelf.domain.fact import Fact, Field, Source, is_known
from modelshelf.formats.embedded_values import document_in, first_text, number_in, objects_in, text_in
from modelshelf.formats.training import class_tokens, training_parameters, training_tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelshelf.domain.header import Header
    from modelshelf.domain.jsontypes import JsonObject, JsonValue

_TEXTS: dict[Field, tuple[str, ...]] = {
    Field.TRAINED_ON: (
        "ss_base_model_version",
        "ss_base_model",
        "ss_sd_model_name",
        "general.base_model.0.name",
    ),
    Field.TITLE: ("modelspec.title", "ssmd_display_name", "general.name", "ss_output_name", "name"),
    Field.AUTHOR: ("modelspec.author", "ssmd_author", "general.author", "general.organization"),
    Field.TRIGGER_PHRASE: ("modelspec.trigger_phrase",),
    Field.USAGE_HINT: ("modelspec.usage_hint",),
    Field.DESCRIPTION: ("modelspec.description", "ssmd_description", "general.description"),
    Field.STATED_LICENSE: ("modelspec.license", "general.license.name", "general.license"),
    Field.STATED_VERSION: ("ssmd_version", "general.version", "version"),
    Field.HOMEPAGE: ("ssmd_source", "general.url", "general.repo_url", "general.source.url"),
    Field.PREDICTION_TYPE: ("modelspec.prediction_type", "modelspec.predict_key"),
    Field.MADE_AT: ("modelspec.date",),
}
"""Where each text may stand, best first."""

_TAG_KEYS = ("modelspec.tags", "ssmd_tags", "ssmd_keywords", "general.tags")
_MAX_TAGS = 100
_SIZE = re.compile(r"(\d{1,6})\s*[x,]\s*(\d{1,6})")
_NETWORK = {"module": "ss_network_module", "dim": "ss_network_dim", "alpha": "ss_network_alpha"}
_BASE_FILE = {"name": "ss_sd_model_name", "sha256": "ss_new_sd_model_hash", "autov1": "ss_sd_model_hash"}
_HASH_LENGTHS = {"sha256": 64, "autov1": 8}
_MOST_MERGED = 30
_MAX_NAME_CHARACTERS = 500


def embedded_facts(header: Header) -> list[Fact]:
    """Give what the header knows, a Fact per field; empty for a file that says nothing."""
    metadata = header.metadata
    values: dict[Field, JsonValue] = {field: first_text(metadata, keys) for field, keys in _TEXTS.items()}
    values |= {
        Field.ARCHITECTURE: header.architecture
        or first_text(metadata, ("modelspec.architecture", "general.architecture")),
        Field.RESOLUTION: _resolution(metadata),
        Field.TAGS: _tags(metadata),
        Field.NETWORK: _network(metadata),
        Field.TRAINING_TAGS: training_tags(metadata),
        Field.TRAINING: training_parameters(metadata),
        Field.CLASS_TOKENS: class_tokens(metadata),
        Field.TRAINED_ON_FILE: _base_file(metadata),
        Field.MERGED_FROM: _merged_from(metadata),
        Field.MADE_WITH: _made_with(metadata),
    }
    return [Fact(field, Source.EMBEDDED, value) for field, value in values.items() if is_known(value)]


def _resolution(metadata: Mapping[str, JsonValue]) -> str | None:
    """Give "1024x1024"; kohya writes a tuple, "(512, 512)"."""
    text = first_text(metadata, ("modelspec.resolution", "ss_resolution"))
    match = _SIZE.search(text) if text else None
    return f"{match[1]}x{match[2]}" if match else None


def _tags(metadata: Mapping[str, JsonValue]) -> list[JsonValue]:
    for key in _TAG_KEYS:
        value = metadata.get(key)
        parts = value if isinstance(value, list) else (text_in(value) or "").split(",")
        tags: list[JsonValue] = [*dict.fromkeys(text for part in parts if (text := text_in(part)))]
        if tags:
            return tags[:_MAX_TAGS]
    return []


def _network(metadata: Mapping[str, JsonValue]) -> JsonObject:
    found = {name: text_in(metadata.get(key)) for name, key in _NETWORK.items()}
    network: JsonObject = {name: text if name == "module" else number_in(text) for name, text in found.items() if text}
    alpha = metadata.get("adapter.lora.alpha")
    if "alpha" not in network and isinstance(alpha, int | float):
        network["alpha"] = number_in(str(alpha))
    return network


def _base_file(metadata: Mapping[str, JsonValue]) -> JsonObject:
    """Give name and hashes of the file that it was trained on; a hash that cannot be one is left out."""
    found = {name: text_in(metadata.get(key)) for name, key in _BASE_FILE.items()}
    return {name: text for name, text in found.items() if text and _is_fit(name, text)}


def _is_fit(name: str, text: str) -> bool:
    length = _HASH_LENGTHS.get(name)
    if length is None:
        return len(text) <= _MAX_NAME_CHARACTERS
    return re.fullmatch(rf"[0-9a-fA-F]{{{length}}}", text) is not None


def _merged_from(metadata: Mapping[str, JsonValue]) -> list[JsonValue]:
    """Give the names of the models that were merged into this one."""
    listed = (text_in(metadata.get("modelspec.merged_from")) or "").split(",")
    merged = objects_in(document_in(metadata.get("sd_merge_models")))
    names = [text_in(each) for each in (*listed, *(each.get("name") for each in merged))]
    unique: list[JsonValue] = [*dict.fromkeys(name for name in names if name and len(name) <= _MAX_NAME_CHARACTERS)]
    return unique[:_MOST_MERGED]


def _made_with(metadata: Mapping[str, JsonValue]) -> str | None:
    """Give the program that wrote the file, with its version where it tells one."""
    software = document_in(metadata.get("software"))
    if isinstance(software, dict):
        parts = [text_in(software.get(key)) for key in ("name", "version")]
        return " ".join(part for part in parts if part)[:_MAX_NAME_CHARACTERS] or None
    if text_in(metadata.get("ot_branch")):
        return " ".join(["OneTrainer", *filter(None, [text_in(metadata.get("ot_revision"))])])[:_MAX_NAME_CHARACTERS]
    if text_in(metadata.get("ss_sd_scripts_commit_hash")):
        return "sd-scripts"
    return first_text(metadata, ("general.quantized_by",))
