from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.store.store_builders import DAY, NOW, add_read_file

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.store.store import Store

BODY: JsonObject = {"name": "\u00e9\ud800", "files": [{"sizeKB": 1.5}], "description": "<p>x</p>" * 10_000}


def test_a_version_comes_back_as_it_was_received(store: Store) -> None:
    assert store.remote.version_body(1) is None
    store.remote.keep_version(1, 2, BODY, NOW)
    assert store.remote.version_body(1) == BODY
    assert store.remote.model_of_version(1) == 2
    store.remote.keep_version(1, 3, {}, NOW + DAY)
    assert store.remote.version_body(1) == {}
    assert store.remote.model_of_version(1) == 3


def test_a_version_without_its_model_keeps_the_one_it_was_known_under(store: Store) -> None:
    store.remote.keep_version(1, 2, BODY, NOW)
    store.remote.keep_version(1, None, BODY, NOW)
    assert store.remote.model_of_version(1) == 2
    store.remote.keep_version(5, None, BODY, NOW)
    assert store.remote.model_of_version(5) is None
    assert store.remote.model_of_version(6) is None


def test_bodies_are_compressed(store: Store) -> None:
    store.remote.keep_model(1, BODY, NOW)
    assert store.remote.model_body(1) == BODY
    assert store.database.rows("SELECT length(body) FROM civitai_models")[0][0] < 2_000


def absent_since(store: Store, model_id: int) -> float | None:
    row = store.database.row("SELECT absent_since FROM civitai_models WHERE id = ?", (model_id,))
    return None if row is None else row["absent_since"]


def test_a_model_taken_down_is_absent_and_its_last_body_stays(store: Store) -> None:
    store.remote.keep_model(1, BODY, NOW)
    assert absent_since(store, 1) is None
    store.remote.mark_model_absent(1, NOW)
    store.remote.mark_model_absent(1, NOW + DAY)
    assert absent_since(store, 1) == NOW.timestamp()
    assert store.remote.model_body(1) == BODY
    store.remote.keep_model(1, {}, NOW)
    assert absent_since(store, 1) is None


def test_a_model_that_was_never_there_can_be_absent(store: Store) -> None:
    assert absent_since(store, 1) is None
    store.remote.mark_model_absent(1, NOW)
    assert absent_since(store, 1) == NOW.timestamp()
    assert store.remote.model_body(1) is None


def test_the_same_body_once_more_changes_no_row_but_when_it_is_asked_for_again(store: Store) -> None:
    store.remote.keep_version(1, 2, BODY, NOW)
    store.remote.keep_model(2, BODY, NOW, NOW + DAY)
    store.remote.keep_version(1, 2, BODY, NOW + DAY)
    store.remote.keep_version(1, None, BODY, NOW + DAY)
    store.remote.keep_model(2, BODY, NOW + DAY, NOW + 2 * DAY)
    received = store.database.rows("SELECT received_at FROM versions UNION ALL SELECT received_at FROM civitai_models")
    assert [row[0] for row in received] == [NOW.timestamp()] * 2
    assert store.remote.is_fresh(2, NOW + DAY)


def test_a_model_is_fresh_until_it_is_to_be_asked_for_again_whether_it_was_there_or_not(store: Store) -> None:
    assert not store.remote.is_fresh(1, NOW)
    store.remote.keep_model(1, BODY, NOW, NOW + DAY)
    store.remote.mark_model_absent(2, NOW, NOW + DAY)
    assert [store.remote.is_fresh(model_id, NOW) for model_id in (1, 2)] == [True, True]
    assert [store.remote.is_fresh(model_id, NOW + DAY) for model_id in (1, 2)] == [False, False]


def test_a_model_that_was_known_is_gone_after_two_answers_two_hours_apart(store: Store) -> None:
    assert store.remote.model_gone_since(1) is None
    store.remote.keep_model(1, BODY, NOW, NOW + DAY)
    store.remote.mark_model_absent(1, NOW, NOW + DAY)
    store.remote.mark_model_absent(1, NOW + DAY / 24, NOW + DAY)
    assert store.remote.model_gone_since(1) is None
    store.remote.mark_model_absent(1, NOW + DAY, NOW + 2 * DAY)
    assert store.remote.model_gone_since(1) == NOW
    store.remote.keep_model(1, BODY, NOW, NOW + DAY)
    assert store.remote.model_gone_since(1) is None
    store.remote.mark_model_absent(2, NOW, NOW + DAY)
    store.remote.mark_model_absent(2, NOW + DAY, NOW + DAY)
    assert store.remote.model_gone_since(2) is None


def test_models_that_are_not_there_are_asked_for_again_at_once_when_a_person_says_so(store: Store) -> None:
    store.remote.keep_model(1, BODY, NOW, NOW + DAY)
    store.remote.mark_model_absent(2, NOW, NOW + DAY)
    assert store.remote.ask_again(NOW) == 1
    assert [store.remote.is_fresh(model_id, NOW) for model_id in (1, 2)] == [True, False]


def test_what_was_put_off_by_a_wrong_clock_is_due_at_once(store: Store) -> None:
    store.remote.keep_model(1, BODY, NOW, NOW + 100 * DAY)
    store.remote.keep_model(2, BODY, NOW, NOW + DAY)
    store.remote.pull_in(NOW + 31 * DAY, NOW)
    assert [store.remote.is_fresh(model_id, NOW) for model_id in (1, 2)] == [False, True]


def test_the_versions_on_the_shelf_are_those_of_files_that_are_there(store: Store) -> None:
    here, content_id = add_read_file(store, b"x", 1)
    _, other_id = add_read_file(store, b"y", 2)
    for version_id, content in ((11, content_id), (12, other_id)):
        store.remote.keep_version(version_id, 7, BODY, NOW)
        store.contents.record_hit(content, version_id, NOW)
    store.remote.keep_version(13, 7, BODY, NOW)
    assert store.remote.versions_on_shelf(7) == [11, 12]
    store.files.mark_missing([here], NOW)
    assert store.remote.versions_on_shelf(7) == [12]
