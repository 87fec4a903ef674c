"""Rules for JSON values that others must be able to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.sidecars.values import DEEPEST_LEVELS, is_too_deep, storable, storable_object

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonValue


def nested(levels: int) -> JsonValue:
    value: JsonValue = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_numbers_that_json_does_not_know_become_null() -> None:
    assert storable({"a": [float("nan"), float("inf"), 1.5, 2]}) == {"a": [None, None, 1.5, 2]}


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    assert storable({"k\ud83d": "v\ud83d"}) == {"k?": "v?"}


def test_what_is_nested_too_deep_is_cut() -> None:
    fit = storable(nested(100_000))
    assert not is_too_deep(fit)


def test_objects_stay_objects() -> None:
    assert storable_object({"a": True}) == {"a": True}


def test_depth_is_told_without_recursion() -> None:
    assert not is_too_deep(nested(DEEPEST_LEVELS))
    assert is_too_deep(nested(DEEPEST_LEVELS + 2))
    assert is_too_deep({"a": nested(100_000)})
    assert not is_too_deep("text")
