from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelshelf.store.store import Store


def test_a_value_stands_until_another_one_is_said(store: Store) -> None:
    assert store.standing.get("civitai") is None
    store.standing.put("civitai", "ill")
    store.standing.put("civitai", "well")
    store.standing.put("else", "x")
    assert store.standing.get("civitai") == "well"
