from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.fact import Fact, Field, Source
from tests.unit.store.store_builders import add_file, add_read_file

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonValue
    from modelshelf.store.store import Store


def fact(field: Field, source: Source, value: JsonValue) -> Fact:
    return Fact(field, source, value)


def test_facts_of_a_file_are_its_own_and_its_content_s(store: Store) -> None:
    file_id, content_id = add_read_file(store, b"x", 1)
    other_id, other_content = add_read_file(store, b"y", 2)
    facts = [fact(Field.NAME, source, source.value) for source in Source]
    for each in facts:
        if each.source in {Source.USER, Source.CIVITAI_API}:
            store.facts.replace_of_content(content_id, each.source, [each])
        else:
            store.facts.replace_of_file(file_id, each.source, [each])
    store.facts.replace_of_file(other_id, Source.FORGE, [fact(Field.NAME, Source.FORGE, "other")])
    store.facts.replace_of_content(other_content, Source.USER, [fact(Field.NOTES, Source.USER, "other")])
    found = store.facts.of_file(file_id)
    assert len(found) == len(facts)
    assert set(map(repr, found)) == set(map(repr, facts))


def test_files_of_one_content_share_what_people_and_civitai_say(store: Store) -> None:
    first, content_id = add_read_file(store, b"x", 1)
    second, _ = add_read_file(store, b"y", 1)
    store.facts.replace_of_file(first, Source.FORGE, [fact(Field.NOTES, Source.FORGE, "mine")])
    store.facts.replace_of_content(content_id, Source.USER, [fact(Field.NAME, Source.USER, "ours")])
    assert [each.value for each in store.facts.of_file(first)] == ["mine", "ours"]
    assert [each.value for each in store.facts.of_file(second)] == ["ours"]


@pytest.mark.parametrize(
    "value", ["text \ud800\x00\n", "", 0, False, 1.5, 10**30, [], ["a", None], {"z": 1, "a": [{}]}, "\u00e9" * 100_000]
)
def test_a_value_comes_back_as_it_was_told(store: Store, value: JsonValue) -> None:
    file_id = add_file(store, b"x")
    assert store.facts.replace_of_file(file_id, Source.EMBEDDED, [fact(Field.STATS, Source.EMBEDDED, value)])
    (found,) = store.facts.of_file(file_id)
    assert (found.value, type(found.value)) == (value, type(value))


def test_telling_the_same_again_is_no_news_and_writes_nothing(store: Store) -> None:
    file_id = add_file(store, b"x")
    told = [fact(Field.NAME, Source.FORGE, "n"), fact(Field.NOTES, Source.FORGE, {"a": 1})]
    assert store.facts.replace_of_file(file_id, Source.FORGE, told)
    before = store.database._connection.total_changes
    assert not store.facts.replace_of_file(file_id, Source.FORGE, told[::-1])
    assert store.database._connection.total_changes == before


def test_what_a_source_no_longer_says_is_gone_and_other_sources_are_left_alone(store: Store) -> None:
    file_id = add_file(store, b"x")
    store.facts.replace_of_file(file_id, Source.FORGE, [fact(Field.NAME, Source.FORGE, "forge")])
    json = [fact(Field.NAME, Source.CIVITAI_JSON, "json"), fact(Field.TAGS, Source.CIVITAI_JSON, ["a"])]
    store.facts.replace_of_file(file_id, Source.CIVITAI_JSON, json)
    assert store.facts.replace_of_file(file_id, Source.CIVITAI_JSON, json[:1])
    assert [each.value for each in store.facts.of_file(file_id)] == ["json", "forge"]
    assert store.facts.replace_of_file(file_id, Source.CIVITAI_JSON, [])
    assert not store.facts.replace_of_file(file_id, Source.CIVITAI_JSON, [])
    assert [each.value for each in store.facts.of_file(file_id)] == ["forge"]


def test_facts_of_what_is_not_there_are_not_kept(store: Store) -> None:
    assert not store.facts.replace_of_file(999, Source.FORGE, [fact(Field.NAME, Source.FORGE, "n")])
    assert not store.facts.replace_of_content(999, Source.USER, [fact(Field.NAME, Source.USER, "n")])
    assert store.facts.of_file(999) == []
    assert store.database.rows("SELECT * FROM facts") == []
