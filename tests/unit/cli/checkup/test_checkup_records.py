"""The database and its backups, sound and not."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.cli.checkup import records
from modelshelf.cli.checkup.finding import Level
from modelshelf.errors import DiskFull
from modelshelf.store.backups import make_backup
from modelshelf.store.healing import condemnation
from tests.unit.cli.checkup.clinic import bad, levels, only

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.unit.cli.checkup.clinic import Clinic


def record(clinic: Clinic) -> Path:
    """Let there be a store; gives its file."""
    with clinic.shelf.store() as store:
        return store.database.path


def spoil(path: Path) -> None:
    """Overwrite the beginning of most pages."""
    content = bytearray(path.read_bytes())
    for page in range(3, len(content) // 4096):
        content[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    path.write_bytes(content)


def test_a_store_that_is_sound(clinic: Clinic) -> None:
    record(clinic)
    found = clinic.examine(records.database)
    assert levels(found) == {Level.OK}
    assert found[0].text == "every page is sound"


def test_without_a_state_there_is_no_store_to_examine(clinic: Clinic) -> None:
    assert clinic.examine(records.database) == clinic.examine(records.backups) == []
    clinic.shelf.state.mkdir()
    assert only(clinic.examine(records.database), Level.WARNING).text == "nothing is recorded yet"


def test_a_damaged_store_is_wrong(clinic: Clinic) -> None:
    spoil(record(clinic))
    assert "damaged" in only(clinic.examine(records.database), Level.WRONG).text


def test_what_is_no_database_is_wrong(clinic: Clinic) -> None:
    record(clinic).write_bytes(b"not a database, however long it may be" * 200)
    assert "damaged" in only(clinic.examine(records.database), Level.WRONG).text


def test_a_store_of_another_program_is_wrong(clinic: Clinic) -> None:
    with closing(sqlite3.connect(record(clinic))) as connection:
        connection.execute("PRAGMA application_id = 7")
    assert "is no store of modelshelf" in only(clinic.examine(records.database), Level.WRONG).text


def test_a_store_that_may_not_be_read_is_not_examined(clinic: Clinic) -> None:
    record(clinic)
    found = clinic.examine(records.database, still=None, store_complaint="cannot open lock: Permission denied")
    assert only(found, Level.WARNING).text == "cannot open lock: Permission denied"


def test_a_store_of_an_older_or_newer_program(clinic: Clinic) -> None:
    path = record(clinic)
    for version, level, word in ((2, Level.WARNING, "upgrades"), (99, Level.WRONG, "newer modelshelf wrote it")):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA user_version = {version}")
        finding = only(clinic.examine(records.database), level)
        assert word in finding.text + finding.advice


def test_a_condemned_store_and_one_that_was_set_aside(clinic: Clinic) -> None:
    path = record(clinic)
    path.with_name("modelshelf.db.corrupt-20260101T000000Z").touch()
    condemnation(path).touch()
    found = clinic.examine(records.database)
    assert only(found, Level.WRONG).text == "damage was met while it was used"
    assert "corrupt-2026" in only(found, Level.WARNING).text


def test_a_large_log_beside_the_store_means_that_somebody_holds_it_up(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(clinic)
    monkeypatch.setattr(records, "SWOLLEN_BYTES", -1)
    assert "keeps from being moved in" in only(clinic.examine(records.database), Level.WARNING).text


def test_a_store_that_takes_longer_than_the_check_is_left_to_the_daemon(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(clinic)
    monkeypatch.setattr("modelshelf.store.stillness._STEPS_PER_LOOK", 1)
    assert "too large" in only(clinic.examine(records.database, seconds=0.0), Level.WARNING).text


def test_flaws_that_a_daemon_made_by_starting_meanwhile_are_none(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(record(clinic))
    monkeypatch.setattr("modelshelf.store.stillness.Still.flaws", lambda *_: ["row 3 missing"])
    assert "row 3 missing" in only(clinic.examine(records.database), Level.WRONG).text
    monkeypatch.setattr(records, "holder", lambda _: 42)
    assert "was started while" in only(clinic.examine(records.database), Level.WARNING).text


def test_a_fresh_backup_is_well(clinic: Clinic) -> None:
    path = record(clinic)
    assert clinic.examine(records.backups)[0].level is Level.OK, "the first one takes a quarter of an hour"
    make_backup(path, clinic.clock.now())
    found = clinic.examine(records.backups)
    assert (levels(found), found[0].text.split(",")[0]) == ({Level.OK}, "1 backup")


def test_an_old_backup_is_a_warning_where_something_changed_since(clinic: Clinic) -> None:
    path = record(clinic)
    make_backup(path, clinic.clock.now() - timedelta(days=3))
    assert bad(clinic.examine(records.backups)) == []
    with clinic.shelf.store() as store:
        store.standing.put("a", "b")
    assert "the store changed since" in only(clinic.examine(records.backups), Level.WARNING).text


def test_no_backup_after_hours_is_a_warning(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    record(clinic)
    monkeypatch.setattr(records, "FIRST_BACKUP_SECONDS", -1.0)
    with clinic.shelf.daemon():
        assert only(clinic.examine(records.backups), Level.WARNING).text == "there is none yet"


def test_a_damaged_backup_is_wrong(clinic: Clinic) -> None:
    path = record(clinic)
    spoil(make_backup(path, clinic.clock.now()).path)
    assert "is damaged" in only(clinic.examine(records.backups), Level.WRONG).text


def test_a_backup_that_takes_too_long_is_not_judged(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    make_backup(record(clinic), clinic.clock.now())
    monkeypatch.setattr("modelshelf.store.stillness._STEPS_PER_LOOK", 1)
    assert bad(clinic.examine(records.backups, seconds=0.0)) == []


def test_a_store_after_a_crash_wants_its_daemon(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    record(clinic)
    monkeypatch.setattr("modelshelf.store.stillness.Still.is_copy", property(lambda _: True))
    assert "ended without closing it" in only(clinic.examine(records.database), Level.WARNING).text


def test_a_store_on_a_disk_that_fails_is_told_of(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    record(clinic)

    def full(*_: object, **__: object) -> None:
        raise DiskFull("no room for a copy")

    monkeypatch.setattr("modelshelf.cli.checkup.patient.still", full)
    assert only(clinic.examine(records.database), Level.WARNING).text == "no room for a copy"
