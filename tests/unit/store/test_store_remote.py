from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.store.store_builders import DAY, NOW

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
    assert store.database.rows("SELECT length(body) FROM models")[0][0] < 2_000


def absent_since(store: Store, model_id: int) -> float | None:
    row = store.database.row("SELECT absent_since FROM models WHERE id = ?", (model_id,))
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
