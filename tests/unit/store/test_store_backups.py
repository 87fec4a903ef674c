"""Backups: whole, checked, private, a few, and none where nothing changed."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from modelshelf import logs
from modelshelf.errors import DiskFull, StoreDamaged, StoreError, TransientError
from modelshelf.store import backups as room
from modelshelf.store.backups import (
    FIRST_LOOK_SECONDS,
    LOOK_SECONDS,
    DailyBackups,
    backups_of,
    make_backup,
    prune_backups,
)
from modelshelf.store.connecting import copy
from modelshelf.store.database import Database
from modelshelf.store.soundness import examine
from tests.fakes.clock import FakeClock
from tests.unit.store.damage import damage_pages, folder_ids, grown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY_SECONDS = 86_400.0
NOW = FakeClock().now()


def no_limit() -> None:
    """Let the copying go on."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "modelshelf.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with closing(Database.open(path)) as opened:
        opened.execute("INSERT INTO folders (id, path) VALUES ('a', x'2F61')")
        yield opened


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def daily(path: Path, database: Database, clock: FakeClock) -> DailyBackups:
    del database
    return DailyBackups(path, 2, clock)


def change(database: Database, name: str) -> None:
    database.execute("INSERT INTO folders (id, path) VALUES (?, x'2F')", (name,))


def names(path: Path) -> list[str]:
    return [backup.path.name for backup in backups_of(path, NOW + timedelta(days=365))]


def test_a_backup_is_one_private_file_that_is_sound_and_holds_what_is_in_the_wal_alone(
    path: Path, database: Database
) -> None:
    assert path.with_name("modelshelf.db-wal").stat().st_size > 0
    backup = make_backup(path, NOW)
    database.close()
    directory = path.parent / "backups"
    assert os.listdir(directory) == ["modelshelf-20260808T120000Z.db"]
    assert (directory.stat().st_mode & 0o777, backup.path.stat().st_mode & 0o777) == (0o700, 0o600)
    examine(backup.path, is_thorough=True)
    assert folder_ids(backup.path) == ["a"]
    assert os.listdir(directory) == ["modelshelf-20260808T120000Z.db"]
    assert backups_of(path, NOW) == [backup]


def test_a_backup_can_be_read_where_nothing_can_be_written_beside_it(path: Path, database: Database) -> None:
    del database
    with closing(sqlite3.connect(make_backup(path, NOW).path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


@pytest.mark.usefixtures("database")
def test_what_a_kill_left_is_removed_and_never_taken_for_a_backup(path: Path) -> None:
    directory = path.parent / "backups"
    directory.mkdir()
    for name in ("modelshelf.new-1", "modelshelf.new-1-journal", "modelshelf-20260808T110000Z.db.part", "notes.txt"):
        (directory / name).write_bytes(b"half")
    assert names(path) == []
    make_backup(path, NOW)
    assert sorted(os.listdir(directory)) == [
        "modelshelf-20260808T110000Z.db.part",
        "modelshelf-20260808T120000Z.db",
        "notes.txt",
    ]


def test_a_backup_goes_on_while_others_write_and_holds_one_moment(path: Path, database: Database) -> None:
    with database.transaction():
        for number in range(2000):
            database.execute("INSERT INTO runs (started_at) VALUES (?)", (number,))
            database.execute("INSERT INTO events (name, happened_at, details) VALUES ('x', ?, ?)", (number, "y" * 4000))
    steps = 0

    def write_meanwhile() -> None:
        nonlocal steps
        steps += 1
        assert steps < 100, "it begins again and again"
        with database.transaction():
            database.execute("INSERT INTO runs (started_at) VALUES (0)")
            database.execute("INSERT INTO events (name, happened_at) VALUES ('x', 0)")

    backup = make_backup(path, NOW, write_meanwhile)
    assert steps > 2
    with closing(sqlite3.connect(backup.path)) as connection:
        counts = connection.execute("SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM events)").fetchone()
    assert counts == (2000, 2000)


def test_a_backup_ends_where_it_is_told_to_and_leaves_nothing(path: Path, database: Database) -> None:
    del database

    def stop() -> None:
        raise TransientError("the daemon stops")

    with pytest.raises(TransientError, match="stops"):
        make_backup(path, NOW, stop)
    assert os.listdir(path.parent / "backups") == []


@pytest.mark.usefixtures("database")
def test_a_backup_without_room_is_not_begun(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=100, f_frsize=4096))
    with pytest.raises(DiskFull, match="backup"):
        make_backup(path, NOW)
    assert os.listdir(path.parent / "backups") == []


@pytest.mark.usefixtures("database")
def test_a_draft_that_cannot_be_removed_hides_no_other_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "read-only")

    def stop() -> None:
        monkeypatch.setattr(type(path), "unlink", refuse)
        raise TransientError("the daemon stops")

    with pytest.raises(TransientError, match="stops"):
        make_backup(path, NOW, stop)
    with pytest.raises(StoreError, match="EROFS"):
        make_backup(path, NOW)
    monkeypatch.undo()
    make_backup(path, NOW)
    assert len(os.listdir(path.parent / "backups")) == 1


