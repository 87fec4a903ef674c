from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from modelshelf.clock import SystemClock
from modelshelf.errors import DiskFull, StoreDamaged, StoreError
from modelshelf.store.backups import backups_of
from modelshelf.store.database import Database
from modelshelf.store.migrations import APPLICATION_ID, MIGRATIONS
from modelshelf.store.opening import schema_version
from modelshelf.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from sqlite_utils import Database as SqliteUtils


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "modelshelf.db"


def add_colour(database: SqliteUtils) -> None:
    database.execute("CREATE TABLE colours (name TEXT)")
    database.execute("INSERT INTO colours VALUES ('green')")


def fail_half_way(database: SqliteUtils) -> None:
    add_colour(database)
    database.execute("UPDATE folders SET id = 'other'")
    database.execute("SELECT 1 FROM nowhere")


def made(path: Path) -> Path:
    """Make a store with one folder in it."""
    database = Database.open(path)
    database.execute("INSERT INTO folders (id, path) VALUES ('a', x'2F61')")
    database.close()
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def folder_ids(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM folders")]


def test_a_new_store_is_private_to_its_owner(path: Path) -> None:
    database = Database.open(path)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}
    database.close()
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_store_is_ours_by_its_application_id_and_knows_its_version(path: Path) -> None:
    database = Database.open(path)
    assert database.rows("PRAGMA application_id")[0][0] == APPLICATION_ID
    assert database.rows("PRAGMA user_version")[0][0] == len(MIGRATIONS)
    database.close()


def test_the_settings_that_durability_rests_on_are_set(path: Path) -> None:
    database = Database.open(path)
    found = {
        name: database.rows(f"PRAGMA {name}")[0][0]
        for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys", "journal_size_limit")
    }
    expected = {"journal_mode": "wal", "synchronous": 1, "busy_timeout": 10_000, "foreign_keys": 1}
    assert found == expected | {"journal_size_limit": 8 * 1024 * 1024}
    database.close()


def test_opening_again_changes_nothing(path: Path) -> None:
    before = digest(made(path))
    Database.open(path).close()
    assert digest(path) == before
    assert folder_ids(path) == ["a"]


def test_a_name_that_is_no_utf8_is_no_hindrance(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"st\xff?ate %41#") / os.fsdecode(b"m\xfe*?.db")
    assert folder_ids(made(path)) == ["a"]
    assert schema_version(path, newest=len(MIGRATIONS)) == len(MIGRATIONS)


def test_a_newer_schema_is_refused(path: Path) -> None:
    Database.open(path, (*MIGRATIONS, add_colour)).close()
    before = digest(path)
    with pytest.raises(StoreError, match=f"newer modelshelf.*schema {len(MIGRATIONS) + 1}"):
        Database.open(path)
    with pytest.raises(StoreError, match="newer modelshelf"):
        Database.open_readonly(path)
    assert digest(path) == before


@pytest.mark.parametrize("application_id", [0, 77])
@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_the_database_of_another_program_is_refused_and_never_altered(
    path: Path, application_id: int, mode: str
) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute(f"PRAGMA application_id = {application_id}")
        connection.execute("CREATE TABLE theirs (x)")
        connection.commit()
    before = digest(path)
    for opened in (Database.open, Database.open_readonly):
        with pytest.raises(StoreError, match="another program"):
            opened(path)
    assert digest(path) == before


def test_an_empty_database_with_a_foreign_mark_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 77")
    with pytest.raises(StoreError, match="another program"):
        Database.open(path)


