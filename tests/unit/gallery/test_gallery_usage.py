from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.civitai import RemoteImage
from modelshelf.domain.fact import Field
from modelshelf.gallery.usage import Prompt, TrainingTag, example_prompts, training_tags, usage_texts
from tests.unit.gallery.gallery_builders import describe, version

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonValue

_COUNTED = (TrainingTag("b", 9), TrainingTag("a", 2))


@pytest.mark.parametrize("value", [{"a": 2, "b": 9}, [["a", 2], ["b", 9]], [["a", 2.0], ["b", 9.4]]])
def test_counted_tags_come_most_frequent_first(value: JsonValue) -> None:
    assert training_tags(value) == _COUNTED


def test_uncounted_tags_keep_their_order() -> None:
    assert training_tags(["b", "a"]) == (TrainingTag("b", None), TrainingTag("a", None))


@pytest.mark.parametrize("value", [None, 7, "a, b", [[], {}, 3]])
def test_what_is_no_list_of_tags_shows_none(value: JsonValue) -> None:
    assert training_tags(value) == ()


@pytest.mark.parametrize("count", [None, "9", float("nan"), float("inf"), 1e300, []])
def test_a_count_that_is_none_is_left_out(count: JsonValue) -> None:
    assert training_tags({"a": count}) == (TrainingTag("a", None),)


def test_further_texts_come_with_their_labels() -> None:
    description = describe({Field.PREFERRED_WEIGHT: 0.8, Field.ACTIVATION_TEXT: "x, y", Field.NEGATIVE_TEXT: ""})

    assert usage_texts(description) == (("Activation text", "x, y"), ("Preferred weight", "0.8"))


def test_prompts_that_differ_are_shown_once_each() -> None:
    images = [
        RemoteImage("u", "image", 1, prompt=prompt, negative_prompt=negative)
        for prompt, negative in [("a", "n"), (" a ", None), (None, "n"), ("  ", None), ("b", " ")]
    ]

    assert example_prompts(describe(version=version(*images))) == (Prompt("a", "n"), Prompt("b", None))


def test_prompts_are_few_and_short() -> None:
    images = [RemoteImage("u", "image", 1, prompt=f"{number}" * 9_000) for number in range(1, 10)]

    prompts = example_prompts(describe(version=version(*images)))

    assert [len(prompt.positive) for prompt in prompts] == [5_000] * 6


def test_no_record_no_prompts() -> None:
    assert example_prompts(describe()) == ()
