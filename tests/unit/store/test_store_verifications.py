"""Which files are the longest unread, and the evidence of those that rotted."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.rot import RotEnd
from modelshelf.domain.task import Priority, TaskKind
from modelshelf.store import verifications
from modelshelf.store.duplicates import copies_alike
from tests.unit.store.store_builders import DAY, NOW, add_file, add_read_file, fingerprint, folder, hashes, new_task

if TYPE_CHECKING:
    from modelshelf.store.store import Store


@pytest.fixture(autouse=True)
def _folders(store: Store) -> None:
    store.folders.sync([folder("a"), folder("b")])


def read(store: Store, path: bytes, days: float = 0, *, number: int | None = None, folder_id: str = "a") -> int:
    """Make a file known that was read so many days ago."""
    file_id, content_id = add_read_file(store, path, sum(path) if number is None else number, folder_id=folder_id)
    store.files.record_content(file_id, content_id, read_at=NOW - days * DAY)
    return file_id


def plan(store: Store, sql: str, parameters: object) -> str:
    """Give SQLite's plan of a statement."""
    return str([row["detail"] for row in store.database.rows(f"EXPLAIN QUERY PLAN {sql}", parameters)])  # type: ignore[arg-type]


def test_the_oldest_come_first_over_all_folders_and_page_by_page(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifications, "PAGE", 2)
    ids = [read(store, b"%d" % days, days, folder_id="ab"[days % 2]) for days in range(1, 8)]
    found = [each.file_id for each in store.verifications.oldest(["a", "b"], NOW)]
    assert found == ids[::-1]
    assert [each.file_id for each in store.verifications.oldest(["b"], NOW - 4 * DAY)] == [ids[6], ids[4]]


def test_what_is_doubted_comes_before_all_others_and_keeps_its_date(store: Store) -> None:
    old, young = read(store, b"old", 90), read(store, b"young", 1)
    store.verifications.doubt(young)
    assert [each.file_id for each in store.verifications.oldest(["a"], NOW - 30 * DAY)] == [young, old]
    assert store.verifications.last_of(young) == NOW - DAY
    store.verifications.note(young, NOW)
    assert [each.file_id for each in store.verifications.oldest(["a"], NOW)] == [old, young]


def test_files_read_at_the_same_moment_are_all_given(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifications, "PAGE", 2)
    ids = {read(store, b"%d" % number) for number in range(5)}
    found = [each.file_id for each in store.verifications.oldest(["a"], NOW)]
    assert len(found) == 5
    assert set(found) == ids


def test_only_what_was_read_here_and_is_there_is_verified(store: Store) -> None:
    good, missing, vouched = read(store, b"good"), read(store, b"missing"), read(store, b"vouched")
    add_file(store, b"unread")
    store.files.mark_missing([missing], NOW)
    content = store.files.get(vouched)
    assert content is not None
    assert content.content_id is not None
    store.files.record_content(vouched, content.content_id, "stablequeue")
    assert [each.file_id for each in store.verifications.oldest(["a"], NOW)] == [good]
    assert [each.file_id for each in store.verifications.within("a", b"")] == [good]


def test_a_path_is_a_file_or_a_directory_with_all_below_it(store: Store) -> None:
    inside, below, beside = read(store, b"d/x"), read(store, b"d/e/x"), read(store, b"dd/x")
    top = read(store, b"d.x")
    within = store.verifications.within
    assert {each.file_id for each in within("a", b"d")} == {inside, below}
    assert [each.file_id for each in within("a", b"d/x")] == [inside]
    assert {each.file_id for each in within("a", b"")} == {inside, below, beside, top}
    assert within("b", b"") == []


def test_a_whole_folder_is_all_of_it_whatever_its_directories_are_called(store: Store) -> None:
    ids = [read(store, path) for path in (b"\x01/x", b"\xfe/x", b"\xff/x", b"\xff\xff/y/x")]
    assert [each.file_id for each in store.verifications.within("a", b"")] == ids


def test_a_night_is_planned_by_indexes_alone(store: Store) -> None:
    parameters = {"folder": "a", "before": 0.0, "verified_at": 0.0, "size": 0, "id": 0, "limit": 1}
    oldest = plan(store, verifications._OLDEST, parameters)
    assert "SEARCH files USING INDEX files_to_verify (folder_id=? AND (verified_at,size_bytes)>" in oldest
    assert "TEMP B-TREE" not in oldest
    assert "rot_standing" in plan(store, verifications._SUSPECTED, ("[]",))


