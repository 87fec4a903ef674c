"""What lies in the folders against what is recorded, and what may not be read there."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from modelshelf.cli.checkup import census
from modelshelf.cli.checkup.account import Account
from modelshelf.cli.checkup.finding import Deadline, Level
from modelshelf.shelf.patience import Patience
from tests.unit.cli.checkup.clinic import NOW, bad, levels, only
from tests.unit.cli.cli_shelf import add

if TYPE_CHECKING:
    from tests.unit.cli.checkup.clinic import Clinic

STRANGER = Account(4242, frozenset({4242}))


def record(clinic: Clinic, count: int) -> None:
    """Have so many files recorded by a scan of loras."""
    with clinic.shelf.store() as store:
        for number in range(count):
            add(store, b"%d.safetensors" % number)
        store.folders.record_scan("loras", NOW)


def put(clinic: Clinic, count: int) -> None:
    """Put so many models into loras, and other files that are none."""
    for number in range(count):
        clinic.shelf.put(f"deep/{number % 3}/{number}.safetensors")
    clinic.shelf.put("notes.txt")
    clinic.shelf.put(".hidden.safetensors")
    clinic.shelf.put("half.safetensors.part")


@pytest.mark.parametrize(
    ("on_disk", "recorded", "is_well"), [(15, 15, True), (15, 6, True), (15, 4, False), (4, 15, False), (0, 0, True)]
)
def test_what_is_on_disk_is_counted_as_a_scan_does_and_compared(
    clinic: Clinic, *, on_disk: int, recorded: int, is_well: bool
) -> None:
    put(clinic, on_disk)
    record(clinic, recorded)
    found = [each for each in clinic.examine(census.files) if each.about == "loras"]
    assert found[0].text == f"{on_disk} models on disk, {recorded} recorded"
    assert levels(found) == {Level.OK if is_well else Level.WARNING}


def test_a_folder_that_was_never_scanned_is_counted_and_not_judged(clinic: Clinic) -> None:
    put(clinic, 20)
    assert [each.text for each in clinic.examine(census.files)] == ["20 models on disk", "0 models on disk"]
    with clinic.shelf.store():
        pass
    assert bad(clinic.examine(census.files)) == []


def test_folders_whose_patterns_are_not_known_or_that_are_away_are_not_counted(clinic: Clinic) -> None:
    loras, checkpoints = clinic.shelf.folders
    checkpoints.path.rmdir()
    assert clinic.examine(census.files, folders=(replace(loras, patterns=()), checkpoints)) == []


def test_the_time_is_shared_among_the_folders(clinic: Clinic) -> None:
    put(clinic, 15)
    record(clinic, 15)
    found = clinic.examine(census.files, seconds=0.0)
    assert [each.text for each in found] == ["0 and more models on disk; there was no time to count them all"] * 2
    assert levels(found) == {Level.OK}


def test_a_folder_that_hangs_is_passed_over(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()
    dead = clinic.shelf.folders[0].path

    def hang(path: object) -> bool:
        return is_over.wait(30) if path == dead else True

    monkeypatch.setattr(census, "Patience", partial(Patience, 0.05))
    with clinic.patient() as patient:
        monkeypatch.setattr("pathlib.Path.is_dir", hang)
        found = list(census.files(patient, Deadline(10)))
        is_over.set()
    assert [each.about for each in found] == ["checkpoints"]


def test_what_the_daemons_user_may_not_read_or_write_is_told(clinic: Clinic) -> None:
    put(clinic, 3)
    loras = clinic.shelf.folders[0].path
    for directory in (loras, loras / "deep", *(loras / "deep").iterdir()):
        directory.chmod(0o777)
    (loras / "deep" / "0").chmod(0o755)
    (loras / "deep" / "1" / "1.safetensors").chmod(0o600)
    finding = only(clinic.examine(census.files, account=STRANGER), Level.WARNING)
    assert finding.text == "#4242 may not use 2 places (deep/0, deep/1/1.safetensors)"
    assert bad(clinic.examine(census.files, account=None)) == []


def test_of_many_places_a_few_are_named(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    put(clinic, 12)
    for path in (clinic.shelf.folders[0].path / "deep").rglob("*.safetensors"):
        path.chmod(0o600)
    text = only(clinic.examine(census.files, account=STRANGER), Level.WARNING).text
    assert text.startswith("#4242 may not use 16 places (deep, ")
    assert text.endswith(", ...)")
    monkeypatch.setattr(census, "LOOKED_INTO", 2)
    assert "1 place (deep)" in only(clinic.examine(census.files, account=STRANGER), Level.WARNING).text


def test_directories_that_cannot_be_listed_are_told(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    put(clinic, 3)
    list_it = os.scandir

    def refuse(path: bytes) -> object:
        if bytes(path).endswith(b"deep/1"):
            raise PermissionError(13, "Permission denied")
        return list_it(path)

    monkeypatch.setattr("os.scandir", refuse)
    text = only(clinic.examine(census.files, account=None), Level.WARNING).text
    assert text == "1 directory (deep/1) cannot be listed"


def test_a_file_that_goes_while_it_is_looked_at_is_no_fault(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    put(clinic, 3)

    def gone(*_: object) -> bool:
        raise FileNotFoundError

    monkeypatch.setattr(Account, "may", gone)
    assert bad(clinic.examine(census.files, account=STRANGER)) == []
