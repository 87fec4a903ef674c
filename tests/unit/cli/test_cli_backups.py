"""`modelshelf backups` and `modelshelf restore`."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf.cli.opening import Opening
from modelshelf.clock import SystemClock
from modelshelf.domain.task import TaskKind
from modelshelf.store.backups import Backup, make_backup
from tests.unit.cli.cli_shelf import CliShelf, add
from tests.unit.store.damage import damage_pages, folder_ids

if TYPE_CHECKING:
    from pathlib import Path

NOW = SystemClock().now()


@pytest.fixture
def path(shelf: CliShelf) -> Path:
    return shelf.state / "modelshelf.db"


@pytest.fixture
def backups(shelf: CliShelf, path: Path) -> list[Backup]:
    """Give two backups, the newer first; it knows a file, the older none, the store two."""
    made = []
    with shelf.store() as store:
        made.append(make_backup(path, NOW - timedelta(days=2)))
        add(store, b"one.safetensors")
        made.append(make_backup(path, NOW - timedelta(days=1)))
        add(store, b"two.safetensors")
    return made[::-1]


def file_count(shelf: CliShelf) -> int:
    return len(shelf.run("list", "--json").document["files"])


def test_backups_are_listed_newest_first(shelf: CliShelf, backups: list[Backup]) -> None:
    answer = shelf.run("backups")
    lines = answer.out.splitlines()
    assert lines[0].split() == ["BACKUP", "MADE", "SIZE"]
    assert [line.split()[0] for line in lines[1:]] == [backup.path.name for backup in backups]
    assert "(1 day ago)" in lines[1]
    assert str(shelf.state / "backups") in answer.err


def test_backups_are_listed_for_machines(shelf: CliShelf, backups: list[Backup]) -> None:
    listed = shelf.run("backups", "--json").document["backups"]
    assert [each["path"] for each in listed] == [str(backup.path) for backup in backups]
    assert listed[0].keys() == {"backup", "path", "made_at", "size_bytes"}
    assert listed[0]["size_bytes"] == backups[0].size_bytes


def test_where_there_is_no_backup_that_is_said(shelf: CliShelf) -> None:
    assert "no backup yet" in shelf.run("backups").out
    assert shelf.run("backups", "--json").document == {"backups": []}
    answer = shelf.run("restore")
    assert (answer.code, "no backup yet" in answer.err) == (2, True)


def test_the_newest_backup_is_restored_and_the_present_store_kept(
    shelf: CliShelf, path: Path, backups: list[Backup]
) -> None:
    answer = shelf.run("restore")
    assert answer.code == 0
    assert backups[0].path.name in answer.out
    assert file_count(shelf) == 1
    (aside,) = path.parent.glob("modelshelf.db.replaced-*Z")
    assert str(aside) in answer.err
    assert folder_ids(aside) == ["checkpoints", "loras"]


def test_what_was_said_of_the_damaged_store_is_not_said_of_the_one_restored(
    shelf: CliShelf, path: Path, backups: list[Backup]
) -> None:
    del backups
    with shelf.store() as store:
        store.condemn()
    assert shelf.run("restore").code == 0
    with Opening(shelf.config).tenure() as store:
        assert [event.name for event in store.events.latest(10)] == ["store_restored"]
    assert file_count(shelf) == 1
    assert not list(path.parent.glob("*.corrupt-*"))


def test_a_backup_is_restored_by_its_name_and_a_scan_of_every_folder_is_owed(
    shelf: CliShelf, backups: list[Backup]
) -> None:
    document = shelf.run("restore", backups[1].path.name, "--json").document
    assert (document["backup"], document["set_aside"][:23]) == (backups[1].path.name, "modelshelf.db.replaced-")
    assert file_count(shelf) == 0
    with shelf.store() as store:
        assert store.journal.owed() == {TaskKind.SCAN_FOLDER: 2}


def test_a_store_that_is_not_there_is_restored_too(shelf: CliShelf, path: Path, backups: list[Backup]) -> None:
    path.unlink()
    document = shelf.run("restore", "--json").document
    assert (document["backup"], document["set_aside"]) == (backups[0].path.name, None)
    assert "kept" not in shelf.run("restore").out
    assert file_count(shelf) == 1


def test_a_backup_that_is_not_there_is_a_mistake_of_who_asks(shelf: CliShelf, backups: list[Backup]) -> None:
    del backups
    answer = shelf.run("restore", "yesterday.db")
    assert (answer.code, "there is no backup yesterday.db" in answer.err) == (2, True)


def test_a_damaged_backup_is_passed_over_unless_it_is_the_one_asked_for(
    shelf: CliShelf, path: Path, backups: list[Backup]
) -> None:
    damage_pages(backups[0].path, first=3)
    before = path.read_bytes()
    answer = shelf.run("restore", backups[0].path.name)
    assert (answer.code, "no backup is good" in answer.err) == (1, True)
    assert path.read_bytes() == before
    assert not list(path.parent.glob("modelshelf.db.replaced-*"))
    answer = shelf.run("restore")
    assert f"Passed over: the store {backups[0].path} is damaged" in answer.err
    assert file_count(shelf) == 0


def test_nothing_is_restored_under_a_daemon_that_runs(shelf: CliShelf, path: Path, backups: list[Backup]) -> None:
    del backups
    before = path.read_bytes()
    with shelf.daemon():
        answer = shelf.run("restore")
    assert answer.code == 1
    assert f"pid {os.getpid()}" in answer.err
    assert path.read_bytes() == before


def test_who_asks_a_damaged_store_is_told_that_the_daemon_mends_it(shelf: CliShelf, path: Path) -> None:
    with shelf.store():
        pass
    damage_pages(path, first=0, count=2)
    answer = shelf.run("list")
    assert (answer.code, "takes the newest good backup" in answer.err) == (1, True)
