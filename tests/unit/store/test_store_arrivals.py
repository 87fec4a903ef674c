"""Files that come by the thousand are written as those that come one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.folder import Folder
from modelshelf.domain.model_file import Fingerprint
from modelshelf.domain.task import Priority
from modelshelf.store.arrivals import Arrival
from modelshelf.store.entry import EntryQuery
from modelshelf.store.files import NewFile

if TYPE_CHECKING:
    from pathlib import Path

    from modelshelf.domain.model_file import Stamp
    from modelshelf.store.entry import Entry
    from modelshelf.store.store import Store

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LATER = datetime(2026, 1, 3, tzinfo=UTC)

NAMES = [
    b"one.safetensors", b"two.ckpt", b"v1.5 three.safetensors", b"UPPER.PT", b"none", b"dot.", b"caf\xc3\xa9.pt", b"bad\xe9.pt",
    b"tab\t.pt", b"a.tar.gz",
]  # fmt: skip


@pytest.fixture(autouse=True)
def folders(store: Store, tmp_path: Path) -> None:
    store.folders.sync([Folder(each, tmp_path / each, None, ("*",), ()) for each in ("one", "many")])


def stamp(name: bytes, number: int = 1) -> Stamp:
    return (name, 10 * number, 17 * 10**17 + number, 18 * 10**17 + number, number)


def add_many(store: Store, directory: bytes, *stamps: Stamp) -> int:
    return store.arrivals.add(Arrival("many", directory, stamps, Priority.REST), NOW)


def add_one(store: Store, directory: bytes, each: Stamp) -> None:
    path = directory + b"/" + each[0] if directory else each[0]
    file_id = store.files.add(NewFile("one", path, Fingerprint(*each[1:]), NOW, Priority.REST))
    store.entries.refresh([file_id])


def shown(entry: Entry) -> tuple[object, ...]:
    return (entry.path, entry.size_bytes, entry.mtime_ns, entry.scan_phase, entry.values, entry.first_seen_at)


@pytest.mark.parametrize("directory", [b"", b"some/Where", b"caf\xc3\xa9"])
def test_each_stands_there_as_if_it_had_come_alone(store: Store, directory: bytes) -> None:
    stamps = [stamp(name, number) for number, name in enumerate(NAMES, 1)]
    assert add_many(store, directory, *stamps) == len(NAMES)
    for each in stamps:
        add_one(store, directory, each)
    assert list(map(shown, store.entries.of_folder("many"))) == list(map(shown, store.entries.of_folder("one")))
    entries = """SELECT e.directory, e.filename, e.name, e.model_type, e.effective, e.has_page
        FROM entries e JOIN files f ON f.id = e.file_id WHERE f.folder_id = ? ORDER BY f.name"""
    one, many = (list(map(tuple, store.database.rows(entries, (each,)))) for each in ("one", "many"))
    assert one == many
    states = {state.id: state for state in store.folders.states()}
    assert states["one"].file_count == states["many"].file_count == len(NAMES)
    tallies = store.reading.tallies()
    assert tallies["one"] == tallies["many"]
    assert tallies["many"].owed_files == len(NAMES)


@pytest.mark.parametrize("text", ["upper.pt", "where", "one.safe", "some three", "Caf\u00e9", "nothing", "e/u", "pt"])
def test_what_nobody_has_read_is_found_by_its_path(store: Store, text: str) -> None:
    for number, name in enumerate(NAMES, 1):
        add_one(store, b"some/Where", stamp(name, number))
    add_many(store, b"some/Where", *(stamp(name, number) for number, name in enumerate(NAMES, 1)))
    one, many = (store.entries.search(EntryQuery(text=text, folder_id=each)) for each in ("one", "many"))
    assert [entry.path for entry in one] == [entry.path for entry in many]
    assert bool(one) is (text != "nothing")


def test_once_it_is_described_it_is_found_by_what_is_known_of_it(store: Store) -> None:
    add_many(store, b"", stamp(b"one.safetensors"), stamp(b"two.safetensors", 2))
    store.entries.refresh([file.id for file in store.files.in_directory("many", b"").values()])
    store.database.execute("INSERT INTO entry_trigrams (entry_trigrams) VALUES ('integrity-check')")
    assert [entry.path for entry in store.entries.search(EntryQuery(text="two.safe"))] == [b"two.safetensors"]
    assert store.database.rows("SELECT count(*) AS count FROM entries WHERE search_text = ''")[0]["count"] == 0


def test_where_many_that_nobody_has_read_match_all_are_gone_through(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelshelf.store.entries.FEW", 2)
    add_many(store, b"", *(stamp(b"model %d.pt" % number, number) for number in range(1, 6)))
    assert len(store.entries.search(EntryQuery(text="model"))) == 5


def test_one_that_is_known_meanwhile_stays_as_it_is(store: Store) -> None:
    add_many(store, b"", stamp(b"a.pt", 1))
    assert store.arrivals.add(Arrival("many", b"", [stamp(b"a.pt", 2), stamp(b"b.pt", 3)], Priority.DROP), LATER) == 1
    known = store.files.at("many", b"a.pt")
    assert known is not None
    assert known.fingerprint == Fingerprint(*stamp(b"a.pt", 1)[1:])
    assert known.first_seen_at == NOW
    assert store.folders.state("many").file_count == 2


def test_more_than_one_statement_s_worth_are_added_whatever_their_numbers(store: Store) -> None:
    huge = 2**64 - 1
    stamps = [(b"%04d.pt" % number, number, huge if number == 150 else number, number, number) for number in range(251)]
    assert add_many(store, b"", *stamps) == 251
    assert store.files.in_directory("many", b"")[b"0150.pt"].fingerprint.mtime_ns == huge
    assert len(store.files.in_directory("many", b"")) == 251


def test_inodes_are_known_of_files_that_are_there_and_that_are_missing(store: Store) -> None:
    add_many(store, b"", stamp(b"a.pt", 1), stamp(b"b.pt", 2))
    missing = store.files.at("many", b"b.pt")
    assert missing is not None
    store.files.mark_missing([missing.id], LATER)
    assert store.files.inodes_known([1, 2, 3, 2**64 - 1]) == {1, 2, 2**64 - 1}


def test_stamps_tell_those_that_wait_from_all_others(store: Store) -> None:
    add_many(store, b"d", stamp(b"a.pt", 1), stamp(b"b.pt", 2), stamp(b"c.pt", 3))
    ids = {path: file.id for path, file in store.files.in_directory("many", b"d").items()}
    store.files.set_waiting(ids[b"d/b.pt"], "still written")
    store.files.mark_missing([ids[b"d/c.pt"]], LATER)
    assert set(store.files.stamps_in("many", b"d")) == {stamp(b"a.pt", 1), (*stamp(b"b.pt", 2)[:4], None)}


def test_beside_which_files_something_stood_is_told_by_directory(store: Store) -> None:
    add_many(store, b"d", stamp(b"a.pt", 1))
    assert store.files.names_with_companions("many", b"d") == []
    store.files.set_companions(store.files.in_directory("many", b"d")[b"d/a.pt"].id, "{}")
    assert store.files.names_with_companions("many", b"d") == [b"a.pt"]
    assert store.files.names_with_companions("many", b"") == []
