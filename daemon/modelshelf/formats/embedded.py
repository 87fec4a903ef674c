"""Facts that a model file carries in its own header: what trainers and editors wrote there.

Keys: kohya's sd-scripts (`ss_*`, every value `str(v)`, so None is "None"), Stability's ModelSpec 1.0.1 (`modelspec.*`), the
additional-networks editor (`ssmd_*`), GGUF (`general.*`). None of them fills Civitai's `base_model` or `trained_words`.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING

from modelshelf.domain.fact import Fact, Field, Source, is_known

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelshelf.domain.header import Header
    from modelshelf.domain.jsontypes import JsonValue

_TEXTS: dict[Field, tuple[str, ...]] = {
    Field.TRAINED_ON: ("ss_base_model_version", "ss_base_model", "ss_sd_model_name", "general.base_model.0.name"),
    Field.TITLE: ("modelspec.title", "ssmd_display_name", "general.name", "ss_output_name"),
    Field.AUTHOR: ("modelspec.author", "ssmd_author", "general.author"),
    Field.TRIGGER_PHRASE: ("modelspec.trigger_phrase",),
    Field.USAGE_HINT: ("modelspec.usage_hint",),
    Field.DESCRIPTION: ("modelspec.description", "ssmd_description", "general.description"),
}
"""Where each text may stand, best first."""

_MAX_TEXT_CHARACTERS = 100_000
_TAG_KEYS = ("modelspec.tags", "ssmd_tags", "general.tags")
_MAX_TAGS = 100
_SIZE = re.compile(r"(\d{1,6})\s*[x,]\s*(\d{1,6})")
_NETWORK = {"module": "ss_network_module", "dim": "ss_network_dim", "alpha": "ss_network_alpha"}
_TOP_TRAINING_TAGS = 50
_MAX_TAG_COUNT = 1e12


def embedded_facts(header: Header) -> list[Fact]:
    """Give what the header knows, a Fact per field; empty for a file that says nothing."""
    metadata = header.metadata
    values: dict[Field, JsonValue] = {field: _first_text(metadata, keys) for field, keys in _TEXTS.items()}
    values |= {
        Field.ARCHITECTURE: header.architecture
        or _first_text(metadata, ("modelspec.architecture", "general.architecture")),
        Field.RESOLUTION: _resolution(metadata),
        Field.TAGS: _tags(metadata),
        Field.NETWORK: _network(metadata),
        Field.TRAINING_TAGS: _training_tags(metadata.get("ss_tag_frequency")),
    }
    return [Fact(field, Source.EMBEDDED, value) for field, value in values.items() if is_known(value)]


def _text(value: JsonValue) -> str | None:
    """Give a text worth keeping; "None" and "" are how trainers write that they do not know."""
    if not isinstance(value, str) or len(value) > _MAX_TEXT_CHARACTERS:
        return None
    text = value.strip()
    return None if text in {"", "None"} else text


def _first_text(metadata: Mapping[str, JsonValue], keys: tuple[str, ...]) -> str | None:
    return next((text for key in keys if (text := _text(metadata.get(key)))), None)


def _resolution(metadata: Mapping[str, JsonValue]) -> str | None:
    """Give "1024x1024"; kohya writes a tuple, "(512, 512)"."""
    text = _first_text(metadata, ("modelspec.resolution", "ss_resolution"))
    match = _SIZE.search(text) if text else None
    return f"{match[1]}x{match[2]}" if match else None


def _tags(metadata: Mapping[str, JsonValue]) -> list[JsonValue]:
    for key in _TAG_KEYS:
        value = metadata.get(key)
        parts = value if isinstance(value, list) else (_text(value) or "").split(",")
        tags: list[JsonValue] = [*dict.fromkeys(text for part in parts if (text := _text(part)))]
        if tags:
            return tags[:_MAX_TAGS]
    return []


def _network(metadata: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    found = {name: _text(metadata.get(key)) for name, key in _NETWORK.items()}
    return {name: text if name == "module" else _number(text) for name, text in found.items() if text}


def _number(text: str) -> JsonValue:
    """Give a number where the text is one; "Dynamic" is not."""
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number):
        return text
    return int(number) if number.is_integer() else number


def _training_tags(value: JsonValue) -> list[JsonValue]:
    """Give the most frequent tags over all training directories as {tag, count}."""
    counts: dict[str, float] = {}
    for tags in _objects_in(_parsed(value)):
        for tag, count in tags.items():
            if isinstance(count, int | float) and 0 < count <= _MAX_TAG_COUNT and tag.strip():
                counts[tag.strip()] = counts.get(tag.strip(), 0) + count
    top = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:_TOP_TRAINING_TAGS]
    return [{"tag": tag, "count": _number(str(count))} for tag, count in top]


def _parsed(value: JsonValue) -> JsonValue:
    if not isinstance(value, str):
        return value
    try:
        parsed: JsonValue = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return parsed


def _objects_in(value: JsonValue) -> list[dict[str, JsonValue]]:
    return [each for each in value.values() if isinstance(each, dict)] if isinstance(value, dict) else []
