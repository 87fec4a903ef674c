"""What of a description may be told in a file that feeds one of its sources: everything but what came from such a file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.fact import Field, Source, is_known
from modelshelf.sidecars.plain_text import plain_text
from modelshelf.sidecars.values import storable

if TYPE_CHECKING:
    from modelshelf.domain.description import Description
    from modelshelf.domain.jsontypes import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class Telling:
    """A description, without the facts of its `own` sources: what was just removed from a file must not return into it."""

    description: Description
    own: frozenset[Source] = frozenset()

    def value(self, field: Field) -> JsonValue:
        """Give the effective value, None where it is unknown or not to be told."""
        fact = self.description.facts.get(field)
        return fact.value if fact is not None and fact.source not in self.own else None

    def text(self, field: Field) -> str | None:
        """Give a value that is text and says something, fit for any reader."""
        value = self.value(field)
        return str(storable(value)) if isinstance(value, str) and value.strip() else None

    def of_person(self, field: Field) -> str | None:
        """Give a text that a person gave here; what others say of it is theirs to tell."""
        fact = self.description.facts.get(field)
        return self.text(field) if fact is not None and fact.source is Source.USER else None

    def words(self, field: Field) -> list[JsonValue]:
        """Give a list of texts; empty where it is none."""
        value = self.value(field)
        return [storable(each) for each in value if isinstance(each, str)] if isinstance(value, list) else []

    def trigger(self) -> str:
        """Give the words that call the model, as one line."""
        chosen = self.text(Field.ACTIVATION_TEXT)
        found = [chosen] if chosen else self.words(Field.TRAINED_WORDS) or [self.text(Field.TRIGGER_PHRASE)]
        return ", ".join(filter(None, (str(each or "").strip(" ,") for each in found)))

    def prose(self) -> str:
        """Give the description as plain text; nothing lesser in its place where it is not to be told."""
        described = self.description.facts.get(Field.DESCRIPTION)
        if described is not None and described.source in self.own:
            return ""
        return plain_text(self.text(Field.DESCRIPTION) or self.text(Field.VERSION_DESCRIPTION) or "")

    def weight(self) -> float | None:
        """Give the preferred weight."""
        return weight(self.value(Field.PREFERRED_WEIGHT))


def weight(value: JsonValue) -> float | None:
    """Give a weight that says something: finite, and not 0, which everywhere means "the default"."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) and found else None


def known(values: JsonObject) -> JsonObject:
    """Give the values that say something."""
    return {key: value for key, value in values.items() if is_known(value)}
