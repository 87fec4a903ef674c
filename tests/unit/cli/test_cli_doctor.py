"""`modelshelf doctor` as a person and a script meet it: lines, JSON, exit status, and no trace of it afterwards."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from modelshelf import __version__
from modelshelf.cli import doctor
from modelshelf.cli.checkup.finding import Check, Finding, Level
from modelshelf.cli.commands import ENTRANCES
from modelshelf.domain.display import readable
from tests.unit.cli.cli_shelf import CliShelf, add, add_read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from modelshelf.cli.checkup.finding import Deadline
    from modelshelf.cli.checkup.patient import Patient

OFFLINE = """
input_paths: {loras: {path: loras, type: LORA}}
store: {directory: state}
offline: true
"""


@pytest.fixture(autouse=True)
def _at_home(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server is asked, and no systemd."""
    shelf.config.write_text(OFFLINE)
    monkeypatch.setattr("modelshelf.cli.checkup.machine.shutil.which", lambda _: None)


def say(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    """Have one check find this."""

    def examine(_patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
        yield from findings

    monkeypatch.setattr(doctor, "CHECKS", (Check("a", examine),))


FINE = Finding("state", Level.OK, "all well")
DOUBT = Finding("clock", Level.WARNING, "slow", "wind it up")
FAULT = Finding("folders", Level.WRONG, "gone\x1b[31m\nOK  forged", "mount\nit", "lo\x07ras")


@pytest.mark.parametrize(
    ("found", "code", "worst"),
    [((), 0, "ok"), ((FINE,), 0, "ok"), ((FINE, DOUBT), 0, "warning"), ((FAULT, DOUBT, FINE), 1, "wrong")],
)
def test_only_what_is_wrong_makes_the_exit_status_1(
    shelf: CliShelf, monkeypatch: pytest.MonkeyPatch, found: tuple[Finding, ...], code: int, worst: str
) -> None:
    say(monkeypatch, *found)
    answer = shelf.run("doctor", "--json")
    assert (answer.code, answer.document["worst"]) == (code, worst)
    assert shelf.run("doctor").code == code


def test_a_line_per_finding_and_what_to_do_about_it(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, FINE, DOUBT, FAULT)
    answer = shelf.run("doctor")
    assert answer.out.splitlines() == [
        "OK       state: all well",
        "WARNING  clock: slow",
        "           -> wind it up",
        "WRONG    folders lo\\x07ras: gone\\x1b[31m OK forged",
        "           -> mount it",
    ]
    assert answer.err == "1 thing is wrong, 1 warning.\n"
    quiet = shelf.run("doctor", "--quiet")
    assert "OK       state" not in quiet.out
    assert quiet.err == ""


def test_the_document_names_check_level_text_and_advice(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, FINE, FAULT)
    document = shelf.run("doctor", "--json").document
    assert document == {
        "version": __version__,
        "state_directory": str(shelf.state),
        "worst": "wrong",
        "findings": [
            {"check": "state", "about": None, "level": "ok", "text": "all well", "advice": None},
            {
                "check": "folders", "about": "lo\\x07ras", "level": "wrong",
                "text": "gone\\x1b[31m OK forged", "advice": "mount it",
            },
        ],
    }  # fmt: skip


def test_a_shelf_without_a_daemon_has_warnings_and_nothing_wrong(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add_read(store, b"a.safetensors", 1)
    shelf.put("a.safetensors")
    answer = shelf.run("doctor", "--json")
    wrong = [each for each in answer.document["findings"] if each["level"] == "wrong"]
    assert (answer.code, wrong) == (0, [])
    assert {each["check"] for each in answer.document["findings"]} >= {
        "configuration", "state", "daemon", "database", "backups", "folders", "permissions", "space", "files", "clock",
        "civitai", "work", "chunks", "log", "packages",
    }  # fmt: skip
    assert all(each["advice"] for each in answer.document["findings"] if each["level"] != "ok")


def test_every_check_works_on_a_shelf_that_was_never_begun(shelf: CliShelf) -> None:
    answer = shelf.run("doctor", "--json")
    assert answer.code == 0, answer.out
    assert "bug" not in answer.out
    assert not shelf.state.exists()


def test_a_broken_configuration_ends_nothing(shelf: CliShelf) -> None:
    shelf.config.write_text("input_paths: [")
    answer = shelf.run("doctor", "--json")
    assert (answer.code, answer.document["state_directory"]) == (1, None)
    assert answer.document["findings"][0]["check"] == "configuration"


def test_a_damaged_store_ends_nothing(shelf: CliShelf) -> None:
    with shelf.store():
        pass
    (shelf.state / "modelshelf.db").write_bytes(b"no database" * 1000)
    answer = shelf.run("doctor", "--json")
    assert answer.code == 1
    assert "bug" not in answer.out
    assert {each["check"] for each in answer.document["findings"] if each["level"] == "wrong"} == {"database"}
    assert "could not be examined" not in answer.out


@pytest.mark.parametrize("is_there", [False, True])
def test_a_state_that_somebody_named_has_to_be_there_with_a_store_in_it(shelf: CliShelf, *, is_there: bool) -> None:
    if is_there:
        (shelf.root / "named").mkdir()
    answer = shelf.run("doctor", "--json", "--state", str(shelf.root / "named"))
    wrong = {each["check"] for each in answer.document["findings"] if each["level"] == "wrong"}
    assert (answer.code, wrong) == (1, {"database"} if is_there else {"state"})


def test_another_installation_is_examined_by_its_state_alone(shelf: CliShelf, tmp_path: Path) -> None:
    with shelf.store() as store:
        add(store, b"a.safetensors")
    moved = tmp_path / "elsewhere"
    shelf.state.rename(moved)
    answer = shelf.run("doctor", "--json", "--state", "elsewhere")
    found = answer.document["findings"]
    assert answer.document["state_directory"] == str(moved)
    assert [each["about"] for each in found if each["check"] == "folders"] == ["checkpoints", "loras"]
    assert [each["text"] for each in found if each["check"] == "folders"][1].startswith(f"{shelf.root}/loras is empty")
    assert answer.code == 1


def snapshot(root: Path) -> dict[str, tuple[int, ...] | bytes]:
    """Give all that could be another afterwards, but when a file was read."""
    found: dict[str, tuple[int, ...] | bytes] = {}
    for path in (root, *root.rglob("*")):
        status = path.lstat()
        name = readable(path.relative_to(root))
        found[name] = (
            status.st_mode,
            status.st_uid,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
            status.st_ino,
        )
        if path.is_file():
            found[f"{name} content"] = path.read_bytes()
    return found


@pytest.mark.parametrize("case", ["at rest", "crashed", "damaged", "beside a daemon"])
def test_nothing_is_written_anywhere(shelf: CliShelf, tmp_path: Path, case: str) -> None:
    shelf.put("a.safetensors")
    shelf.put(os.fsdecode(b"caf\xe9\n.safetensors"))
    with shelf.store() as store:
        add_read(store, b"a.safetensors", 1)
        store.standing.put("word", "x")
        (shelf.state / "logs").mkdir()
        (shelf.state / "logs" / "modelshelf.log").write_text('{"event": "x"}\n')
        if case == "beside a daemon":
            with shelf.daemon():
                check_nothing_changes(shelf, ("modelshelf.db-shm", "modelshelf.db-shm content", "modelshelf.db-wal"))
            return
        if case == "crashed":
            shutil.copytree(shelf.state, tmp_path / "aside")
    if case == "crashed":
        shutil.rmtree(shelf.state)
        (tmp_path / "aside").rename(shelf.state)
        (shelf.state / "modelshelf.db-shm").unlink()
        assert (shelf.state / "modelshelf.db-wal").stat().st_size
    if case == "damaged":
        (shelf.state / "modelshelf.db").write_bytes(b"no database" * 1000)
    check_nothing_changes(shelf)


def check_nothing_changes(shelf: CliShelf, but: tuple[str, ...] = ()) -> None:
    """Examine the shelf and see that it is as it was.

    `but` what every reader of SQLite touches beside a writer: its mark in the index of the WAL, and as root the WAL's ctime,
    because it is given to the owner that it has.
    """
    left_out = {f"state/{name}" for name in but}
    before = snapshot(shelf.root)
    shelf.run("doctor")
    after = snapshot(shelf.root)
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= left_out


def test_the_doctor_is_found_by_name() -> None:
    assert ENTRANCES["doctor"].attribute == "doctor"
