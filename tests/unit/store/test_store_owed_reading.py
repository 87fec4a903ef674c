"""Owed reading: tallies that are kept as files change, and whose turn it is."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.failure import FailureKind
from modelshelf.domain.progress import Tally
from modelshelf.domain.task import Lane, Priority
from modelshelf.store import migrations
from modelshelf.store.database import Database
from modelshelf.store.store import Store
from tests.unit.store.store_builders import DAY, NOW, SECOND, add_file, add_read_file, fingerprint, folder, hashes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COUNTED = """SELECT
    total(missing_since IS NULL AND scan_phase = 1), total((missing_since IS NULL AND scan_phase = 1) * size_bytes),
    total(missing_since IS NULL AND scan_phase = 0 AND waiting_reason IS NULL),
    total((missing_since IS NULL AND scan_phase = 0 AND waiting_reason IS NULL) * size_bytes)
    FROM files WHERE folder_id = ?"""


def priorities(store: Store) -> dict[bytes, int]:
    rows = store.database.rows("SELECT directory, name, priority FROM files WHERE folder_id = 'a'")
    return {b"/".join(filter(None, (row["directory"], row["name"]))): row["priority"] for row in rows}


def test_a_new_file_is_owed_and_a_read_one_is_read(store: Store) -> None:
    add_file(store, b"new", size_bytes=5)
    add_read_file(store, b"read", 1)
    assert store.reading.tallies() == {"a": Tally(1, 1000, 1, 5), "b": Tally()}


def test_what_is_missing_or_not_whole_counts_for_neither(store: Store) -> None:
    missing, growing = add_file(store, b"x"), add_file(store, b"y")
    read, _ = add_read_file(store, b"z", 1)
    store.files.mark_missing([missing, read], NOW)
    store.files.set_waiting(growing, "its writer has it open")
    assert store.reading.tallies()["a"] == Tally()
    store.files.set_waiting(growing, None)
    store.files.settle_fingerprint(missing, fingerprint(1, size_bytes=7))
    assert store.reading.tallies()["a"] == Tally(0, 0, 2, 1007)


def test_sparse_files_of_any_length_are_added_up(store: Store) -> None:
    length = 2**63 - 1
    for name in (b"a", b"b", b"c", b"d"):
        add_file(store, name, size_bytes=length)
    for name in (b"a", b"b"):
        file, content = store.files.at("a", name), store.contents.upsert(length, hashes(1), NOW)
        assert file is not None
        store.files.record_content(file.id, content.id, read_at=NOW)
    (files, owed_bytes), tally = store.reading.count("a", b"", NOW), store.reading.tallies()["a"]
    told = (owed_bytes, store.reading.read_bytes_since(["a"], NOW), tally.owed_bytes, tally.read_bytes)
    assert (files, [round(each / length, 9) for each in told]) == (2, [2.0] * 4)


def test_a_file_that_moves_takes_its_share_with_it_and_one_that_changes_is_owed_again(store: Store) -> None:
    read, _ = add_read_file(store, b"x", 1)
    store.files.move(read, "b", b"x", fingerprint(1, size_bytes=1000))
    assert store.reading.tallies() == {"a": Tally(), "b": Tally(1, 1000, 0, 0)}
    store.files.change(
        read, fingerprint(2, size_bytes=30), NOW, priority=Priority.CHANGED, waiting_reason=None, run_id=None
    )
    assert store.reading.tallies()["b"] == Tally(0, 0, 1, 30)


def test_whatever_happens_to_files_the_tallies_are_what_counting_gives(store: Store) -> None:
    chance = random.Random(7)
    ids = [add_file(store, b"f%d" % number, size_bytes=number) for number in range(40)]
    content = store.contents.upsert(1, hashes(1), NOW)
    fates: list[Callable[[int], object]] = [
        lambda file_id: store.files.mark_missing([file_id], NOW),
        lambda file_id: store.files.set_waiting(file_id, chance.choice([None, "grows"])),
        lambda file_id: store.files.record_content(file_id, content.id),
        lambda file_id: store.files.reset_deep([file_id], Priority.REST),
        lambda file_id: store.files.settle_fingerprint(file_id, fingerprint(file_id, size_bytes=9)),
        lambda file_id: store.files.move(
            file_id, chance.choice("ab"), b"m%d" % chance.randrange(20), fingerprint(1, size_bytes=3)
        ),
    ]
    for _ in range(400):
        chance.choice(fates)(chance.choice(ids))
    for folder_id, tally in store.reading.tallies().items():
        assert tally == Tally(*(int(each) for each in store.database.rows(COUNTED, (folder_id,))[0]))
    assert sum(store.reading.tallies().values(), Tally()).files > 0


def test_a_size_beyond_all_reason_breaks_no_sum(store: Store) -> None:
    for number in range(3):
        add_file(store, b"%d" % number, size_bytes=2**63 - 1)
    assert store.reading.tallies()["a"].owed_bytes == pytest.approx(3 * 2**63)


def test_a_folder_no_longer_configured_is_not_told_of(store: Store) -> None:
    add_file(store, b"x")
    store.folders.sync([folder("b")])
    assert store.reading.tallies() == {"b": Tally()}


def test_a_store_of_an_earlier_version_is_counted_once_when_it_is_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    old = Database.open(path, migrations.MIGRATIONS[:4])
    old.execute("INSERT INTO folders (id, path, shown_path) VALUES ('a', x'2f', '/')")
    for number, phase in ((1, 0), (2, 1)):
        old.execute(
            """INSERT INTO files (folder_id, directory, name, size_bytes, mtime_ns, ctime_ns, inode, scan_phase, priority,
                first_seen_at, last_changed_at) VALUES ('a', x'', CAST(? AS BLOB), ?, 1, 1, 1, ?, 10, 1.0, 1.0)""",
            (str(number), 100 * number, phase),
        )
    old.close()
    store = Store.open(path)
    try:
        assert store.reading.tallies() == {"a": Tally(1, 200, 1, 100)}
    finally:
        store.close()


PLACES = [b"x", b"style/x", b"style/deep/y", b"style0/x", b"style-old/x"]


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        (b"", PLACES),
        (b"style", [b"style/x", b"style/deep/y"]),
        (b"style/x", [b"style/x"]),
        (b"x", [b"x"]),
        (b"nothing", []),
    ],
)
def test_a_path_means_a_file_or_a_directory_with_all_below_it(store: Store, path: bytes, meant: list[bytes]) -> None:
    for each in PLACES:
        add_file(store, each, size_bytes=10)
    add_file(store, b"x", folder_id="b")
    assert store.reading.count("a", path, NOW) == (len(meant), 10 * len(meant))
    store.reading.raise_to("a", path, Priority.PERSON)
    assert {each for each, priority in priorities(store).items() if priority == Priority.PERSON} == {*meant}
    assert store.reading.count("a", b"", NOW, Priority.PERSON)[0] == len(meant)
    assert store.reading.ease("a", path) == len(meant)
    assert set(priorities(store).values()) == {Priority.REST}


def test_what_is_in_hand_counts_as_owed_and_what_failed_does_not(store: Store) -> None:
    first, second, third = (add_file(store, name) for name in (b"x", b"y", b"z"))
    claimed = {task.subject: task for task in store.journal.claim(Lane.DESK, NOW)}
    store.journal.release([claimed[str(second)]])
    store.journal.retry_at(claimed[str(third)], NOW + DAY, "no", FailureKind.ACCESS, NOW)
    assert store.reading.count("a", b"", NOW) == (2, 2000)
    store.journal.fail(claimed[str(first)], "never", FailureKind.ACCESS, NOW)
    assert store.reading.count("a", b"", NOW) == (1, 1000)
    assert store.reading.count("a", b"", NOW + DAY) == (2, 2000)


def test_tasks_that_wait_are_raised_and_eased_and_so_are_those_in_hand(store: Store) -> None:
    waiting, running = add_file(store, b"x"), add_file(store, b"y")
    claimed = {task.subject: task for task in store.journal.claim(Lane.DESK, NOW)}
    store.journal.release([claimed[str(waiting)]])
    store.reading.raise_to("a", b"", Priority.PERSON)
    ids = [claimed[str(each)].id for each in (waiting, running)]
    assert set(store.journal.priorities(ids).values()) == {Priority.PERSON}
    store.journal.release([claimed[str(running)]])
    store.journal.claim(Lane.DESK, NOW)
    assert store.reading.ease("a", b"") == 2
    assert set(store.journal.priorities(ids).values()) == {Priority.REST}


def test_what_is_raised_is_never_lowered_by_it_and_a_changed_file_is_eased_to_its_own_turn(store: Store) -> None:
    dropped = add_file(store, b"dropped", priority=Priority.DROP)
    changed = add_file(store, b"changed")
    store.files.change(
        changed, fingerprint(5), NOW + SECOND, priority=Priority.CHANGED, waiting_reason=None, run_id=None
    )
    store.reading.raise_to("a", b"", Priority.CHANGED)
    assert priorities(store) == {b"dropped": Priority.DROP, b"changed": Priority.CHANGED}
    store.reading.raise_to("a", b"changed", Priority.PERSON)
    assert store.reading.ease("a", b"") == 1
    assert priorities(store) == {b"dropped": Priority.DROP, b"changed": Priority.CHANGED}
    assert dropped


def test_a_file_that_was_read_or_is_missing_keeps_its_priority(store: Store) -> None:
    add_read_file(store, b"read", 1)
    store.files.mark_missing([add_file(store, b"missing")], NOW)
    store.reading.raise_to("a", b"", Priority.PERSON)
    assert set(priorities(store).values()) == {Priority.REST}


def test_bytes_that_were_read_lately_count_whether_for_the_first_time_or_once_more(store: Store) -> None:
    early, late = add_file(store, b"early"), add_file(store, b"late")
    content = store.contents.upsert(1000, hashes(1), NOW)
    store.files.record_content(early, content.id, read_at=NOW - DAY)
    store.files.record_content(late, content.id, read_at=NOW)
    assert store.reading.read_bytes_since(["a", "b"], NOW - SECOND) == 1000
    assert store.reading.read_bytes_since(["a"], NOW - DAY) == 2000
    assert store.reading.read_bytes_since(["b"], NOW - DAY) == 0
    assert store.reading.read_bytes_since([], NOW - DAY) == 0


def test_questions_are_those_that_are_due(store: Store) -> None:
    for number, due_at in ((1, NOW), (2, NOW + DAY)):
        _, content_id = add_read_file(store, b"%d" % number, number)
        store.contents.owe_lookup(content_id, due_at)
    assert store.reading.questions(NOW) == 1
    assert store.reading.questions(NOW + DAY) == 2
    (task,) = store.journal.claim(Lane.NETWORK, NOW)
    store.journal.retry_at(task, NOW + SECOND, "no answer", FailureKind.API, NOW)
    assert store.reading.questions(NOW) == 0
    assert store.reading.questions(NOW + SECOND) == 1