def test_a_backup_of_a_damaged_store_says_that_the_store_is_damaged(path: Path) -> None:
    damage_pages(grown(path))
    with pytest.raises(StoreDamaged, match=r"modelshelf\.db is damaged"):
        make_backup(path, NOW)
    assert os.listdir(path.parent / "backups") == []


@pytest.mark.usefixtures("database")
def test_a_copy_that_is_damaged_by_itself_is_no_backup_and_no_damage_of_the_store(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def copy_badly(source: Path, target: Path, go_on: object) -> None:
        del go_on
        copy(source, target)
        target.write_bytes(target.read_bytes()[:-4096])

    monkeypatch.setattr(room, "copy", copy_badly)
    with pytest.raises(StoreError, match="the copy of a sound store") as raised:
        make_backup(path, NOW)
    assert not isinstance(raised.value, StoreDamaged)
    assert names(path) == []


@pytest.mark.usefixtures("database")
def test_the_newest_are_kept_by_number(path: Path) -> None:
    for hours in range(5):
        make_backup(path, NOW + timedelta(hours=hours))
    prune_backups(path, 2, NOW + timedelta(hours=5))
    assert names(path) == ["modelshelf-20260808T160000Z.db", "modelshelf-20260808T150000Z.db"]


@pytest.mark.usefixtures("database")
def test_backups_of_the_future_were_made_by_a_wrong_clock_and_go_first(path: Path) -> None:
    make_backup(path, NOW + timedelta(days=3650))
    make_backup(path, NOW - timedelta(hours=1))
    right = make_backup(path, NOW)
    assert backups_of(path, NOW)[0] == right
    prune_backups(path, 2, NOW)
    assert names(path) == ["modelshelf-20260808T120000Z.db", "modelshelf-20260808T110000Z.db"]


@pytest.mark.usefixtures("database")
def test_a_directory_of_backups_that_cannot_be_used_is_a_store_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = make_backup(path, NOW)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "cannot")

    monkeypatch.setattr(type(path), "unlink", refuse)
    with pytest.raises(StoreError, match="cannot remove"):
        prune_backups(path, 0, NOW)
    monkeypatch.undo()
    shutil.rmtree(backup.path.parent)
    backup.path.parent.write_bytes(b"")
    with pytest.raises(StoreError, match="cannot list"):
        backups_of(path, NOW)


def test_the_first_backup_comes_ten_minutes_after_the_start(path: Path, daily: DailyBackups, clock: FakeClock) -> None:
    clock.advance(FIRST_LOOK_SECONDS - 1)
    daily.keep_up(no_limit)
    assert names(path) == []
    clock.advance(1)
    daily.keep_up(no_limit)
    assert names(path) == ["modelshelf-20260808T121000Z.db"]


