"""`<stem>.swarm.json` as SwarmUI keeps it: the `modelspec.*` metadata that it does not put into the model's own header.

It lies over the header, key by key, and what a person edits in SwarmUI stands in the header: so only what the header does not
say is written, and goes once it does. SwarmUI fails on a list or an object where it wants text, and on a `modelspec.resolution`
that is no size; `architecture` decides how it loads the model, so that is its own to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.fact import Fact, Field, Source, is_known
from modelshelf.sidecars.classify import Dialect
from modelshelf.sidecars.telling import Telling, known, weight
from modelshelf.sidecars.values import storable, storable_object
from modelshelf.sidecars.writer import Layout, Planned, Wanted, merged_into

if TYPE_CHECKING:
    from modelshelf.domain.description import Description
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.sidecars.mark import Digests
    from modelshelf.sidecars.reading import FoundSidecar

_LAYOUT = Layout(indent=4, is_ascii=False)
_DIALECTS = frozenset({Dialect.SWARM, Dialect.EMPTY})
_TEXTS = {
    "modelspec.title": Field.TITLE,
    "modelspec.author": Field.AUTHOR,
    "modelspec.description": Field.DESCRIPTION,
    "modelspec.trigger_phrase": Field.TRIGGER_PHRASE,
    "modelspec.usage_hint": Field.USAGE_HINT,
}
_MOST_TAGS = 100
_OWN = frozenset({Source.EMBEDDED, Source.TOOL_JSON})


def compose(description: Description, existing: FoundSidecar | None, ours: Digests) -> Planned:
    """Plan the file where somebody knows more than the header says."""
    embedded = description.header.metadata if description.header is not None else {}
    told = known(storable_object(_values(description)))
    said = {key for key, value in embedded.items() if is_known(value)}
    values = {key: value for key, value in told.items() if key not in said}
    wanted = Wanted(values, _LAYOUT, description.weights, withdrawn=said, says_nothing=_says_nothing)
    is_there = existing is not None and existing.dialect is Dialect.SWARM
    return merged_into(existing, wanted, _DIALECTS, ours) if values or is_there else Planned()


def facts(content: JsonObject) -> list[Fact]:
    """Give what a SwarmUI file says; values of a wrong type say nothing."""
    texts = {field: value for key, field in _TEXTS.items() if isinstance(value := content.get(key), str)}
    listed = content.get("modelspec.tags")
    tags: list[JsonValue] = [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
    found: dict[Field, JsonValue] = {
        **texts,
        Field.TAGS: tags[:_MOST_TAGS],
        Field.PREFERRED_WEIGHT: _number(content.get("modelspec.lora_default_weight")),
    }
    return [Fact(field, Source.TOOL_JSON, storable(value)) for field, value in found.items() if is_known(value)]


def _number(value: JsonValue) -> float | None:
    try:
        return weight(float(value)) if isinstance(value, str) else weight(value)
    except ValueError:
        return None


def _values(description: Description) -> JsonObject:
    telling = Telling(description, _OWN)
    preferred = telling.weight()
    return {
        "modelspec.title": telling.text(Field.NAME),
        "modelspec.author": telling.text(Field.CREATOR),
        "modelspec.description": telling.prose(),
        "modelspec.trigger_phrase": telling.trigger(),
        "modelspec.date": telling.text(Field.PUBLISHED_AT),
        "modelspec.tags": telling.words(Field.TAGS),
        "modelspec.lora_default_weight": str(preferred) if preferred else None,
    }


def _says_nothing(_key: str, value: JsonValue) -> bool:
    return not is_known(value)
