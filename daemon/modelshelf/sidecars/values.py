"""JSON values made fit: for the database, for other tools, for comparing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject, JsonValue

DEEPEST_LEVELS = 64
"""Nesting beyond this is an attack or an accident: no tool writes sidecars deeper than about ten levels."""


def storable(value: JsonValue, levels: int = DEEPEST_LEVELS) -> JsonValue:
    """Give the value as any reader takes it: no NaN or infinity, no half of a surrogate pair, nothing nested too deep."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict | list) and not levels:
        return None
    if isinstance(value, list):
        return [storable(each, levels - 1) for each in value]
    if isinstance(value, dict):
        return {str(storable(key)): storable(each, levels - 1) for key, each in value.items()}
    return value


def storable_object(value: JsonObject) -> JsonObject:
    """Give an object as any reader takes it."""
    fit = storable(value)
    return fit if isinstance(fit, dict) else {}


def is_too_deep(value: JsonValue) -> bool:
    """Tell whether lists and objects are nested deeper than `DEEPEST_LEVELS`; does not recurse itself."""
    level = [value]
    for _ in range(DEEPEST_LEVELS + 1):
        level = [each for parent in level for each in _children(parent)]
        if not level:
            return False
    return True


def _children(value: JsonValue) -> list[JsonValue]:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [each for each in children if isinstance(each, dict | list)]
