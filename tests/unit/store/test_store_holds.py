"""Folders of which too much vanished at once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.domain.ground import Ground
from modelshelf.store.holds import HONOURED, RECENT
from tests.unit.store.store_builders import DAY, NOW, add_file, add_read_file, folder

if TYPE_CHECKING:
    from modelshelf.store.store import Store

MOMENT = timedelta(seconds=1)
GROUND = Ground(1, 2, 3)
OTHER_GROUND = Ground(1, 2, 4)


def test_a_hold_keeps_its_time_and_takes_the_latest_count(store: Store) -> None:
    store.holds.keep("a", 100, [1, 2], NOW)
    store.holds.keep("a", 90, [3], NOW + DAY)
    hold = store.holds.of("a")
    assert hold is not None
    assert (hold.held_since, hold.file_count, hold.sample) == (NOW, 90, (3,))
    assert store.holds.all() == [hold]
    assert store.holds.of("b") is None


def test_a_hold_that_is_as_it_was_is_not_written_again(store: Store) -> None:
    store.holds.keep("a", 100, [1, 2], NOW)
    before = store.database._connection.total_changes
    store.holds.keep("a", 100, [1, 2], NOW + DAY)
    assert store.database._connection.total_changes == before


def test_a_hold_that_ended_may_begin_anew(store: Store) -> None:
    store.holds.keep("a", 100, [1], NOW)
    store.holds.release("a")
    assert store.holds.of("a") is None
    assert store.holds.all() == []
    store.holds.keep("a", 100, [1], NOW + DAY)
    hold = store.holds.of("a")
    assert hold is not None
    assert hold.held_since == NOW + DAY


def test_a_folder_no_longer_configured_shows_no_hold(store: Store) -> None:
    store.holds.keep("b", 100, [1], NOW)
    store.folders.sync([folder("a")])
    assert store.holds.all() == []


def test_a_person_s_word_waits_for_its_scan_and_ends_the_hold_with_it(store: Store) -> None:
    store.holds.keep("a", 100, [1], NOW)
    assert store.holds.confirmed_ground("a", NOW) is None
    store.holds.confirm("a", GROUND, NOW)
    store.holds.confirm("b", GROUND, NOW)
    assert store.holds.of("a") is not None
    assert store.holds.confirmed_ground("a", NOW) == GROUND
    store.holds.settle("a", NOW)
    assert (store.holds.of("a"), store.holds.confirmed_ground("a", NOW)) == (None, None)
    assert store.holds.of("b") is None
    assert store.holds.confirmed_ground("b", NOW) == GROUND


def test_a_person_s_word_holds_for_an_hour_whichever_way_the_clock_is_set_and_may_be_said_again(store: Store) -> None:
    store.holds.confirm("a", GROUND, NOW)
    for later in (HONOURED - MOMENT, MOMENT - HONOURED):
        assert store.holds.confirmed_ground("a", NOW + later) == GROUND
    for later in (HONOURED, -HONOURED, 300 * DAY):
        assert store.holds.confirmed_ground("a", NOW + later) is None
    store.holds.confirm("a", OTHER_GROUND, NOW + DAY)
    assert store.holds.confirmed_ground("a", NOW + DAY) == OTHER_GROUND


def test_what_went_missing_lately_is_counted_unless_a_person_confirmed_it(store: Store) -> None:
    ids = [add_file(store, b"%d" % number) for number in range(4)]
    store.files.mark_missing(ids[:1], NOW - RECENT)
    store.files.mark_missing(ids[1:3], NOW - MOMENT)
    store.files.mark_missing([add_file(store, b"x", folder_id="b")], NOW)
    assert store.holds.recent_count("a", NOW) == 2
    store.holds.confirm("a", GROUND, NOW)
    store.holds.settle("a", NOW)
    assert store.holds.recent_count("a", NOW) == 0
    store.files.mark_missing(ids[3:], NOW + MOMENT)
    assert store.holds.recent_count("a", NOW + MOMENT) == 1


def test_a_file_whose_bytes_lie_elsewhere_too_is_explained(store: Store) -> None:
    moved, _ = add_read_file(store, b"moved", 1)
    add_read_file(store, b"copy", 1, folder_id="b")
    twins = [add_read_file(store, name, 2)[0] for name in (b"twin", b"other twin")]
    ids = [moved, *twins, add_file(store, b"never read")]
    assert store.holds.unexplained_count(ids) == 3
    assert store.holds.unexplained_count(twins[:1]) == 0
    assert store.holds.unexplained_count([]) == 0
    store.files.mark_missing(ids, NOW)
    assert store.holds.recent_count("a", NOW + MOMENT) == 3
