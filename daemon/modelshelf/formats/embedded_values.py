"""Single values out of embedded metadata: writers know only text, so numbers, truths and JSON documents stand in strings."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelshelf.domain.jsontypes import JsonValue

MAX_TEXT_CHARACTERS = 100_000
_MAX_WHOLE = 2**53
_TRUTHS: dict[str, JsonValue] = {"True": True, "False": False, "true": True, "false": False}


def text_in(value: JsonValue) -> str | None:
    """Give a text worth keeping; "None" and "" are how trainers write that they do not know."""
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARACTERS:
        return None
    text = value.strip()
    return None if text in {"", "None", "null"} else text


def first_text(metadata: Mapping[str, JsonValue], keys: tuple[str, ...]) -> str | None:
    """Give the text under the first of these keys that has one."""
    return next((text for key in keys if (text := text_in(metadata.get(key)))), None)


def number_in(text: str) -> JsonValue:
    """Give a number where the text is one that JSON and people can read; "Dynamic" is not."""
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number) or abs(number) > _MAX_WHOLE:
        return text
    return int(number) if number.is_integer() else number


def scalar_in(value: JsonValue, max_characters: int) -> JsonValue:
    """Give a truth, a number or a text of so many characters at most; None for anything else."""
    if isinstance(value, bool):
        return value
    text = text_in(str(value) if isinstance(value, int | float) else value)
    if text is None or len(text) > max_characters:
        return None
    return _TRUTHS[text] if text in _TRUTHS else number_in(text)


def document_in(value: JsonValue) -> JsonValue:
    """Give the JSON document that stands in a string; None where there is none."""
    if not isinstance(value, str):
        return value
    try:
        document: JsonValue = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return document


def objects_in(value: JsonValue) -> list[dict[str, JsonValue]]:
    """Give the objects in a list, or among the values of an object."""
    members = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return [each for each in members if isinstance(each, dict)]
