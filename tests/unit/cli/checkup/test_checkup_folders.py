"""The folders, and what may have happened to each."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from modelshelf.cli.checkup import folders
from modelshelf.cli.checkup.account import Account
from modelshelf.cli.checkup.finding import Level
from modelshelf.shelf.devices import device_of
from modelshelf.shelf.patience import Patience
from modelshelf.shelf.room import Room
from tests.unit.cli.checkup.clinic import NOW, bad, levels, only
from tests.unit.cli.cli_shelf import add

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.checkup.clinic import Clinic

STRANGER = Account(4242, frozenset({4242}))


def test_folders_that_are_there_are_told_with_what_they_lie_on(clinic: Clinic) -> None:
    found = clinic.examine(folders.mounts)
    assert [(finding.about, finding.level) for finding in found] == [("loras", Level.OK), ("checkpoints", Level.OK)]
    assert " on " in found[0].text


def test_a_folder_that_is_not_there_is_wrong(clinic: Clinic) -> None:
    clinic.shelf.folders[0].path.rmdir()
    finding = only(clinic.examine(folders.mounts), Level.WRONG)
    assert (finding.about, "is not there" in finding.text) == ("loras", True)


def test_since_when_it_is_away_is_told(clinic: Clinic) -> None:
    with clinic.shelf.store() as store:
        store.folders.set_offline("loras", "it is not there", NOW)
    clinic.clock.advance(3600)
    assert (
        "the daemon holds it for offline: it is not there" in only(clinic.examine(folders.mounts), Level.WARNING).text
    )
    clinic.shelf.folders[0].path.rmdir()
    assert "(offline since 2026-08-08 12:00:00 (1 h ago))" in only(clinic.examine(folders.mounts), Level.WRONG).text


def test_a_folder_that_is_empty_where_it_was_full_is_wrong(clinic: Clinic) -> None:
    with clinic.shelf.store() as store:
        add(store, b"a.safetensors")
    assert "not mounted?" in only(clinic.examine(folders.mounts), Level.WRONG).text


def test_a_folder_that_does_not_answer_costs_the_others_nothing(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_over, dead, look = threading.Event(), clinic.shelf.folders[0].path, os.stat

    def hang(path: object, *arguments: object, **options: object) -> os.stat_result:
        if path == os.fsencode(dead):
            is_over.wait(30)
        return look(path, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(folders, "Patience", partial(Patience, 0.05))
    with clinic.patient() as patient:
        monkeypatch.setattr("os.stat", hang)
        found = list(folders.mounts(patient, None))  # type: ignore[arg-type]
        is_over.set()
    assert [(each.about, each.level) for each in found] == [("loras", Level.WRONG), ("checkpoints", Level.OK)]
    assert "did not answer within" in found[0].text


class ReadOnly:
    """What statvfs says of a read-only mount."""

    f_flag = os.ST_RDONLY


def test_a_read_only_mount_and_a_file_system_that_lies(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = device_of
    monkeypatch.setattr(
        folders, "device_of", lambda path: replace(honest(path), file_system="vfat", is_honest=False, has_events=False)
    )
    monkeypatch.setattr("os.statvfs", lambda _: ReadOnly)
    found = clinic.examine(folders.mounts)
    assert "on vfat (no events: scans alone see changes, its inodes and times are not to be relied on)" in found[0].text
    assert bad(found) == ["it is read-only: nothing can be written beside models"] * 2


def test_a_folder_of_a_hostile_name_is_told(clinic: Clinic, tmp_path: Path) -> None:
    folder = replace(clinic.shelf.folders[0], path=tmp_path / os.fsdecode(b"caf\xe9\n\x1b[31m"))
    folder.path.mkdir()
    found = clinic.examine(folders.mounts, folders=(folder,))
    assert "caf\\xe9\\n\\x1b[31m on " in found[0].text


@pytest.fixture
def _open_above(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everybody pass through the directories that pytest makes for one user."""
    monkeypatch.setattr(Account, "barrier", lambda *_: None)


@pytest.mark.usefixtures("_open_above")
def test_permissions_of_the_daemons_user(clinic: Clinic) -> None:
    loras, checkpoints = (folder.path for folder in clinic.shelf.folders)
    loras.chmod(0o755)
    checkpoints.chmod(0o700)
    found = clinic.examine(folders.permissions, account=STRANGER)
    assert [(each.about, each.level) for each in found] == [("loras", Level.WARNING), ("checkpoints", Level.WRONG)]
    assert "#4242 may not write into" in found[0].text
    assert "#4242 may not list" in found[1].text
    loras.chmod(0o777)
    checkpoints.chmod(0o777)
    assert levels(clinic.examine(folders.permissions, account=STRANGER)) == {Level.OK}
    assert clinic.examine(folders.permissions, account=None) == []
    loras.rmdir()
    assert len(clinic.examine(folders.permissions, account=STRANGER)) == 1


def test_a_closed_directory_above_a_folder_is_wrong_however_open_the_folder_is(clinic: Clinic) -> None:
    clinic.shelf.root.chmod(0o700)
    for folder in clinic.shelf.folders:
        folder.path.chmod(0o777)
    found = clinic.examine(folders.permissions, account=STRANGER)
    assert levels(found) == {Level.WRONG}
    assert "#4242 may not pass through /" in found[0].text


@pytest.mark.usefixtures("_open_above")
def test_permissions_by_an_access_list_are_not_judged(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getxattr", lambda *_: b"")
    found = clinic.examine(folders.permissions, account=STRANGER)
    assert levels(found) == {Level.OK}
    assert "has an access list" in found[0].text


def test_looking_at_permissions_leaves_no_trace(clinic: Clinic) -> None:
    before = [(folder.path.stat(), os.listdir(folder.path)) for folder in clinic.shelf.folders]
    clinic.examine(folders.permissions)
    assert [(folder.path.stat(), os.listdir(folder.path)) for folder in clinic.shelf.folders] == before


def test_each_disk_is_told_once_and_a_full_one_is_a_warning(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(clinic.examine(folders.free_space)) == 1
    monkeypatch.setattr(folders, "room_at", lambda path: Room(path.name == "loras", 10**12, 10**9))
    assert [text.split(":")[0] for text in bad(clinic.examine(folders.free_space))] == ["nearly full"] * 2
    monkeypatch.undo()
    for folder in clinic.shelf.folders:
        folder.path.rmdir()
    assert clinic.examine(folders.free_space) == []


def test_what_the_daemon_could_not_make_out_is_told(clinic: Clinic) -> None:
    assert clinic.examine(folders.doubts) == []
    with clinic.shelf.store() as store:
        file_id = add(store, b"a.safetensors")
        store.holds.keep("loras", 1, [file_id], NOW)
        store.grounds.keep_mount_point("checkpoints", b"in\x07ner", NOW)
        store.grounds.keep_mount_point("loras", b"there", None)
        store.failures.settle("loras", b"", {b"x\x1b/%d" % each: "Permission denied" for each in range(5)}, NOW)
        store.failures.settle("checkpoints", b"", {b"y": "Permission denied"}, NOW)
    found = clinic.examine(folders.doubts)
    assert [each.about for each in found] == ["loras", "checkpoints", "checkpoints", "loras"]
    assert "1 file vanished at once" in found[0].text
    assert "in\\x07ner in it was a mount" in found[1].text
    assert found[3].text.startswith("5 places could not be looked at: x\\x1b/0: Permission denied; ")