def test_a_share_of_many_files_is_found_without_looking_at_the_rest(store: Store) -> None:
    with store.database.transaction():
        for number in range(3000):
            read(store, b"%d" % number, number, number=number)
    said: list[str] = []
    store.database._connection.set_trace_callback(said.append)
    assert len(list(islice(store.verifications.oldest(["a"], NOW), 100))) == 100
    store.database._connection.set_trace_callback(None)
    assert len(said) == 1


def test_what_waits_at_the_priority_of_the_night_is_dropped_and_nothing_else(store: Store) -> None:
    ids = [read(store, b"%d" % number) for number in range(3)]
    priorities = (Priority.VERIFY, Priority.PERSON, Priority.VERIFY)
    tasks = [new_task(each, TaskKind.VERIFY_FILE, level) for each, level in zip(ids, priorities, strict=True)]
    store.journal.add(tasks, NOW)
    store.database.execute("UPDATE tasks SET attempts = 1 WHERE subject = ?", (str(ids[2]),))
    assert store.verifications.drop_waiting(["a"]) == 1
    assert store.journal.owed() == {TaskKind.VERIFY_FILE: 2}


# rot


def rot(store: Store, file_id: int, number: int = 99) -> None:
    """Have a file found rotten."""
    file = store.files.get(file_id)
    assert file is not None
    store.rot.found(file, hashes(number), NOW)


def test_one_rot_stands_per_file_and_those_that_ended_are_kept(store: Store) -> None:
    file_id = read(store, b"x")
    rot(store, file_id)
    rot(store, file_id, 98)
    (standing,) = store.rot.standing()
    assert (standing.sha256, standing.found_at) == (hashes(98).sha256, NOW)
    assert store.rot.end(file_id, RotEnd.RESTORED, NOW + DAY)
    assert not store.rot.end(file_id, RotEnd.ACCEPTED, NOW + DAY)
    assert store.rot.of(file_id) is None
    rot(store, file_id)
    assert [each.end for each in store.rot.ever_of(file_id)] == [None, RotEnd.RESTORED]


def test_rot_of_what_is_missing_is_kept_and_not_told(store: Store) -> None:
    file_id = read(store, b"x")
    rot(store, file_id)
    store.files.mark_missing([file_id], NOW)
    assert store.rot.standing() == []
    assert store.verifications.suspected(["a"]) == []
    assert store.rot.of(file_id) is not None


def test_rot_goes_with_the_record_of_its_file(store: Store) -> None:
    file_id = read(store, b"x")
    rot(store, file_id)
    moved = read(store, b"y")
    store.files.move(moved, "a", b"x", fingerprint(5))
    assert store.rot.ever_of(file_id) == []


def test_a_good_copy_was_read_here_and_has_not_rotted(store: Store) -> None:
    damaged = read(store, b"x", number=1)
    good = read(store, b"good", 3, number=1, folder_id="b")
    better = read(store, b"better", 1, number=1)
    also_rotten = read(store, b"also", number=1)
    rot(store, damaged)
    rot(store, also_rotten)
    file = store.files.get(damaged)
    assert file is not None
    copies = store.rot.good_copies(file)
    assert [str(copy.path) for copy in copies] == ["/models/a/better", "/models/b/good"]
    assert [copy.sound_at for copy in copies] == [NOW - DAY, NOW - 3 * DAY]
    assert {good, better}.isdisjoint({damaged})
    store.folders.sync([folder("a")])
    assert [str(copy.path) for copy in store.rot.good_copies(file)] == ["/models/a/better"]


def test_another_name_of_the_same_file_is_no_good_copy(store: Store) -> None:
    damaged, link = read(store, b"x", number=1), read(store, b"link", number=1)
    store.files.settle_fingerprint(damaged, fingerprint(1))
    store.files.settle_fingerprint(link, fingerprint(1))
    rot(store, damaged)
    file = store.files.get(damaged)
    assert file is not None
    assert store.rot.good_copies(file) == []


def test_a_rotten_file_is_a_duplicate_of_nothing(store: Store) -> None:
    damaged, other = read(store, b"x", number=1), read(store, b"y", number=1)
    assert {copy.file_id for copy in copies_alike(store.database)} == {damaged, other}
    rot(store, damaged)
    assert {copy.file_id for copy in copies_alike(store.database)} == {other}
