from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.civitai import Alternate
from modelshelf.domain.content import Content, Match
from modelshelf.domain.failure import FailureKind
from modelshelf.domain.hashes import EMPTY_AUTOV3, Hashes
from modelshelf.domain.header import Format, Header, Verdict
from modelshelf.domain.task import Lane, Priority
from modelshelf.store.contents import Miss
from tests.unit.store.store_builders import DAY, NOW, add_read_file, hashes

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
    assert (found.lookup_count, found.looked_up_at) == (1, NOW)


def test_a_hit_ends_every_doubt(store: Store) -> None:
    content = store.contents.upsert(1, hashes(1), NOW)
    store.contents.record_miss(content.id, NOW, NOW, Miss(3, questioned_version_id=9))
    store.contents.record_absence(content.id, NOW, NOW, is_gone=True)
    assert get(store, content.id).questioned_version_id == 9
    assert get(store, content.id).gone_since == NOW
    store.contents.record_hit(content.id, 5, NOW, NOW + DAY)
    found = get(store, content.id)
    assert (found.questioned_version_id, found.absent_since, found.gone_since) == (None, None, None)
    assert (found.matched_by, found.next_lookup_at) == (Match.FILE, NOW + DAY)


def test_what_is_absent_is_gone_since_it_was_first_missed_and_back_when_it_is_seen(store: Store) -> None:
    content = store.contents.upsert(1, hashes(1), NOW)
    store.contents.record_hit(content.id, 5, NOW)
    store.contents.record_absence(content.id, NOW, NOW + DAY, is_gone=False)
    assert (get(store, content.id).absent_since, get(store, content.id).gone_since) == (NOW, None)
    store.contents.record_absence(content.id, NOW + DAY, NOW + 2 * DAY, is_gone=True)
    assert get(store, content.id).gone_since == NOW
    assert get(store, content.id).version_id == 5
    store.contents.record_still_known(content.id, NOW + 2 * DAY, NOW + 3 * DAY)
    found = get(store, content.id)
    assert (found.absent_since, found.gone_since, found.next_lookup_at) == (None, None, NOW + 3 * DAY)


def test_what_is_put_off_learns_nothing(store: Store) -> None:
    content = store.contents.upsert(1, hashes(1), NOW)
    store.contents.put_off(content.id, NOW + DAY)
    assert get(store, content.id) == replace(content, next_lookup_at=NOW + DAY)


def test_weights_match_only_what_is_unknown_and_a_file_match_takes_their_place(store: Store) -> None:
    content = store.contents.upsert(1, hashes(1), NOW)
    store.contents.record_weights(content.id, 5, NOW)
    assert (get(store, content.id).version_id, get(store, content.id).matched_by) == (5, Match.WEIGHTS)
    assert get(store, content.id).weights_looked_up_at == NOW
    store.contents.record_hit(content.id, 6, NOW)
    store.contents.record_weights(content.id, 5, NOW)
    assert (get(store, content.id).version_id, get(store, content.id).matched_by) == (6, Match.FILE)


def owes_weights(store: Store, content_id: int) -> bool:
    rows = store.database.rows("SELECT next_weights_lookup_at FROM contents WHERE id = ?", (content_id,))
    return rows[0][0] is not None


def test_weights_are_owed_once_of_what_has_any(store: Store) -> None:
    file_id, content_id = add_read_file(store, b"x", 1)
    store.contents.owe_weights(content_id, NOW)
    assert not owes_weights(store, content_id)
    store.files.record_header(file_id, Header(Format.SAFETENSORS, Verdict.SOUND))
    store.contents.owe_weights(content_id, NOW)
    assert owes_weights(store, content_id)
    store.contents.record_weights(content_id, None, NOW)
    assert not owes_weights(store, content_id)
    store.contents.owe_weights(content_id, NOW)
    assert not owes_weights(store, content_id)
    store.contents.owe_weights(content_id, NOW, is_again=True)
    assert owes_weights(store, content_id)


@pytest.mark.parametrize("autov3", [None, EMPTY_AUTOV3])
def test_no_weights_are_asked_for_where_there_are_none(store: Store, autov3: str | None) -> None:
    file_id, content_id = add_read_file(store, b"x", 1)
    store.contents.upsert(1000, replace(hashes(1), autov3=autov3), NOW)
    store.files.record_header(file_id, Header(Format.SAFETENSORS, Verdict.SOUND))
    store.contents.owe_weights(content_id, NOW)
    assert not owes_weights(store, content_id)


def test_what_is_unknown_is_asked_for_again_when_a_person_says_so(store: Store) -> None:
    missed, known = (store.contents.upsert(1, hashes(number), NOW) for number in (1, 2))
    store.contents.record_miss(missed.id, NOW, NOW + DAY, Miss(3))
    store.contents.record_hit(known.id, 5, NOW, NOW + DAY)
    assert store.contents.ask_again(NOW) == 1
    assert (get(store, missed.id).next_lookup_at, get(store, missed.id).lookup_count) == (NOW, 0)
    assert get(store, known.id).next_lookup_at == NOW + DAY
    assert store.contents.ask_again(NOW) == 0


def test_the_hashes_that_come_next_are_those_of_the_unknown_ones_that_are_due(store: Store) -> None:
    ids = [add_read_file(store, b"%d" % number, number)[1] for number in range(1, 5)]
    for content_id in ids:
        store.contents.owe_lookup(content_id, NOW - content_id * DAY)
    store.contents.record_hit(ids[0], 5, NOW, NOW)
    store.contents.owe_lookup(ids[1], NOW + DAY)
    assert store.contents.next_to_look_up(Priority.REST, NOW, 9) == [hashes(4).sha256, hashes(3).sha256]
    assert store.contents.next_to_look_up(Priority.REST, NOW, 1) == [hashes(4).sha256]
    assert store.contents.next_to_look_up(Priority.DROP, NOW, 9) == []


def test_the_hashes_that_come_next_are_those_that_are_tried_again_too_but_not_those_in_hand(store: Store) -> None:
    ids = [add_read_file(store, b"%d" % number, number)[1] for number in range(1, 4)]
    for content_id in ids[:2]:
        store.contents.owe_lookup(content_id, NOW)
    first, second = store.journal.claim(Lane.NETWORK, NOW)
    assert store.contents.next_to_look_up(Priority.REST, NOW, 9) == []
    store.journal.retry_at(first, NOW + DAY, "down", FailureKind.API, NOW)
    store.contents.owe_lookup(ids[2], NOW)
    assert store.contents.next_to_look_up(Priority.REST, NOW, 9) == [hashes(3).sha256]
    assert store.contents.next_to_look_up(Priority.REST, NOW + DAY, 9) == [hashes(3).sha256, hashes(1).sha256]
    assert store.contents.next_to_look_up(Priority.REST, NOW + DAY, 1) == [hashes(3).sha256]
    assert second.subject == str(ids[1])


def test_alternates_are_kept_by_version_and_written_when_they_change(store: Store) -> None:
    content = store.contents.upsert(1, hashes(1), NOW)
    found = [Alternate(9, 7, None), Alternate(8, None, "2026-01-01"), Alternate(9, 7, None)]
    assert store.alternates.replace(content.id, found)
    assert store.alternates.of_content(content.id) == [Alternate(8, None, "2026-01-01"), Alternate(9, 7, None)]
    assert not store.alternates.replace(content.id, reversed(found))
    assert store.alternates.replace(content.id, [])
    assert store.alternates.of_content(content.id) == []
