"""Read fields of JSON that nobody vouches for: a value of the wrong type counts as unknown, never as an error."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject, JsonValue

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_LARGEST_INTEGER = 2**63 - 1
_LARGEST_EXACT_FLOAT = 2.0**53


def as_object(value: JsonValue) -> JsonObject:
    """Give an object as it is, anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: JsonValue) -> list[JsonValue]:
    """Give a list as it is, anything else as an empty one."""
    return value if isinstance(value, list) else []


def text(value: JsonValue) -> str | None:
    """Give text that says something; halves of surrogate pairs, which no file and no database takes, are replaced."""
    if not isinstance(value, str) or not value.strip():
        return None
    return _LONE_SURROGATE.sub("\ufffd", value)


def label(value: JsonValue) -> str | None:
    """Give a name as text: user names of digits only have come as bare numbers (civitai/cli issue 513)."""
    if isinstance(value, str):
        return text(value)
    number = integer(value)
    return None if number is None else str(number)


def integer(value: JsonValue) -> int | None:
    """Give a whole number that fits SQLite's 64 bits; `651553.0` is one, true and "651553" are not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    return int(value) if abs(value) <= _LARGEST_INTEGER else None


def quantity(value: JsonValue) -> float | None:
    """Give a finite number of 0 or more, small enough that a byte count made of it is exact."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return float(value) if 0 <= value <= _LARGEST_EXACT_FLOAT else None


def flag(value: JsonValue) -> bool | None:
    """Give true or false, None for anything else."""
    return value if isinstance(value, bool) else None


def names(value: JsonValue) -> tuple[str, ...]:
    """Give the names in a list of texts or of `{"name": ...}` objects (tags of early 2023), in order, each once."""
    found = (label(each.get("name") if isinstance(each, dict) else each) for each in as_list(value))
    return tuple(dict.fromkeys(each.strip() for each in found if each))
