"""Which fields a person may set, and how the words of a command line become their values."""

from __future__ import annotations

import math
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.fact import Field
from modelshelf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelshelf.domain.jsontypes import JsonValue


class Kind(StrEnum):
    """What a field takes, in the words of its help."""

    LINE = "one line of text"
    TEXT = "text"
    WORDS = "words or phrases, with commas between them, or one per VALUE"
    NUMBER = "a number"
    FLAG = "yes or no"
    LEVEL = "PG, PG13, R, X or XXX"


FIELDS: dict[Field, Kind] = {
    Field.NAME: Kind.LINE,
    Field.VERSION_NAME: Kind.LINE,
    Field.MODEL_TYPE: Kind.LINE,
    Field.BASE_MODEL: Kind.LINE,
    Field.CREATOR: Kind.LINE,
    Field.DESCRIPTION: Kind.TEXT,
    Field.VERSION_DESCRIPTION: Kind.TEXT,
    Field.TRAINED_WORDS: Kind.WORDS,
    Field.TAGS: Kind.WORDS,
    Field.ACTIVATION_TEXT: Kind.TEXT,
    Field.PREFERRED_WEIGHT: Kind.NUMBER,
    Field.NEGATIVE_TEXT: Kind.TEXT,
    Field.NOTES: Kind.TEXT,
    Field.USAGE_HINT: Kind.TEXT,
    Field.NSFW: Kind.FLAG,
    Field.NSFW_LEVEL: Kind.LEVEL,
}
"""What a person can know better. Which version it is on Civitai is said by `pin`; the rest is read from the file or counted."""

_FLAGS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
_LEVELS = {"PG": 1, "PG13": 2, "R": 4, "X": 8, "XXX": 16}


def field_named(name: str) -> Field:
    """Give the field of this name; UsageError with those that can be set."""
    names = [field.value for field in FIELDS]
    if name in names:
        return Field(name)
    near = get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    if name in {Field.MODEL_ID, Field.VERSION_ID}:
        hint = "; which version it is on Civitai is said by modelshelf pin"
    raise UsageError(f"{readable(name)} is no field that can be set{hint}; they are: {', '.join(names)}")


def value_of(field: Field, words: Sequence[str]) -> JsonValue:
    """Give the value that `words` are for `field`; UsageError where they are none."""
    for word in words:
        _demand_text(field, word)
    if FIELDS[field] is Kind.WORDS:
        several = words if len(words) > 1 else words[0].split(",")
        return [*dict.fromkeys(word.strip() for word in several if word.strip())]
    if len(words) > 1:
        raise UsageError(f"{field} takes one value and was given {len(words)}; put it in quotes")
    return _READERS[FIELDS[field]](field, words[0].strip())


def _demand_text(field: Field, word: str) -> None:
    if not word.strip(", "):
        raise UsageError(f"an empty value says nothing of {field}; --clear takes back what was set")
    if any("\ud800" <= character <= "\udfff" for character in word):
        raise UsageError(f"{readable(word)} is no text in UTF-8")


def _line(field: Field, word: str) -> JsonValue:
    if not word.isprintable():
        raise UsageError(f"{field} takes one line of text")
    return word


def _text(_field: Field, word: str) -> JsonValue:
    return word


def _number(field: Field, word: str) -> JsonValue:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"{field} takes a number such as 0.8, and no {word!r}")
    return int(number) if number.is_integer() else number


def _flag(field: Field, word: str) -> JsonValue:
    if word.lower() not in _FLAGS:
        raise UsageError(f"{field} takes yes or no, and no {word!r}")
    return _FLAGS[word.lower()]


def _level(field: Field, word: str) -> JsonValue:
    level = _LEVELS.get(word.upper().replace("-", ""))
    if level is None:
        raise UsageError(f"{field} takes {Kind.LEVEL}, and no {word!r}")
    return level


_READERS: dict[Kind, Callable[[Field, str], JsonValue]] = {
    Kind.LINE: _line,
    Kind.TEXT: _text,
    Kind.NUMBER: _number,
    Kind.FLAG: _flag,
    Kind.LEVEL: _level,
}