def test_one_a_day_is_made_and_the_oldest_goes(
    path: Path, database: Database, daily: DailyBackups, clock: FakeClock
) -> None:
    clock.advance(FIRST_LOOK_SECONDS)
    for hour in range(100):
        change(database, str(hour))
        daily.keep_up(no_limit)
        clock.advance(LOOK_SECONDS)
    assert names(path) == ["modelshelf-20260812T121000Z.db", "modelshelf-20260811T121000Z.db"]


def test_while_a_store_grows_by_a_tenth_in_an_hour_it_is_copied_every_hour(
    path: Path, database: Database, daily: DailyBackups, clock: FakeClock
) -> None:
    clock.advance(FIRST_LOOK_SECONDS)
    daily.keep_up(no_limit)
    for length in (1, path.stat().st_size):
        change(database, "x" * length)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        clock.advance(LOOK_SECONDS)
        daily.keep_up(no_limit)
    assert names(path) == ["modelshelf-20260808T141000Z.db", "modelshelf-20260808T121000Z.db"]


def test_where_nothing_changed_nothing_is_written(
    path: Path, database: Database, daily: DailyBackups, clock: FakeClock
) -> None:
    clock.advance(FIRST_LOOK_SECONDS)
    daily.keep_up(no_limit)
    before = path.parent.joinpath("backups").stat().st_mtime_ns
    for _ in range(3):
        clock.advance(DAY_SECONDS)
        assert database.is_alive()
        daily.keep_up(no_limit)
    assert path.parent.joinpath("backups").stat().st_mtime_ns == before
    change(database, "b")
    clock.advance(LOOK_SECONDS)
    daily.keep_up(no_limit)
    assert len(names(path)) == 2


def test_a_look_comes_once_an_hour(
    database: Database, daily: DailyBackups, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[object] = []
    monkeypatch.setattr(daily, "_is_due", looks.append)
    for _ in range(2 * 120):
        change(database, str(clock.monotonic()))
        daily.keep_up(no_limit)
        clock.advance(30)
    assert len(looks) == 2


def test_after_the_clock_was_wrong_a_backup_is_due_at_once(path: Path, daily: DailyBackups, clock: FakeClock) -> None:
    make_backup(path, NOW + timedelta(days=3650))
    clock.advance(FIRST_LOOK_SECONDS)
    daily.keep_up(no_limit)
    assert backups_of(path, clock.now())[0].path.name == "modelshelf-20260808T121000Z.db"


def test_a_backup_that_cannot_be_made_is_told_costs_no_older_one_and_is_tried_again(
    path: Path, database: Database, daily: DailyBackups, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_backup(path, NOW - timedelta(days=2))
    make_backup(path, NOW - timedelta(days=1))
    change(database, "b")
    told: list[str] = []
    monkeypatch.setattr(room, "log", SimpleNamespace(error=lambda event, **_: told.append(event)))
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=0, f_frsize=4096))
    clock.advance(FIRST_LOOK_SECONDS)
    daily.keep_up(no_limit)
    daily.keep_up(no_limit)
    assert told == ["backup_not_made"]
    assert len(names(path)) == 2
    monkeypatch.undo()
    clock.advance(LOOK_SECONDS)
    daily.keep_up(no_limit)
    assert names(path)[0] == "modelshelf-20260808T131000Z.db"


def test_a_store_found_damaged_by_its_backup_is_no_matter_for_tomorrow(path: Path, clock: FakeClock) -> None:
    damage_pages(grown(path))
    daily = DailyBackups(path, 2, clock)
    clock.advance(FIRST_LOOK_SECONDS)
    with pytest.raises(StoreDamaged):
        daily.keep_up(no_limit)


def test_a_made_backup_is_told_with_its_size(
    daily: DailyBackups, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(logs.LogSettings(format=logs.LogFormat.JSON))
    try:
        clock.advance(FIRST_LOOK_SECONDS)
        daily.keep_up(no_limit)
    finally:
        logs._install(())
    assert '"event": "backup_made"' in capsys.readouterr().err
