"""How to use a model: the words to type, each ready to be copied, and the tags it was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.fact import Field
from modelshelf.gallery.known import label, value_text
from modelshelf.gallery.units import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from modelshelf.domain.description import Description
    from modelshelf.domain.jsontypes import JsonValue

WORDS_LIMIT = 200
"""Trigger words, tags and training tags shown of each; the rest is counted."""

_PROMPTS_LIMIT = 6
_PROMPT_LIMIT = 5_000
_TEXTS = (
    Field.ACTIVATION_TEXT,
    Field.TRIGGER_PHRASE,
    Field.NEGATIVE_TEXT,
    Field.PREFERRED_WEIGHT,
    Field.USAGE_HINT,
    Field.RESOLUTION,
)


@dataclass(frozen=True, slots=True)
class TrainingTag:
    """A tag of the training captions and how often it stood there, None where nobody counted."""

    text: str
    count: int | None


@dataclass(frozen=True, slots=True)
class Prompt:
    """The prompt of one of the creator's pictures."""

    positive: str
    negative: str | None


def usage_texts(description: Description) -> tuple[tuple[str, str], ...]:
    """Give the further texts a person would type or set, with their labels."""
    texts = ((field, value_text(description.value(field))) for field in _TEXTS)
    return tuple((label(field), text) for field, text in texts if text)


def training_tags(value: JsonValue) -> tuple[TrainingTag, ...]:
    """Give the tags, most frequent first, from a list of words, a list of pairs, or a mapping of word to count."""
    items: Iterable[JsonValue] = ()
    if isinstance(value, dict):
        items = [[word, count] for word, count in value.items()]
    elif isinstance(value, list):
        items = value
    return tuple(sorted(_tags(items), key=lambda tag: -(tag.count or 0)))


def example_prompts(description: Description) -> tuple[Prompt, ...]:
    """Give the first few prompts that differ, of the pictures that Civitai lists for this version."""
    found: dict[str, Prompt] = {}
    for image in description.version.images if description.version else ():
        if image.prompt and image.prompt.strip():
            positive = shortened(image.prompt.strip(), _PROMPT_LIMIT)
            negative = shortened(image.negative_prompt.strip(), _PROMPT_LIMIT) if image.negative_prompt else None
            found.setdefault(positive, Prompt(positive, negative or None))
    return tuple(found.values())[:_PROMPTS_LIMIT]


def _tags(items: Iterable[JsonValue]) -> Iterator[TrainingTag]:
    for item in items:
        if isinstance(item, str):
            yield TrainingTag(item, None)
        elif isinstance(item, list) and item:
            yield TrainingTag(value_text(item[0]), _count(item[1:2]))


def _count(values: list[JsonValue]) -> int | None:
    return int(values[0]) if values and isinstance(values[0], int | float) and abs(values[0]) < 1e15 else None  # noqa: PLR2004 - nan too
