from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.store.failures import Unseen
from tests.unit.store.store_builders import DAY, NOW, folder

if TYPE_CHECKING:
    from modelshelf.store.store import Store


def paths(store: Store) -> list[bytes]:
    return [each.path for each in store.failures.all()]


def test_what_cannot_be_seen_keeps_the_time_it_was_first_met(store: Store) -> None:
    store.failures.settle("a", b"", {b"d\xff": "denied \udcff"}, NOW)
    store.failures.settle("a", b"", {b"d\xff": "still denied"}, NOW + DAY)
    assert store.failures.all() == [Unseen("a", b"d\xff", "still denied", NOW)]


def test_a_scan_settles_what_lies_below_it_and_nothing_else(store: Store) -> None:
    store.failures.settle("a", b"", {b"d": "x", b"d/e": "x", b"d-e": "x", b"d0": "x"}, NOW)
    store.failures.settle("b", b"", {b"d": "x"}, NOW)
    store.failures.settle("a", b"d", {b"d/f": "x"}, NOW)
    assert paths(store) == [b"d-e", b"d/f", b"d0", b"d"]
    store.failures.settle("a", b"", {}, NOW)
    assert paths(store) == [b"d"]


def test_what_is_no_news_is_not_written(store: Store) -> None:
    store.failures.settle("a", b"", {b"d": "x"}, NOW)
    before = store.database._connection.total_changes
    store.failures.settle("a", b"", {b"d": "x"}, NOW + DAY)
    store.failures.settle("b", b"", {}, NOW + DAY)
    assert store.database._connection.total_changes == before


def test_folders_that_are_not_configured_any_more_are_left_out(store: Store) -> None:
    store.failures.settle("a", b"", {b"d": "x"}, NOW)
    store.folders.sync([folder("b")])
    assert paths(store) == []
