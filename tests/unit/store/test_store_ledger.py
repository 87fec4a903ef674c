from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from modelshelf.errors import DiskFull
from modelshelf.store.ledger import Writing

if TYPE_CHECKING:
    from modelshelf.store.store import Store

PATH = b"/models/a/x\xff.json"
FIRST = Writing(PATH, 7, "forge", 100, 10**24, {"notes": "1", "\ud800": "same"})
SECOND = replace(FIRST, size_bytes=200, mtime_ns=6, digests={"notes": "2", "\ud800": "same"})
THIRD = replace(FIRST, mtime_ns=9, digests={"notes": "3"})


def test_the_last_writing_comes_back_as_it_was_intended(store: Store) -> None:
    assert store.ledger.of(PATH) is None
    assert store.ledger.digests_ever(PATH) == {}
    store.ledger.intend(FIRST)
    assert store.ledger.of(PATH) == FIRST
    store.ledger.intend(SECOND)
    assert store.ledger.of(PATH) == SECOND
    assert store.ledger.of(b"/models/a/x") is None


def test_a_writing_of_no_file_in_particular_can_be_kept(store: Store) -> None:
    gallery = Writing(b"/g.html", None, "gallery", 1, 2)
    store.ledger.intend(gallery)
    assert store.ledger.of(b"/g.html") == gallery


def test_the_digests_of_the_last_two_writings_are_ours_key_by_key(store: Store) -> None:
    for writing in (FIRST, SECOND):
        store.ledger.intend(writing)
    assert store.ledger.digests_ever(PATH) == {"notes": {"1", "2"}, "\ud800": {"same"}}
    store.ledger.intend(THIRD)
    assert store.ledger.digests_ever(PATH) == {"notes": {"2", "3"}, "\ud800": {"same"}}
    assert len(store.database.rows("SELECT * FROM writings")) == 2


def test_trying_again_does_not_push_out_what_lies_on_disk(store: Store) -> None:
    store.ledger.intend(FIRST)
    for mtime_ns in range(5):
        store.ledger.intend(replace(SECOND, mtime_ns=mtime_ns))
    assert store.ledger.digests_ever(PATH)["notes"] == {"1", "2"}
    assert store.ledger.of(PATH) == replace(SECOND, mtime_ns=4)


def test_the_intent_is_durable(store: Store) -> None:
    said: list[str] = []
    store.database._connection.set_trace_callback(said.append)
    store.ledger.intend(FIRST)
    assert said[:2] == ["PRAGMA synchronous = FULL", "BEGIN IMMEDIATE"]
    assert said[-1] == "COMMIT"


def test_an_intent_that_cannot_be_kept_is_told(store: Store) -> None:
    store.database.rows("PRAGMA max_page_count = 1")
    with pytest.raises(DiskFull):
        store.ledger.intend(replace(FIRST, digests={"notes": "x" * 1_000_000}))
    assert store.ledger.of(PATH) is None


def test_what_we_wrote_moves_along_and_takes_the_place_of_what_was_there(store: Store) -> None:
    new = b"/models/b/y.json"
    for writing in (FIRST, SECOND, replace(THIRD, path=new)):
        store.ledger.intend(writing)
    store.ledger.move(PATH, new)
    assert store.ledger.of(PATH) is None
    assert store.ledger.of(new) == replace(SECOND, path=new)
    assert store.ledger.digests_ever(new)["notes"] == {"1", "2"}


def test_a_move_to_the_same_path_loses_nothing(store: Store) -> None:
    store.ledger.intend(FIRST)
    store.ledger.move(PATH, PATH)
    assert store.ledger.of(PATH) == FIRST
