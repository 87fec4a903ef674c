"""Rules of our mark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.sidecars import mark

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject, JsonValue


def marked(content: JsonObject) -> JsonObject:
    return mark.marked(content, {key: mark.digest(value) for key, value in content.items()})


def test_a_digest_is_sixteen_hex_of_the_canonical_value() -> None:
    assert mark.digest({"b": 1, "a": [1.0]}) == mark.digest({"a": [1], "b": 1.0})
    assert mark.digest("a") == "ac8d8342bbb2362d"
    assert mark.digest(1) != mark.digest("1")
    assert mark.digest(None) != mark.digest(0)


def test_what_we_wrote_is_taken_out_with_our_mark() -> None:
    assert mark.without_ours(marked({"description": "ours"}), {}) == {}


def test_a_value_that_a_person_edited_stays() -> None:
    content = marked({"description": "ours", "notes": "ours"}) | {"notes": "edited", "own": 1}
    assert mark.without_ours(content, {}) == {"notes": "edited", "own": 1}


def test_the_ledger_knows_what_the_mark_has_lost() -> None:
    content: JsonObject = {"description": "ours", "notes": "theirs"}
    assert mark.without_ours(content, {"description": [mark.digest("ours")]}) == {"notes": "theirs"}


def test_the_notes_of_other_tools_under_extensions_stay() -> None:
    content = mark.marked({"extensions": {"sd_civitai_helper": {"version": 1}}, "a": 1}, {"a": mark.digest(1)})
    assert mark.is_marked(content)
    assert mark.without_ours(content, {}) == {"extensions": {"sd_civitai_helper": {"version": 1}}}


def test_extensions_that_are_no_object_are_not_replaced() -> None:
    content: JsonObject = {"extensions": ["theirs"]}
    assert mark.marked(content, {"a": "b"}) == content
    assert not mark.is_marked(content)
    assert mark.without_ours(content, {}) == content


def test_a_nonsense_mark_claims_nothing() -> None:
    assert mark.wrote({"extensions": {"modelshelf": {"wrote": ["a"]}}}) == {}
    assert mark.wrote({"extensions": {"modelshelf": {"wrote": {"a": 1, "b": "x"}}}}) == {"b": "x"}
    assert mark.wrote({"extensions": {"modelshelf": "yes"}}) == {}


def test_a_value_is_ours_by_the_mark_or_by_the_ledger_where_there_is_none() -> None:
    content: JsonObject = {"a": 1, "b": 2}
    ledger = {"b": {mark.digest(2)}}
    assert [mark.is_ours(content, key, ledger) for key in "ab"] == [False, True]
    assert [mark.is_ours(marked({"a": 1}) | {"b": 2}, key, ledger) for key in "ab"] == [True, False]


def test_what_we_wrote_before_last_is_a_persons_who_types_it_again() -> None:
    content = marked({"a": {"x": "new", "y": 1}, "b": "new"}) | {"a": {"x": "old", "y": 1}, "b": "old"}
    ledger = {"a/x": {mark.digest("old"), mark.digest("new")}, "b": {mark.digest("old"), mark.digest("new")}}
    assert not mark.is_ours(content, "b", ledger)
    assert mark.without_ours(marked({"b": "new"}) | {"b": "old"}, ledger) == {"b": "old"}
    inner = mark.marked({"a": {"x": "old", "y": 1}}, mark.digests({"a": {"x": "new", "y": 1}}))
    assert mark.without_ours(inner, ledger) == {"a": {"x": "old"}}


def test_what_a_person_keeps_in_the_place_of_our_mark_stays() -> None:
    theirs: JsonObject = {"extensions": {"modelshelf": "mine"}, "a": 1}
    assert mark.marked(theirs, {"a": "b"}) == theirs


def told(content: JsonObject, words: dict[str, str]) -> JsonObject:
    return mark.with_words(marked(content), words)


def test_a_persons_word_is_ours_to_whom_it_was_told_and_nobody_elses() -> None:
    content = told({"notes": "theirs", "description": "of Civitai"}, {"notes": "a"})
    assert mark.heard_by(content, "a") == content
    heard = mark.heard_by(content, "b")
    assert mark.without_ours(heard, {}) == {"notes": "theirs"}
    assert mark.words(heard) == {"notes": "a"}


def test_a_word_that_was_edited_or_removed_is_heard_as_before() -> None:
    content = told({"notes": "theirs", "gone": "theirs"}, {"notes": "a", "gone": "a"}) | {"notes": "edited"}
    del content["gone"]
    assert mark.heard_by(content, "b") == content


def test_another_ones_word_is_kept_with_its_name_until_its_value_changes() -> None:
    heard = mark.heard_by(told({"notes": "theirs", "own": {"a": 1}}, {"notes": "a", "own": "a"}), "b")
    kept = mark.with_others_words(marked({"notes": "theirs", "own": {"a": 2}}), heard)
    assert mark.words(kept) == {"notes": "a"}
    again = mark.with_others_words(mark.marked(heard, {}), heard)
    assert mark.wrote(again) == mark.digests({"notes": "theirs", "own": {"a": 1}})
    assert mark.words(again) == {"notes": "a", "own": "a"}


@pytest.mark.parametrize("words", [["a"], "a", {"a": 1}, None])
def test_nonsense_for_words_says_nothing(words: JsonValue) -> None:
    content: JsonObject = {"a": 1, "extensions": {"modelshelf": {"wrote": {"a": mark.digest(1)}, "words": words}}}
    assert mark.words(content) == {}
    assert mark.heard_by(content, "b") == content
    assert mark.with_others_words(content, content) == content


def test_where_there_is_no_mark_nobody_is_named() -> None:
    unmarked: JsonObject = {"extensions": ["theirs"], "a": 1}
    assert mark.with_words(unmarked, {"a": "x"}) == unmarked
    assert mark.heard_by(unmarked, "a") == unmarked
