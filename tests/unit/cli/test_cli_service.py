"""`modelshelf service`: what a person is told, and what systemd is asked, by a systemctl that keeps what it hears."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelshelf.cli import installation as room
from modelshelf.cli import systemctl, unit_files
from modelshelf.cli.unit_files import Places
from modelshelf.errors import ModelshelfError

if TYPE_CHECKING:
    from tests.unit.cli.cli_shelf import CliShelf

SYSTEMCTL = """#!/bin/sh
echo "$(basename "$0") $*" >> {heard}
[ "$1" = --user ] && shift
case "$1 $2" in
  "show --property=User") echo nobody;;
  "show --property=SupplementaryGroups") echo;;
  is-active*) cat {state};;
  {failing}) echo "it went wrong" >&2; exit 1;;
esac
"""


class Systemd:
    """A systemd that only listens."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.places = Places((root / "packaged",), root / "own", root / "users.conf")
        self._heard = root / "heard"
        self._state = root / "state-of-unit"
        self._heard.touch()
        self.is_active("inactive")
        self.fails_at("nothing")

    def is_active(self, word: str) -> None:
        self._state.write_text(word)

    def fails_at(self, words: str) -> None:
        for name in ("systemctl", "systemd-sysusers"):
            program = self.root / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(SYSTEMCTL.format(heard=self._heard, state=self._state, failing=words))
            program.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        """What it was asked to do, without the questions."""
        lines = self._heard.read_text().splitlines()
        return [line for line in lines if " show " not in line and "is-active" not in line]


