"""`<stem>.json` as A1111, Forge and reForge keep it: description, activation text, notes, a weight.

Keys and crash conditions follow `modules/extra_networks.py` and `ui_extra_networks_user_metadata.py` of A1111 and Forge: a
root that is no object takes the whole tab down, null or a list in a text field its editor. On each save A1111 writes all keys,
empty where nobody has said anything; such an empty value is a placeholder.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modelshelf.domain.fact import Fact, Field, Source, is_known
from modelshelf.sidecars.classify import Dialect
from modelshelf.sidecars.telling import Telling, known, weight
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
    preferred = weight(content.get(_WEIGHT))
    return found if preferred is None else [*found, Fact(Field.PREFERRED_WEIGHT, Source.FORGE, preferred)]


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
    telling = Telling(description, frozenset({Source.FORGE}))
    base = telling.text(Field.ARCHITECTURE) or telling.text(Field.BASE_MODEL) or ""
    return known(
        {
            "description": telling.prose(),
            "sd version": sd_version(base),
            "activation text": telling.trigger(),
            _WEIGHT: telling.weight(),
            "negative text": telling.of_person(Field.NEGATIVE_TEXT),
            "notes": telling.of_person(Field.NOTES),
        }
    )


def _says_nothing(key: str, value: JsonValue) -> bool:
    if key == _WEIGHT:
        return not is_known(value) or value == 0
    if key == "sd version" and isinstance(value, str):
        return value.strip().lower() in {"", _UNKNOWN_VERSION}
    return not is_known(value)
