from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.folder import Coverage

if TYPE_CHECKING:
    from modelshelf.store.store import Store


def test_how_far_folders_are_heard_is_kept_until_it_changes_or_ends(store: Store) -> None:
    store.watches.put("a", Coverage(1, 2, "no \udcff watch left"))
    store.watches.put("b", Coverage(3, 0))
    store.watches.put("b", Coverage(4, 0))
    assert store.watches.of_folders() == {"a": Coverage(1, 2, r"no \udcff watch left"), "b": Coverage(4, 0)}
    store.watches.put("a", None)
    assert [*store.watches.of_folders()] == ["b"]
