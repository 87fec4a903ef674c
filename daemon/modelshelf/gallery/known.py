"""What is known of a model and who says so: every effective Fact as a row for eyes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.fact import Field, Source
from modelshelf.gallery.units import shortened

if TYPE_CHECKING:
    from modelshelf.domain.description import Description
    from modelshelf.domain.jsontypes import JsonValue

SOURCES = {
    Source.USER: "set by you",
    Source.FORGE: "from Forge JSON",
    Source.CIVITAI_JSON: "from a Civitai sidecar",
    Source.TOOL_JSON: "from another tool's sidecar",
    Source.EMBEDDED: "from the file itself",
    Source.CIVITAI_API: "from Civitai",
    Source.STABLEQUEUE: "from StableQueue",
}
"""Each source in words."""

_VALUE_LIMIT = 300
_LIST_LIMIT = 30
_SHOWN_ELSEWHERE = {Field.DESCRIPTION, Field.VERSION_DESCRIPTION, Field.TRAINING_TAGS, Field.LICENSE, Field.NOTES}
_LABELS = {
    Field.MODEL_ID: "Model ID",
    Field.VERSION_ID: "Version ID",
    Field.NSFW: "NSFW",
    Field.NSFW_LEVEL: "NSFW level",
    Field.AIR: "AIR",
    Field.DOWNLOAD_URL: "Download address",
    Field.TRAINED_WORDS: "Trigger words",
    Field.LICENSE: "Licence",
    Field.VERSION_DESCRIPTION: "About this version",
    Field.FORGE_SD_VERSION: "Forge's SD version",
}


@dataclass(frozen=True, slots=True)
class Known:
    """One row: what, its value, who says so."""

    label: str
    value: str
    source: str


def known_rows(description: Description) -> tuple[Known, ...]:
    """Give a row per effective Fact, in the order of the fields."""
    facts = (description.facts[field] for field in Field if field in description.facts)
    return tuple(Known(label(fact.field), _cell(fact.field, fact.value), SOURCES[fact.source]) for fact in facts)


def label(field: Field) -> str:
    """Give a field's name as people say it."""
    return _LABELS.get(field) or field.value.replace("_", " ").capitalize()


def value_text(value: JsonValue, depth: int = 0) -> str:
    """Give any JSON value as one short line of text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | dict):
        return _several(value, depth) if depth <= 1 else "…"
    return "" if value is None else shortened(str(value), _VALUE_LIMIT)


def _several(value: list[JsonValue] | dict[str, JsonValue], depth: int) -> str:
    if isinstance(value, dict):
        parts = [f"{_words(key)}: {value_text(each, depth + 1)}" for key, each in list(value.items())[:_LIST_LIMIT]]
    else:
        parts = [value_text(each, depth + 1) for each in value[:_LIST_LIMIT]]
    if len(value) > _LIST_LIMIT:
        parts.append(f"and {len(value) - _LIST_LIMIT} more")
    return shortened(", ".join(parts), 2 * _VALUE_LIMIT)


def _words(key: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", r" \1", shortened(key, _VALUE_LIMIT)).replace("_", " ").lower()


def _cell(field: Field, value: JsonValue) -> str:
    return "shown above" if field in _SHOWN_ELSEWHERE else value_text(value)