@pytest.fixture
def systemd(tmp_path: Path, shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    root = tmp_path / "systemd"
    root.mkdir()
    made = Systemd(root)
    monkeypatch.setattr(room, "SYSTEM", made.places)
    monkeypatch.setattr(systemctl, "_RUNNING", tmp_path)
    monkeypatch.setenv("PATH", f"{made.root / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    for folder in shelf.folders:
        folder.path.chmod(0o777)
    return made


@pytest.mark.usefixtures("_reachable")
def test_installing_writes_loads_and_says_what_is_next(shelf: CliShelf, systemd: Systemd) -> None:
    answer = shelf.run("service", "install")
    places = systemd.places
    assert answer.out.splitlines() == [f"written: {path}" for path in (places.drop_in, places.unit, places.users)]
    assert systemd.asked == ["systemctl daemon-reload", f"systemd-sysusers {places.users}"]
    assert (answer.code, answer.err) == (0, "next: systemctl enable --now modelshelf\n")


@pytest.mark.usefixtures("_reachable")
def test_installing_again_writes_nothing_and_a_new_folder_asks_for_a_restart(shelf: CliShelf, systemd: Systemd) -> None:
    shelf.run("service", "install")
    systemd.is_active("active")
    before = systemd.asked
    again = shelf.run("service", "install")
    assert (again.out, again.err, systemd.asked) == ("", "nothing changed; the service runs\n", before)
    shelf.config.write_text(shelf.config.read_text().replace("store:", "output: {base_dir: /srv/pages}\nstore:"))
    assert shelf.run("service", "install").err == "next: systemctl restart modelshelf\n"
    assert "/srv/pages" in systemd.places.drop_in.read_text()


@pytest.mark.usefixtures("_reachable")
def test_now_means_now_and_with_the_machine(shelf: CliShelf, systemd: Systemd) -> None:
    answer = shelf.run("service", "install", "--now")
    assert systemd.asked[-2:] == ["systemctl enable modelshelf", "systemctl restart modelshelf"]
    assert answer.err == ""


def test_a_persons_service_is_that_persons(shelf: CliShelf, systemd: Systemd, tmp_path: Path) -> None:
    answer = shelf.run("service", "install", "--user")
    unit = tmp_path / "settings" / "systemd" / "user" / "modelshelf.service"
    assert answer.out == f"written: {unit}\n"
    assert systemd.asked == ["systemctl --user daemon-reload"]
    assert answer.err == "next: systemctl --user enable --now modelshelf\n"
    assert shelf.run("service", "uninstall", "--user").out == f"removed: {unit}\n"
    assert systemd.asked[1:] == ["systemctl --user disable --now modelshelf", "systemctl --user daemon-reload"]


def test_uninstalling_our_unit_stops_it_first(shelf: CliShelf, systemd: Systemd) -> None:
    shelf.run("service", "install")
    before = len(systemd.asked)
    answer = shelf.run("service", "uninstall")
    places = systemd.places
    assert answer.out.splitlines() == [f"removed: {path}" for path in (places.drop_in, places.unit, places.users)]
    assert systemd.asked[before:] == ["systemctl disable --now modelshelf", "systemctl daemon-reload"]
    assert shelf.run("service", "uninstall").err == "nothing here was written by modelshelf service install\n"


def test_a_packaged_service_that_runs_keeps_its_folders_until_it_is_started_again(
    shelf: CliShelf, systemd: Systemd
) -> None:
    shelf.run("service", "install")
    systemd.places.unit.unlink()
    systemd.is_active("active")
    before = len(systemd.asked)
    answer = shelf.run("service", "uninstall")
    assert systemd.asked[before:] == ["systemctl daemon-reload"]
    assert "they go with: systemctl restart modelshelf" in answer.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try what another user may do")
@pytest.mark.usefixtures("_reachable")
def test_a_folder_that_the_services_user_may_not_write_to_is_named(shelf: CliShelf, systemd: Systemd) -> None:
    closed = shelf.folders[0].path
    closed.chmod(0o755)
    answer = shelf.run("service", "install")
    assert answer.err.splitlines()[0].startswith(f"{closed}: the service's user may not write there.")
    assert len(answer.err.splitlines()) == 2
    shutil.rmtree(closed)
    assert str(closed) not in shelf.run("service", "install").err
    assert systemd.asked


@pytest.fixture
def _reachable(tmp_path: Path) -> None:
    """Let every user come as far as the shelf: the directories of tests are private."""
    for place in [tmp_path, *tmp_path.parents]:
        if place.stat().st_uid == os.geteuid() and place != Path("/"):
            place.chmod(place.stat().st_mode | 0o055)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try what another user may do")
def test_a_folder_that_does_not_answer_is_not_judged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(systemctl, "_MAY_WRITE", "exec tail -f /dev/null")
    monkeypatch.setattr(systemctl, "_LOOK_SECONDS", 0.1)
    assert systemctl._may_write(tmp_path, "nobody", [])


def test_a_user_who_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelshelfError, match="cannot tell whether nosuchuser may write"):
        systemctl._may_write(tmp_path, "nosuchuser", [])


def test_where_no_systemd_runs_files_are_written_and_nobody_is_asked(
    shelf: CliShelf, systemd: Systemd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(systemctl, "_RUNNING", tmp_path / "no")
    answer = shelf.run("service", "install", "--now")
    assert systemd.places.drop_in.exists()
    assert systemd.asked == []
    assert answer.err == "systemd does not run here: nothing was loaded or started\n"
    assert shelf.run("service", "uninstall").code == 0
    assert systemd.asked == []


def test_a_packaged_service_is_told_of_the_machines_configuration_wherever_a_person_stands(
    shelf: CliShelf, systemd: Systemd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    systemd.places.packaged[0].mkdir()
    (systemd.places.packaged[0] / "modelshelf.service").touch()
    machines = tmp_path / "config.yaml"
    machines.write_text(shelf.config.read_text().replace("loras,", "/srv/of the machine,"))
    for module in (room, unit_files):
        monkeypatch.setattr(module, "SYSTEM_CONFIG", machines)
    assert shelf.run("service", "install").code == 0
    assert "/srv/of the machine" in systemd.places.drop_in.read_text()
    refused = shelf.run("--config", str(shelf.config), "service", "install")
    assert (refused.code, "put the configuration there" in refused.err) == (2, True)


def test_what_systemd_refuses_is_shown(shelf: CliShelf, systemd: Systemd) -> None:
    systemd.fails_at("daemon-reload*")
    answer = shelf.run("service", "install")
    assert (answer.code, answer.err) == (1, "Error: systemctl daemon-reload failed: it went wrong\n")


def test_without_systemctl_that_is_said(
    shelf: CliShelf, systemd: Systemd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = shelf.run("service", "install")
    assert (answer.code, answer.err) == (1, "Error: cannot run systemctl: No such file or directory\n")
    assert systemd.asked == []


@pytest.mark.parametrize(
    ("words", "number", "code"),
    [((), errno.EACCES, 2), ((), errno.EROFS, 1), (("--user",), errno.EACCES, 1)],
)
def test_who_may_not_write_units_of_the_machine_is_told_who_may(
    shelf: CliShelf,
    systemd: Systemd,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    number: int,
    code: int,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)
    answer = shelf.run("service", "install", *words)
    assert (answer.code, "run it with sudo" in answer.err) == (code, code == 2)
    assert systemd.asked == []


def test_a_configuration_that_is_broken_installs_nothing(shelf: CliShelf, systemd: Systemd) -> None:
    shelf.config.write_text("input_paths: {}\n")
    answer = shelf.run("service", "install")
    assert answer.code == 78
    assert not systemd.places.own.exists()
