"""Rules of our mark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.sidecars import mark

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject


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