def test_an_empty_database_without_a_mark_counts_as_new(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")
    assert path.stat().st_size > 0
    assert folder_ids(made(path)) == ["a"]


def only_backup(path: Path) -> Path:
    (backup,) = backups_of(path, SystemClock().now())
    return backup.path


@pytest.mark.parametrize("content", [b"<html>" * 1000, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_database_is_refused_and_never_altered(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    for opened in (Database.open, Database.open_readonly):
        with pytest.raises(StoreError):
            opened(path)
    assert path.read_bytes() == content


def test_a_directory_in_its_place_is_refused(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StoreError, match="no regular file"):
        Database.open(path)


def test_a_file_in_the_place_of_the_state_directory_is_refused(path: Path) -> None:
    path.parent.write_bytes(b"")
    with pytest.raises(StoreError, match="cannot read"):
        Database.open(path)


def test_a_zero_length_file_alone_counts_as_new(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"")
    assert folder_ids(made(path)) == ["a"]


@pytest.mark.parametrize(
    "witness", ["modelshelf.db-wal", "modelshelf.db.corrupt-20260101T000000Z", "backups/modelshelf-20260101T000000Z.db"]
)
def test_a_zero_length_file_beside_a_witness_is_a_loss(path: Path, witness: str) -> None:
    (path.parent / "backups").mkdir(parents=True)
    path.write_bytes(b"")
    (path.parent / witness).write_bytes(b"x")
    with pytest.raises(StoreDamaged, match="lost its content"):
        Database.open(path)
    assert path.read_bytes() == b""


def test_a_database_of_ours_without_a_table_is_a_loss(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    with pytest.raises(StoreDamaged, match="lost its content"):
        Database.open(path)


def test_a_wal_without_its_file_is_a_loss(path: Path) -> None:
    path.parent.mkdir()
    path.with_name("modelshelf.db-wal").write_bytes(b"x")
    with pytest.raises(StoreDamaged, match="lost its content"):
        Database.open(path)


def test_an_older_schema_is_upgraded_after_a_backup(path: Path) -> None:
    made(path)
    database = Database.open(path, (*MIGRATIONS, add_colour))
    assert database.rows("SELECT name FROM colours")[0]["name"] == "green"
    assert database.rows("PRAGMA user_version")[0][0] == len(MIGRATIONS) + 1
    database.close()
    backup = only_backup(path)
    assert backup.stat().st_mode & 0o777 == 0o600
    assert folder_ids(backup) == ["a"]
    assert schema_version(backup, newest=len(MIGRATIONS)) == len(MIGRATIONS)


def test_the_backup_holds_what_is_in_the_wal_alone(path: Path) -> None:
    made(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("INSERT INTO folders (id, path) VALUES ('b', x'2F62')")
        other.commit()
        Database.open(path, (*MIGRATIONS, add_colour)).close()
    assert folder_ids(only_backup(path)) == ["a", "b"]


def test_pictures_of_the_first_schema_keep_their_place(path: Path) -> None:
    database = Database.open(path, MIGRATIONS[:1])
    database.execute("INSERT INTO folders (id, path) VALUES ('a', x'2F61')")
    for file_id, preview in ((1, "x'786666'"), (2, "NULL")):
        database.execute(
            f"""INSERT INTO files (id, folder_id, directory, name, size_bytes, mtime_ns, ctime_ns, inode, priority,
                first_seen_at, last_changed_at) VALUES ({file_id}, 'a', x'', x'0{file_id}', 1, 1, 1, 1, 1, 1.0, 1.0)"""
        )
        database.execute(
            f"""INSERT INTO entries (file_id, name, search_text, effective, digest, preview)
                VALUES ({file_id}, 'n', 'n', '{{}}', x'', {preview})"""
        )
    database.close()
    store = Store.open(path)
    assert [entry.preview for entry in store.entries.of_folder("a")] == [b"xff", None]
    store.close()


def test_a_migration_runs_once(path: Path) -> None:
    migrations = (*MIGRATIONS, add_colour)
    Database.open(path, migrations).close()
    database = Database.open(path, migrations)
    assert len(database.rows("SELECT * FROM colours")) == 1
    database.close()


def test_a_migration_that_fails_leaves_the_store_as_it_was(path: Path) -> None:
    made(path)
    with pytest.raises(StoreError, match="nowhere"):
        Database.open(path, (*MIGRATIONS, fail_half_way))
    database = Database.open(path)
    assert database.rows("SELECT id FROM folders")[0]["id"] == "a"
    assert database.rows("SELECT count(*) FROM sqlite_master WHERE name = 'colours'")[0][0] == 0
    database.close()


def test_a_creation_that_fails_leaves_nothing(path: Path) -> None:
    with pytest.raises(StoreError):
        Database.open(path, (*MIGRATIONS, fail_half_way))
    assert list(path.parent.iterdir()) == []


def test_what_a_killed_creation_left_is_removed(path: Path) -> None:
    path.parent.mkdir()
    for suffix in ("", "-journal", "-wal"):
        path.with_name(f"modelshelf.db.new-1{suffix}").write_bytes(b"half")
    Database.open(path).close()
    assert [each.name for each in path.parent.iterdir()] == ["modelshelf.db"]


def test_a_full_disk_at_creation_is_told_as_such(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull):
        Database.open(path)


def test_a_reader_needs_a_store_of_this_version(path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        Database.open_readonly(path)
    made(path)
    with pytest.raises(StoreError, match="older version"):
        Database.open_readonly(path, (*MIGRATIONS, add_colour))


def test_a_reader_reads_beside_a_writer_and_cannot_write(path: Path) -> None:
    writer = Database.open(path)
    reader = Database.open_readonly(path)
    writer.execute("INSERT INTO folders (id, path) VALUES ('a', x'2F61')")
    assert [row["id"] for row in reader.rows("SELECT id FROM folders")] == ["a"]
    with pytest.raises(StoreError, match="readonly"):
        reader.execute("DELETE FROM folders")
    with pytest.raises(StoreError, match="readonly"), reader.transaction():
        reader.execute("DELETE FROM folders")
    reader.close()
    writer.close()


def test_a_reader_opens_after_the_writer_has_closed(path: Path) -> None:
    made(path)
    reader = Database.open_readonly(path)
    assert [row["id"] for row in reader.rows("SELECT id FROM folders")] == ["a"]
    reader.close()
    assert folder_ids(path) == ["a"]
