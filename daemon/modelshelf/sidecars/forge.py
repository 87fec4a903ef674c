"""`<stem>.json` as A1111, Forge and reForge keep it: description, activation text, notes, a weight.

Keys and crash conditions follow `modules/extra_networks.py` and `ui_extra_networks_user_metadata.py` of A1111 and Forge: a
root that is no object takes the whole tab down, null or a list in a text field its editor. On each save A1111 writes all keys,
empty where nobody has said anything; such an empty value is a placeholder.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from modelshelf.domain.fact import Fact, Field, Source, is_known
from modelshelf.sidecars.classify import Dialect
from modelshelf.sidecars.plain_text import plain_text
from modelshelf.sidecars.values import storable
from modelshelf.sidecars.writer import Layout, Planned, Wanted, merged_into

if TYPE_CHECKING:
    from modelshelf.domain.description import Description
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.sidecars.mark import Digests
    from modelshelf.sidecars.reading import FoundSidecar

_TEXTS = {
    "description": Field.DESCRIPTION,
    "activation text": Field.ACTIVATION_TEXT,
    "negative text": Field.NEGATIVE_TEXT,
    "notes": Field.NOTES,
    "sd version": Field.FORGE_SD_VERSION,
}
_WEIGHT = "preferred weight"
_UNKNOWN_VERSION = "unknown"
_LAYOUT = Layout(indent=4, is_ascii=False)
_DIALECTS = frozenset({Dialect.FORGE, Dialect.EMPTY})
_SD_VERSIONS = (
    (re.compile(r"sdxl|stablediffusionxl|illustrious|noobai|animagine|pony(?!v[^6])"), "SDXL"),
    (re.compile(r"(sd|stablediffusion)v?1"), "SD1"),
    (re.compile(r"(sd|stablediffusion)v?2"), "SD2"),
    (re.compile(r"(sd|stablediffusion)v?3"), "SD3"),
    (re.compile(r"flux((1|dev|schnell).*)?$"), "Flux"),
)


def facts(content: JsonObject) -> list[Fact]:
    """Give what a Forge file says; empty values, values of a wrong type and a weight of 0 (the default) say nothing."""
    found = [
        Fact(field, Source.FORGE, storable(value))
        for key, field in _TEXTS.items()
        if isinstance(value := content.get(key), str) and not _says_nothing(key, value)
    ]
    weight = _weight(content.get(_WEIGHT))
    return found if weight is None else [*found, Fact(Field.PREFERRED_WEIGHT, Source.FORGE, weight)]


def compose(description: Description, existing: FoundSidecar | None, ours: Digests) -> Planned:
    """Plan the file: our keys merged into what is there; a file of another dialect is left alone."""
    wanted = Wanted(_values(description), _LAYOUT, description.weights, says_nothing=_says_nothing)
    return merged_into(existing, wanted, _DIALECTS, ours) if wanted.values else Planned()


def sd_version(base: str) -> str | None:
    """Give Forge's word for a base model or architecture, None where it has none.

    A1111 and Forge ignore every other word and fall back to guessing. Pony up to 6, Illustrious and NoobAI are SDXL; Pony 7
    is AuraFlow.
    """
    plain = re.sub(r"[^a-z0-9]", "", base.lower())
    return next((name for pattern, name in _SD_VERSIONS if pattern.match(plain)), None)


def _values(description: Description) -> JsonObject:
    words = ", ".join(filter(None, (each.strip(" ,") for each in _words(description))))
    base = _text(description, Field.ARCHITECTURE) or _text(description, Field.BASE_MODEL) or ""
    prose = _text(description, Field.DESCRIPTION) or _text(description, Field.VERSION_DESCRIPTION) or ""
    values: JsonObject = {
        "description": plain_text(prose),
        "sd version": sd_version(base),
        "activation text": storable(words),
        _WEIGHT: _weight(_value(description, Field.PREFERRED_WEIGHT)),
    }
    return {key: value for key, value in values.items() if is_known(value)}


def _words(description: Description) -> tuple[str, ...]:
    chosen = _text(description, Field.ACTIVATION_TEXT)
    if chosen:
        return (chosen,)
    phrase = _text(description, Field.TRIGGER_PHRASE)
    return description.words(Field.TRAINED_WORDS) or ((phrase,) if phrase else ())


def _text(description: Description, field: Field) -> str | None:
    value = _value(description, field)
    return value if isinstance(value, str) and value.strip() else None


def _value(description: Description, field: Field) -> JsonValue:
    """Give the effective value, None if it came from such a file: what its owner has just removed must not return."""
    fact = description.facts.get(field)
    return fact.value if fact is not None and fact.source is not Source.FORGE else None


def _weight(value: JsonValue) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        weight = float(value)
    except OverflowError:
        return None
    return weight if math.isfinite(weight) and weight else None


def _says_nothing(key: str, value: JsonValue) -> bool:
    if key == _WEIGHT:
        return not is_known(value) or value == 0
    if key == "sd version" and isinstance(value, str):
        return value.strip().lower() in {"", _UNKNOWN_VERSION}
    return not is_known(value)
