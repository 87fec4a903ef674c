"""Configuration, state directory and daemon, each with what may be wrong with it."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from modelshelf import __version__
from modelshelf.cli.checkup import patient, premises
from modelshelf.cli.checkup.account import Account
from modelshelf.cli.checkup.finding import Level
from modelshelf.cli.health import VERSION_STANDING, Health
from modelshelf.errors import FileUnreadable, StoreError
from modelshelf.shelf.room import Room
from modelshelf.vitals import Vitals
from tests.unit.cli.checkup.clinic import bad, levels, only

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.checkup.clinic import Clinic


def record(clinic: Clinic) -> None:
    """Let there be a store."""
    with clinic.shelf.store():
        pass
    clinic.shelf.state.chmod(0o700)


def test_a_good_configuration_is_named(clinic: Clinic) -> None:
    found = clinic.examine(premises.configuration)
    assert found[0].level is Level.OK
    assert "2 folders, 4 jobs" in found[0].text
    assert bad(found) == [text for text in bad(found) if "krita" in text], "this version does no loras.json"


def test_a_broken_configuration_is_wrong_with_every_mistake(clinic: Clinic) -> None:
    clinic.shelf.config.write_text("input_paths: 3\nstore: {directry: a}\n")
    finding = only(clinic.examine(premises.configuration), Level.WRONG)
    assert "input_paths" in finding.text
    assert "directry" in finding.text


def test_an_installation_elsewhere_may_have_a_configuration_that_nobody_names(clinic: Clinic, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    finding = only(clinic.examine(premises.configuration, state=other), Level.WARNING)
    assert "is that of" in finding.text
    assert finding.advice == "name it with --config FILE"
    with clinic.patient(state=other, config_path=clinic.shelf.config) as patient:
        assert patient.config is not None
        assert patient.state_directory == other
    with clinic.patient(state=clinic.shelf.state) as patient:
        assert patient.config is not None, "found here, and of the same state"


def test_without_a_configuration_and_a_state_nothing_is_known(clinic: Clinic) -> None:
    clinic.shelf.config.write_text("broken: [")
    assert only(clinic.examine(premises.state), Level.WRONG).advice == "name it with --state DIR"
    assert clinic.examine(premises.daemon) == []


def test_a_state_directory_that_is_well(clinic: Clinic) -> None:
    record(clinic)
    found = clinic.examine(premises.state)
    assert levels(found) == {Level.OK}, bad(found)
    assert "free beside a store of" in found[-1].text


def test_a_state_that_is_not_there_yet_is_no_fault(clinic: Clinic) -> None:
    assert "no daemon ever ran" in only(clinic.examine(premises.state), Level.WARNING).text


def test_a_state_that_is_no_directory(clinic: Clinic) -> None:
    clinic.shelf.state.write_text("")
    assert "is no directory" in only(clinic.examine(premises.state), Level.WRONG).text


def test_a_state_on_the_network(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    record(clinic)

    def refuse(*_: object) -> None:
        raise StoreError("lies on a network file system (nfs4)")

    monkeypatch.setattr(premises, "require_local_disk", refuse)
    assert "nfs4" in only(clinic.examine(premises.state), Level.WRONG).text


def test_a_state_that_others_may_write_to(clinic: Clinic) -> None:
    record(clinic)
    clinic.shelf.state.chmod(0o770)
    finding = only(clinic.examine(premises.state), Level.WARNING)
    assert finding.advice.startswith("chmod go-w")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_state_in_which_root_left_files(clinic: Clinic) -> None:
    record(clinic)
    os.chown(clinic.shelf.state, 4242, 4242)
    finding = only(clinic.examine(premises.state), Level.WRONG)
    assert "belongs to #4242, but not everything in it: modelshelf.db" in finding.text
    assert finding.advice.startswith("chown -R 4242 ")


def test_a_state_of_somebody_else_is_not_looked_into(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    record(clinic)
    monkeypatch.setattr("os.access", lambda *_, **__: False)
    assert clinic.examine(premises.daemon) == []
    finding = only(clinic.examine(premises.state), Level.WARNING)
    assert "was not examined" in finding.text
    assert finding.advice.startswith("sudo -u ")


@pytest.mark.parametrize(
    ("free_bytes", "level", "text"),
    [
        (0, Level.WRONG, "the disk is full"),
        (2_000_000, Level.WARNING, "nearly full"),
        (10**12, Level.OK, "free beside"),
    ],
)
def test_room_for_the_state(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, free_bytes: int, level: Level, text: str
) -> None:
    record(clinic)
    monkeypatch.setattr(premises, "room_at", lambda _: Room(1, 10**12, free_bytes))
    found = [finding for finding in clinic.examine(premises.state) if text in finding.text]
    assert [finding.level for finding in found] == [level]


class Disk:
    """What statvfs says of a disk that is read-only and has no inode left."""

    f_flag = os.ST_RDONLY
    f_files, f_favail = 100, 0


def test_a_disk_without_inodes_that_is_read_only(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    record(clinic)
    monkeypatch.setattr(premises, "room_at", lambda _: Room(1, 10**12, 10**12))
    monkeypatch.setattr("os.statvfs", lambda _: Disk)
    texts = bad(clinic.examine(premises.state))
    assert any("is read-only" in text for text in texts)
    assert any("no inode left" in text for text in texts)


def test_no_daemon_is_a_warning(clinic: Clinic) -> None:
    assert clinic.examine(premises.daemon) == [], "nor is there a state"
    record(clinic)
    assert "no daemon runs" in only(clinic.examine(premises.daemon), Level.WARNING).text


def test_a_daemon_that_answers_is_well(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    with clinic.shelf.store() as store:
        store.standing.put(VERSION_STANDING, __version__)
    monkeypatch.setattr(premises, "is_answered", lambda *_: True)
    with clinic.shelf.daemon():
        found = clinic.examine(premises.daemon)
    assert levels(found) == {Level.OK}
    assert [finding.text.split(" ")[0] for finding in found] == ["pid", "up"]


def test_a_daemon_that_does_not_answer_is_wrong(clinic: Clinic) -> None:
    record(clinic)
    with clinic.shelf.daemon():
        assert "does not answer" in only(clinic.examine(premises.daemon, seconds=0.2), Level.WRONG).text
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as mute:
        mute.bind(str(clinic.shelf.state / "poke.sock"))
        with clinic.shelf.daemon():
            assert "does not answer" in only(clinic.examine(premises.daemon, seconds=0.2), Level.WRONG).text


def test_a_daemon_that_may_not_be_asked(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    record(clinic)

    def refuse(*_: object) -> bool:
        raise FileUnreadable("cannot ask at poke.sock")

    monkeypatch.setattr(premises, "is_answered", refuse)
    with clinic.shelf.daemon():
        assert "cannot ask" in only(clinic.examine(premises.daemon), Level.WARNING).text


def test_a_daemon_of_another_version_wants_a_restart(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    with clinic.shelf.store() as store:
        store.standing.put(VERSION_STANDING, "0.0.1\x1b[31m")
    monkeypatch.setattr(premises, "is_answered", lambda *_: True)
    with clinic.shelf.daemon():
        finding = only(clinic.examine(premises.daemon), Level.WARNING)
    assert finding.text == f"it is modelshelf 0.0.1\\x1b[31m, and this is {__version__}"


def process(proc: Path, limits: str) -> Path:
    """Make a process 42 with twelve open files."""
    directory = proc / "42"
    (directory / "fd").mkdir(parents=True)
    for number in range(12):
        (directory / "fd" / str(number)).touch()
    (directory / "stat").write_text("42 (modelshelf) S 1 42 42 0 -1 4 1 0 0 0 1 2 0 0 20 0 7 0 100 1000000 50 1 1 1\n")
    (directory / "limits").write_text(limits)
    (proc / "uptime").write_text("1000.50 1.0\n")
    return proc


@pytest.mark.parametrize(("limit", "is_short"), [("14", True), ("1024", False), ("unlimited", False), ("", False)])
def test_a_daemon_that_runs_out_of_open_files(
    clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, *, is_short: bool
) -> None:
    record(clinic)
    monkeypatch.setattr(premises, "is_answered", lambda *_: True)
    proc = process(tmp_path / "proc", f"Limit  Soft Limit\nMax open files  {limit}  524288  files\n")
    found = clinic.examine(premises.daemon, pid=42, proc=proc, account=Account(0, frozenset()))
    assert (bad(found) == ["12 of the 14 files that it may have open are open"]) is is_short


def test_the_last_work_is_told(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(premises, "is_answered", lambda *_: True)
    with clinic.shelf.store() as store:
        health = Health(store, clinic.clock, lambda: Vitals(1, 2, 3, 4))
        with store.database.transaction():
            store.standing.put("a", "b")
        clinic.clock.advance(300)
        health.look()
    with clinic.shelf.daemon():
        assert any("last work: 0 tasks" in finding.text for finding in clinic.examine(premises.daemon))


def test_a_state_that_does_not_answer_is_not_waited_for(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    record(clinic)
    is_over = threading.Event()

    def hang(_: object) -> int | None:
        is_over.wait(30)
        return None

    monkeypatch.setattr(patient, "ADMISSION_SECONDS", 0.05)
    monkeypatch.setattr(patient, "holder", hang)
    with clinic.patient() as found:
        assert "did not answer within" in str(found.store_complaint)
        assert [folder.id for folder in found.folders] == ["loras", "checkpoints"]
    is_over.set()


def test_without_a_configuration_the_folders_are_those_of_the_store_if_it_can_be_read(clinic: Clinic) -> None:
    record(clinic)
    state = clinic.shelf.state
    clinic.shelf.config.write_text("broken: [")
    with clinic.patient(state=state) as found:
        assert [folder.id for folder in found.folders] == ["checkpoints", "loras"]
    (state / "modelshelf.db").write_bytes(b"no database" * 1000)
    with clinic.patient(state=state) as found:
        assert found.folders == ()
