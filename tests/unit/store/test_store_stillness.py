"""A store is read and nothing beside it, and nothing in it, is another than before."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from modelshelf.errors import StoreDamaged, StoreError
from modelshelf.store import stillness
from modelshelf.store.migrations import MIGRATIONS
from modelshelf.store.stillness import still
from modelshelf.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a store that was closed well."""
    made = tmp_path / "state" / "modelshelf.db"
    Store.open(made).close()
    return made


def traces(directory: Path) -> dict[str, tuple[int, int, bytes]]:
    """Give everything that a reader might have changed."""
    found = {each: each.stat() for each in (directory, *directory.iterdir())}
    return {
        each.name: (status.st_mtime_ns, status.st_ctime_ns, each.read_bytes() if each.is_file() else b"")
        for each, status in found.items()
    }


def crash(path: Path) -> None:
    """Leave the store as a kill does: what was written last is in the WAL alone."""
    writing = Store.open(path)
    writing.standing.put("word", "from the WAL")
    aside = path.parent.with_name("aside")
    shutil.copytree(path.parent, aside)
    writing.close()
    shutil.rmtree(path.parent)
    aside.rename(path.parent)
    path.with_name("modelshelf.db-shm").unlink()
    assert path.with_name("modelshelf.db-wal").stat().st_size


def test_a_store_at_rest_is_read_without_a_trace(path: Path) -> None:
    before = traces(path.parent)
    with still(path, is_in_use=False) as found:
        assert found.schema_version() == len(MIGRATIONS)
        assert found.is_readable()
        assert not found.is_copy
        assert found.flaws(lambda: False) == []
        with found.store() as store:
            assert store.folders.states() == []
            with pytest.raises(StoreError):
                store.standing.put("a", "b")
    assert traces(path.parent) == before


def test_what_a_crash_left_is_read_in_a_copy_with_its_last_words(path: Path, tmp_path: Path) -> None:
    crash(path)
    before = traces(path.parent)
    with still(path, is_in_use=False) as found:
        assert found.is_copy
        assert found.flaws(lambda: False) == []
        with found.store() as store:
            assert store.standing.get("word") == "from the WAL"
        copy = found.path
        assert copy.exists()
    assert not copy.parent.exists()
    assert traces(path.parent) == before


def test_beside_a_daemon_its_own_words_are_read_and_its_log_is_left_alone(path: Path) -> None:
    with closing(Store.open(path)) as writing:
        writing.standing.put("word", "of the daemon")
        wal = path.with_name("modelshelf.db-wal")
        before = (sorted(os.listdir(path.parent)), wal.read_bytes(), path.read_bytes())
        with still(path, is_in_use=True) as found, found.store() as store:
            assert store.standing.get("word") == "of the daemon"
            assert found.flaws(lambda: False) == []
        assert (sorted(os.listdir(path.parent)), wal.read_bytes(), path.read_bytes()) == before


def test_a_crashed_store_that_is_too_large_to_copy_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crash(path)
    monkeypatch.setattr(stillness, "MOST_COPIED_BYTES", 1000)
    with pytest.raises(StoreError, match="too large"), still(path, is_in_use=False):
        pass


def test_a_store_that_cannot_be_copied_is_a_store_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crash(path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(Exception, match="No space left"), still(path, is_in_use=False):
        pass


def test_what_the_reader_raises_is_its_own(path: Path) -> None:
    with pytest.raises(OSError, match="mine"), still(path, is_in_use=False):
        raise OSError("mine")


def test_damage_is_found_and_named(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for page in range(3, len(content) // 4096):
        content[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    path.write_bytes(content)
    with still(path, is_in_use=False) as found:
        try:
            flaws = found.flaws(lambda: False)
        except StoreDamaged as error:
            flaws = [str(error)]
    assert flaws
    path.write_bytes(b"no database at all, but long enough to be one" * 100)
    with still(path, is_in_use=False) as found, pytest.raises(StoreDamaged):
        found.schema_version()


def test_a_row_without_its_owner_is_a_flaw(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("INSERT INTO run_reports (run_id, body) VALUES (99, x'')")
        connection.commit()
    with still(path, is_in_use=False) as found:
        assert found.flaws(lambda: False) == ["a row of run_reports belongs to a row of runs that is not there"]


def test_a_check_that_takes_too_long_is_broken_off(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stillness, "_STEPS_PER_LOOK", 1)
    with still(path, is_in_use=False) as found, pytest.raises(TimeoutError):
        found.flaws(lambda: True)


def test_the_database_of_another_program_is_none_of_ours(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 7")
    with still(path, is_in_use=False) as found, pytest.raises(StoreError, match="no store of modelshelf"):
        found.is_readable()
