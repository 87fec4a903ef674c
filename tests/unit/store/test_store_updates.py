"""Newer versions upstream: told once, muted by model or version."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from modelshelf.domain.update import Access, Update
from tests.unit.store.store_builders import DAY, NOW

if TYPE_CHECKING:
    from modelshelf.store.store import Store

FIRST = Update(7, 71, "v2", "SDXL 1.0", "2026-02-01T00:00:00Z", is_same_base=True, access=Access.FREE)
SECOND = Update(7, 72, None, None, "2026-03-01T00:00:00Z", is_same_base=False, access=Access.EARLY)
OTHER = Update(8, 81, "v9", "Pony", "2026-03-01T00:00:00Z", is_same_base=True, access=Access.PAID)


def rows(store: Store) -> list[tuple[object, ...]]:
    return [tuple(row) for row in store.database.rows("SELECT * FROM updates ORDER BY version_id")]


def test_an_update_is_news_once(store: Store) -> None:
    assert store.updates.replace(7, [FIRST, SECOND], NOW) == [FIRST, SECOND]
    assert store.updates.replace(8, [OTHER], NOW) == [OTHER]
    before = rows(store)
    assert store.updates.replace(7, [FIRST, SECOND], NOW + DAY) == []
    assert rows(store) == before
    noticed = replace(FIRST, noticed_at=NOW)
    assert store.updates.all(7) == [replace(SECOND, noticed_at=NOW), noticed]
    assert [each.version_id for each in store.updates.all()] == [72, 71, 81]


def test_an_update_that_came_onto_the_shelf_is_none_and_no_news_when_it_left_again(store: Store) -> None:
    store.updates.replace(7, [FIRST, SECOND], NOW)
    assert store.updates.replace(7, [SECOND], NOW + DAY) == []
    assert [each.version_id for each in store.updates.all(7)] == [72]
    before = rows(store)
    store.updates.replace(7, [SECOND], NOW + 2 * DAY)
    assert rows(store) == before
    assert store.updates.replace(7, [FIRST, SECOND], NOW + 3 * DAY) == []
    assert [each.noticed_at for each in store.updates.all(7)] == [NOW, NOW]


def test_what_changes_of_an_update_is_kept_and_no_news(store: Store) -> None:
    store.updates.replace(7, [SECOND], NOW)
    assert store.updates.replace(7, [replace(SECOND, access=Access.FREE, name="v3\ud800")], NOW + DAY) == []
    (update,) = store.updates.all(7)
    assert (update.access, update.name, update.noticed_at) == (Access.FREE, "v3\\ud800", NOW)


def test_a_version_can_be_muted_alone(store: Store) -> None:
    assert store.updates.mute(7, 71)
    assert not store.updates.mute(7, 71)
    assert store.updates.replace(7, [FIRST, SECOND], NOW) == [SECOND]
    assert [(each.version_id, each.is_muted) for each in store.updates.all(7)] == [(72, False), (71, True)]
    assert store.updates.unmute(7, 71)
    assert not store.updates.unmute(7, 71)
    assert not any(each.is_muted for each in store.updates.all(7))
    assert store.updates.replace(7, [FIRST, SECOND], NOW) == []


def test_a_model_can_be_muted_with_all_its_versions(store: Store) -> None:
    assert store.updates.mute(7)
    assert store.updates.replace(7, [FIRST, SECOND], NOW) == []
    assert store.updates.replace(8, [OTHER], NOW) == [OTHER]
    assert all(each.is_muted for each in store.updates.all(7))
    assert store.updates.unmute(7)
    assert not any(each.is_muted for each in store.updates.all())
