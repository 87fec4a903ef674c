"""Rules for what is kept of sidecars that we changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.errors import StoreDamaged
from modelshelf.store.former_sidecars import KEPT, FormerSidecar, LeftSidecar, digest_of
from tests.unit.store.store_builders import NOW

if TYPE_CHECKING:
    from modelshelf.store.store import Store


def test_the_newest_come_first_and_the_oldest_goes(store: Store) -> None:
    for number in range(KEPT + 2):
        store.formers.keep(b"/a", b"%d" % number, NOW)
    found = [each.content for each in store.formers.of(b"/a")]
    assert found == [b"%d" % number for number in range(KEPT + 1, 1, -1)]
    assert store.formers.of(b"/b") == []


def test_one_content_is_kept_once_as_the_newest(store: Store) -> None:
    for content in (b"a", b"b", b"a"):
        store.formers.keep(b"/a", content, NOW)
    assert [each.content for each in store.formers.of(b"/a")] == [b"a", b"b"]
    assert store.formers.of(b"/a")[0] == FormerSidecar(b"a", digest_of(b"a"), NOW)


def test_a_move_onto_itself_changes_nothing(store: Store) -> None:
    store.formers.keep(b"/a", b"a", NOW)
    store.formers.leave_alone(b"/a", LeftSidecar("x"), NOW)
    store.formers.move(b"/a", b"/a")
    assert store.formers.left(b"/a") == LeftSidecar("x")


def test_a_move_drops_the_wish_about_what_stood_there(store: Store) -> None:
    store.formers.leave_alone(b"/a", LeftSidecar("of a"), NOW)
    store.formers.leave_alone(b"/b", LeftSidecar("of b"), NOW)
    store.formers.move(b"/a", b"/b")
    assert (store.formers.left(b"/a"), store.formers.left(b"/b")) == (None, LeftSidecar("of a"))


def test_a_damaged_content_is_a_damaged_store(store: Store) -> None:
    store.formers.keep(b"/a", b"a", NOW)
    store.database.execute("UPDATE former_sidecars SET content = x'00'")
    with pytest.raises(StoreDamaged):
        store.formers.of(b"/a")
