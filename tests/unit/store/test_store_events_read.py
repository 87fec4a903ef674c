"""Reading the events from where one stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.store.events import News
from tests.unit.store.store_builders import DAY, NOW, SECOND

if TYPE_CHECKING:
    from modelshelf.store.store import Store


def test_news_is_counted_by_name_a_file_or_folder_once(store: Store) -> None:
    first = store.events.add("moved_on", NOW, file_id=1)
    store.events.add("moved_on", NOW + SECOND, file_id=1)
    last_broken = store.events.add("moved_on", NOW + 2 * SECOND, file_id=2)
    store.events.add("offline", NOW, folder_id="a")
    last_offline = store.events.add("offline", NOW, folder_id="b")
    store.events.add("ended", NOW)
    last_ended = store.events.add("ended", NOW)
    store.events.add("other", NOW, file_id=1)
    names = ("moved_on", "offline", "ended")
    assert sorted(store.events.news(0, names), key=lambda each: each.last_id) == [
        News("moved_on", 2, NOW, last_broken),
        News("offline", 2, NOW, last_offline),
        News("ended", 2, NOW, last_ended),
    ]
    assert store.events.news(first, ("moved_on",)) == [News("moved_on", 2, NOW + SECOND, last_broken)]
    assert store.events.news(last_broken, ("moved_on",)) == []
    assert store.events.news(0, ()) == []


def test_of_some_news_the_last_event_of_each_file_is_given(store: Store) -> None:
    for number in (1, 2, 1, 3, 4):
        store.events.add("moved_on", NOW, file_id=number, details={"n": number})
    last = store.events.add("moved_on", NOW, file_id=4, details={"n": "last"})
    [news] = store.events.news(0, ("moved_on",))
    later = store.events.add("moved_on", NOW, file_id=5)
    assert [(event.id, event.file_id) for event in store.events.some_of(news, 0, 10)] == [
        (2, 2),
        (3, 1),
        (4, 3),
        (6, 4),
    ]
    assert store.events.some_of(news, 5, 10)[0].details == {"n": "last"}
    assert len(store.events.some_of(news, 0, 3)) == 3
    assert (news.last_id, later) == (last, last + 1)


def test_the_last_event_of_each_path_is_given(store: Store) -> None:
    for name, path in (("full", "/a"), ("full", "/b"), ("empty", "/a"), ("other", "/b")):
        store.events.add(name, NOW, details={"path": path})
    found = store.events.last_of_each_path(("full", "empty"))
    assert [(event.name, event.details["path"]) for event in found] == [("full", "/b"), ("empty", "/a")]


def test_ids_go_on_where_all_events_were_forgotten(store: Store) -> None:
    assert store.events.last_id() == 0
    last = store.events.add("a", NOW)
    assert store.events.last_id() == last
    store.events.prune(NOW + DAY)
    assert store.events.last_id() == 0
    assert store.events.add("a", NOW) == last + 1


def test_a_reader_goes_on_where_it_stopped_until_it_is_forgotten(store: Store) -> None:
    assert store.events.position("one") is None
    store.events.keep_position("one", 7)
    store.events.keep_position("two", 8)
    store.events.keep_position("one", 9)
    store.database.execute("INSERT INTO standing (name, value) VALUES ('generation', 3)")
    assert (store.events.position("one"), store.events.position("two")) == (9, 8)
    store.events.forget_readers(["one", "never"])
    assert (store.events.position("one"), store.events.position("two")) == (9, None)
    assert store.database.row("SELECT value FROM standing WHERE name = 'generation'") is not None
