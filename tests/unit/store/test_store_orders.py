"""Orders: kept over a restart, and gone when they are fulfilled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.store.orders import Orders

if TYPE_CHECKING:
    from modelshelf.store.store import Store


def _order_in_vain(store: Store) -> None:
    with store.database.transaction():
        store.orders.add(["a"])
        raise LookupError


def test_nothing_is_ordered_at_first(store: Store) -> None:
    assert store.orders.folder_ids == frozenset()


def test_an_order_outlasts_a_restart_until_it_is_fulfilled(store: Store) -> None:
    store.orders.add(["a", "b"])
    store.orders.add(["b", "c"])
    assert Orders(store.database).folder_ids == {"a", "b", "c"}
    store.orders.fulfil(["a", "x"])
    assert store.orders.folder_ids == {"b", "c"}
    assert Orders(store.database).folder_ids == {"b", "c"}


def test_an_order_that_was_taken_back_with_its_transaction_is_ordered_again(store: Store) -> None:
    with pytest.raises(LookupError):
        _order_in_vain(store)
    assert Orders(store.database).folder_ids == frozenset()
    store.orders.add(["b"])
    assert Orders(store.database).folder_ids == {"b"}
    store.orders.add(["a"])
    assert Orders(store.database).folder_ids == store.orders.folder_ids == {"a", "b"}
