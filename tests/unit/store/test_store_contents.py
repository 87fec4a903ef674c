from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.content import Content
from modelshelf.domain.hashes import EMPTY_AUTOV3, Hashes
from tests.unit.store.store_builders import DAY, NOW, hashes

if TYPE_CHECKING:
    from modelshelf.store.store import Store


def get(store: Store, content_id: int) -> Content:
    content = store.contents.get(content_id)
    assert content is not None
    return content


def test_a_content_comes_back_as_it_was_made(store: Store) -> None:
    content = store.contents.upsert(2**40, hashes(1), NOW)
    assert content == Content(content.id, 2**40, hashes(1), NOW)
    assert get(store, content.id) == content
    assert store.contents.get(999) is None


def test_a_small_file_without_autov1_and_autov3_can_be_kept(store: Store) -> None:
    small = replace(hashes(1), autov1=None, autov3=None)
    assert store.contents.upsert(1, small, NOW).hashes == small


def test_the_same_bytes_are_one_content_and_keep_what_was_found_out(store: Store) -> None:
    first = store.contents.upsert(1, hashes(1), NOW)
    store.contents.record_hit(first.id, 5, NOW)
    second = store.contents.upsert(1, replace(hashes(1), autov3="MENDED"), NOW + DAY)
    assert (second.id, second.version_id, second.lookup_count) == (first.id, 5, 1)
    assert (second.hashes.autov3, second.hashed_at) == ("MENDED", NOW + DAY)
    assert store.contents.upsert(1, hashes(2), NOW).id != first.id


@pytest.mark.parametrize("name", [field.name for field in fields(Hashes)])
def test_a_content_is_found_by_each_of_its_hashes_in_any_case(store: Store, name: str) -> None:
    content = store.contents.upsert(1, hashes(1), NOW)
    store.contents.upsert(1, hashes(2), NOW)
    wanted = str(getattr(hashes(1), name))
    assert store.contents.find(f" {wanted.lower()}\n") == [content]
    assert store.contents.find(wanted) == [content]
    assert store.contents.find(wanted[:-1]) == []


def test_the_hash_of_no_tensors_finds_nothing(store: Store) -> None:
    store.contents.upsert(1, replace(hashes(1), autov3=EMPTY_AUTOV3), NOW)
    assert store.contents.find(EMPTY_AUTOV3.lower()) == []


def test_hashes_are_found_by_their_indexes(store: Store) -> None:
    said: list[str] = []
    store.database._connection.set_trace_callback(said.append)
    store.contents.find("x")
    store.database._connection.set_trace_callback(None)
    plan = str([row["detail"] for row in store.database.rows(f"EXPLAIN QUERY PLAN {said[0]}")])
    assert "SCAN contents" not in plan
    assert plan.count("SEARCH contents USING INDEX") == 6


def test_a_look_up_is_owed_until_it_is_not(store: Store) -> None:
    content = store.contents.upsert(1, hashes(1), NOW)
    store.contents.owe_lookup(content.id, NOW)
    assert get(store, content.id).next_lookup_at == NOW
    store.contents.owe_lookup(content.id, None)
    assert get(store, content.id).next_lookup_at is None


def test_a_hit_is_kept_and_nothing_more_is_owed(store: Store) -> None:
    content = store.contents.upsert(1, hashes(1), NOW)
    store.contents.owe_lookup(content.id, NOW)
    store.contents.record_hit(content.id, 5, NOW)
    found = get(store, content.id)
    assert (found.version_id, found.next_lookup_at) == (5, None)
    assert (found.lookup_count, found.looked_up_at) == (1, NOW)


def test_a_miss_is_asked_again_and_forgets_nothing(store: Store) -> None:
    content = store.contents.upsert(1, hashes(1), NOW)
    store.contents.record_hit(content.id, 5, NOW)
    store.contents.record_miss(content.id, NOW, NOW + DAY)
    found = get(store, content.id)
    assert (found.version_id, found.next_lookup_at) == (5, NOW + DAY)
    assert (found.lookup_count, found.looked_up_at) == (2, NOW)
