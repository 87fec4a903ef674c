from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelshelf.errors import BrokenModelFile, DiskFull, StoreError, TransientError, UsageError
from modelshelf.store.connecting import connect
from modelshelf.store.database import Database
from modelshelf.store.soundness import examine

if TYPE_CHECKING:
    from collections.abc import Iterator

ADD = "INSERT INTO folders (id, path) VALUES (?, x'2F')"

CHILD = """
import sys
from pathlib import Path
from modelshelf.store.connecting import connect
from modelshelf.store.database import Database
from modelshelf.store.soundness import examine
database = Database.open(Path(sys.argv[1]))
for number in range(50):
    with database.transaction(is_durable=number % 2 == 0):
        database.execute("INSERT INTO folders (id, path) VALUES (?, x'2F')", (f"kept-{number:02}",))
        database.execute("INSERT INTO events (name, happened_at) VALUES ('kept', ?)", (number,))
    print(number, flush=True)
with database.transaction():
    database.execute("UPDATE folders SET path = zeroblob(100000)")
    database.execute("INSERT INTO folders (id, path) VALUES ('half', x'2F')")
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "modelshelf.db")
    yield opened
    opened.close()


def ids(database: Database) -> list[str]:
    return [row["id"] for row in database.rows("SELECT id FROM folders ORDER BY id")]


def add_and_fail(database: Database, name: str, error: BaseException) -> None:
    with database.transaction():
        database.execute(ADD, (name,))
        raise error


def add_too_much(database: Database) -> None:
    database.execute("INSERT INTO events (name, happened_at, details) VALUES ('big', 0, zeroblob(1000000))")


def test_a_transaction_keeps_all_of_its_block(database: Database) -> None:
    with database.transaction():
        database.execute(ADD, ("a",))
        database.execute(ADD, ("b",))
    assert ids(database) == ["a", "b"]


def test_an_error_takes_back_all_of_the_block(database: Database) -> None:
    with pytest.raises(BrokenModelFile):
        add_and_fail(database, "a", BrokenModelFile("bad"))
    assert ids(database) == []
    database.execute(ADD, ("b",))
    assert ids(database) == ["b"]


def test_a_stop_by_the_keyboard_takes_back_the_block(database: Database) -> None:
    with pytest.raises(KeyboardInterrupt):
        add_and_fail(database, "a", KeyboardInterrupt())
    assert ids(database) == []


def test_an_inner_block_joins_the_outer_one(database: Database) -> None:
    def join_and_fail() -> None:
        with database.transaction():
            with database.transaction():
                database.execute(ADD, ("a",))
            raise BrokenModelFile("bad")

    with pytest.raises(BrokenModelFile):
        join_and_fail()
    assert ids(database) == []


def test_an_error_of_an_inner_block_that_is_swallowed_takes_back_the_outer_one(database: Database) -> None:
    def swallow() -> None:
        with database.transaction():
            database.execute(ADD, ("a",))
            with suppress(BrokenModelFile):
                add_and_fail(database, "b", BrokenModelFile("the real reason"))
            database.execute(ADD, ("c",))

    with pytest.raises(BrokenModelFile, match="the real reason"):
        swallow()
    assert ids(database) == []
    with database.transaction():
        database.execute(ADD, ("d",))
    assert ids(database) == ["d"]


def test_a_statement_that_fails_by_itself_leaves_the_block_to_its_caller(database: Database) -> None:
    with database.transaction():
        database.execute(ADD, ("a",))
        with pytest.raises(StoreError, match="UNIQUE"):
            database.execute(ADD, ("a",))
        database.execute(ADD, ("b",))
    assert ids(database) == ["a", "b"]


def test_a_durable_transaction_is_full_and_the_next_one_is_not(database: Database) -> None:
    with database.transaction(is_durable=True):
        assert database.rows("PRAGMA synchronous")[0][0] == 2
        database.execute(ADD, ("a",))
    with database.transaction():
        assert database.rows("PRAGMA synchronous")[0][0] == 1


def test_a_durable_block_inside_an_ordinary_one_is_synced_after_the_commit(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []
    connection = database._connection
    monkeypatch.setattr(
        os,
        "fsync",
        lambda descriptor: synced.append(
            (str(Path(f"/proc/self/fd/{descriptor}").readlink()), connection.in_transaction)
        ),
    )
    with database.transaction():
        database.execute(ADD, ("a",))
        with database.transaction(is_durable=True):
            database.execute(ADD, ("b",))
    assert synced == [(f"{database.path}-wal", False)]
    with database.transaction():
        database.execute(ADD, ("c",))
    with database.transaction(is_durable=True), database.transaction(is_durable=True):
        database.execute(ADD, ("d",))
    assert len(synced) == 1


def test_a_sync_that_fails_is_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull), database.transaction(), database.transaction(is_durable=True):
        database.execute(ADD, ("a",))


def test_another_thread_reads_nothing_half_done_and_joins_nothing(database: Database) -> None:
    found: list[list[str]] = []
    is_asking = threading.Event()

    def look() -> None:
        is_asking.set()
        found.append(ids(database))
        with database.transaction():
            database.execute(ADD, ("theirs",))

    def fail_while_asked() -> None:
        with database.transaction():
            database.execute(ADD, ("half",))
            reader.start()
            is_asking.wait(10)
            assert found == []
            raise BrokenModelFile("bad")

    reader = threading.Thread(target=look)
    with pytest.raises(BrokenModelFile):
        fail_while_asked()
    reader.join(10)
    assert found == [[]]
    assert ids(database) == ["theirs"]


def test_writers_of_many_threads_lose_nothing(database: Database) -> None:
    def write(name: str) -> None:
        for number in range(25):
            with database.transaction():
                database.execute(ADD, (f"{name}-{number}",))
                database.execute("UPDATE folders SET model_type = ? WHERE id = ?", (name, f"{name}-{number}"))

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(ids(database)) == 100
    assert database.rows("SELECT count(*) FROM folders WHERE model_type IS NULL")[0][0] == 0


def fill(database: Database) -> None:
    database.rows("PRAGMA max_page_count = 1")


def test_a_full_disk_takes_back_the_block_and_the_connection_stays_usable(database: Database) -> None:
    database.execute(ADD, ("kept",))
    fill(database)
    with pytest.raises(DiskFull), database.transaction():
        add_too_much(database)
    assert ids(database) == ["kept"]
    assert database.is_alive()
    database.rows("PRAGMA max_page_count = 1000000")
    with database.transaction():
        database.execute(ADD, ("later",))
    assert ids(database) == ["kept", "later"]


def test_nothing_more_is_written_in_a_block_that_the_full_disk_took_back(database: Database) -> None:
    def go_on() -> None:
        with database.transaction():
            database.execute(ADD, ("a",))
            with pytest.raises(DiskFull):
                add_too_much(database)
            with pytest.raises(StoreError, match="rolled back"):
                database.execute(ADD, ("alone",))
            with pytest.raises(StoreError, match="rolled back"):
                database.rows("SELECT 1")

    fill(database)
    with pytest.raises(DiskFull):
        go_on()
    assert ids(database) == []


def test_a_store_locked_by_another_process_is_transient(database: Database) -> None:
    database.rows("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError, match="another process") as caught:
            database.execute(ADD, ("a",))
        assert type(caught.value) is TransientError
        with pytest.raises(TransientError, match="another process"), database.transaction():
            database.execute(ADD, ("a",))
        assert not database.is_alive()
        other.execute("ROLLBACK")
    assert database.is_alive()
    database.execute(ADD, ("a",))
    assert ids(database) == ["a"]


def test_the_proof_of_life_writes_nothing_and_does_not_end_a_transaction(database: Database) -> None:
    before = database.rows("PRAGMA data_version")[0][0]
    assert database.is_alive()
    with database.transaction():
        database.execute(ADD, ("a",))
        assert database.is_alive()
    assert database.rows("PRAGMA data_version")[0][0] == before
    assert ids(database) == ["a"]


def test_a_row_that_is_not_there_is_none(database: Database) -> None:
    assert database.row("SELECT id FROM folders WHERE id = ?", ("a",)) is None
    database.execute(ADD, ("a",))
    row = database.row("SELECT id FROM folders WHERE id = :id", {"id": "a"})
    assert row is not None
    assert row["id"] == "a"


def test_one_row_of_many_holds_up_no_writer(database: Database) -> None:
    for name in "abc":
        database.execute(ADD, (name,))
    assert database.row("SELECT id FROM folders") is not None
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


def test_bad_sql_is_a_store_error(database: Database) -> None:
    with pytest.raises(StoreError, match="no such table"):
        database.rows("SELECT * FROM nowhere")


def test_a_closed_store_is_a_store_error_and_closes_twice(database: Database) -> None:
    database.close()
    database.close()
    with pytest.raises(StoreError):
        database.rows("SELECT 1")
    with pytest.raises(StoreError), database.transaction():
        pass
    assert not database.is_alive()


def test_a_kill_in_a_transaction_loses_nothing_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "modelshelf.db"
    command = [sys.executable, "-c", CHILD, str(path)]
    acknowledged: list[str] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        while (line := child.stdout.readline().strip()) != "open":
            acknowledged.append(f"kept-{int(line):02}")
        child.kill()
    examine(path, is_thorough=True)
    database = Database.open(path)
    assert ids(database) == acknowledged
    assert len(acknowledged) == 50
    assert database.rows("SELECT count(*) FROM events")[0][0] == 50
    assert database.rows("SELECT max(length(path)) FROM folders")[0][0] == 1
    database.close()


def test_a_reader_reads_what_a_killed_writer_left_in_the_wal(tmp_path: Path) -> None:
    path = tmp_path / "modelshelf.db"
    command = [sys.executable, "-c", CHILD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        while child.stdout.readline().strip() != "open":
            pass
        child.kill()
    assert path.with_name("modelshelf.db-wal").stat().st_size > 0
    reader = Database.open_readonly(path)
    assert len(ids(reader)) == 50
    reader.close()


def test_a_number_beyond_64_bits_is_a_mistake_with_a_name_and_takes_back_the_block(database: Database) -> None:
    def add_and_overflow() -> None:
        with database.transaction():
            database.execute(ADD, ("a",))
            database.execute("UPDATE folders SET offline_since = ?", (2**63,))

    with pytest.raises(UsageError, match="64 bits"):
        add_and_overflow()
    assert ids(database) == []


def test_who_writes_needs_no_directory_for_temporary_files(tmp_path: Path) -> None:
    """A confined service has none; tests/systemd shows that it starts."""
    memory = 2
    with closing(connect(Database.open(tmp_path / "modelshelf.db").path, "rw")) as connection:
        assert connection.execute("PRAGMA temp_store").fetchone()[0] == memory
