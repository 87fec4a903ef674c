"""The files by which systemd knows modelshelf: only ours are written over, only ours are removed."""

from __future__ import annotations

import configparser
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelshelf.cli import unit_files
from modelshelf.cli.unit_files import (
    Places,
    doubts,
    drop_in,
    files_for_machine,
    files_for_person,
    program,
    remove,
    write,
)
from modelshelf.config import load_config
from modelshelf.errors import FileUnreadable, ModelshelfError, UsageError

if TYPE_CHECKING:
    from types import ModuleType

    from modelshelf.config.config import Config


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places((tmp_path / "packaged",), tmp_path / "own", tmp_path / "users" / "modelshelf.conf")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "my models.yaml"
    path.write_text("input_paths: {loras: {path: /srv/loras}}\nstore: {directory: /var/lib/modelshelf}\n")
    return load_config(path, {})


def package(places: Places) -> None:
    """Do what a package does."""
    places.packaged[0].mkdir()
    (places.packaged[0] / "modelshelf.service").write_text("[Service]\n")


def unit_of(text: str) -> configparser.RawConfigParser:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(text)
    return unit


def test_a_unit_runs_this_very_program_with_this_configuration(config: Config, places: Places) -> None:
    files = files_for_machine(config, places)
    assert set(files) == {places.drop_in, places.unit, places.users}
    command = " ".join(f'"{word}"' for word in [*program(), "--config", str(config.path)])
    assert unit_of(files[places.unit])["Service"]["ExecStart"] == f"{command} run"
    assert f"\nExecReload={command} config check\n" in files[places.unit]
    assert "/usr/bin/modelshelf" not in files[places.unit]


@pytest.fixture
def _installed_outside_homes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("prefix", "base_prefix"):
        monkeypatch.setattr(sys, name, "/opt/modelshelf")
    monkeypatch.setattr(unit_files, "_TEMPLATES", Path("/opt/modelshelf/lib/modelshelf/cli/units"))
    monkeypatch.setattr(unit_files, "_template", lambda _: "")


@pytest.mark.usefixtures("_installed_outside_homes")
@pytest.mark.parametrize(
    ("module", "name", "place"),
    [
        (sys, "prefix", "/home/a/venv"),
        (sys, "base_prefix", "/home/a/.pyenv/versions/3.11.9"),
        (unit_files, "_TEMPLATES", Path("/home/a/modelshelf/daemon/modelshelf/cli/units")),
    ],
)
def test_a_home_that_the_program_lies_in_is_readable(
    places: Places, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, place: str | Path
) -> None:
    config = load_config(None, {"MODEL_PATH": "/srv/loras"})
    object.__setattr__(config, "path", Path("/etc/modelshelf.yaml"))
    assert "ProtectHome" not in files_for_machine(config, places)[places.drop_in]
    monkeypatch.setattr(module, name, place)
    assert "ProtectHome=read-only" in files_for_machine(config, places)[places.drop_in]


def test_a_persons_unit_does_too(config: Config, places: Places) -> None:
    (text,) = files_for_person(config, places).values()
    assert unit_of(text)["Service"]["ExecStart"].endswith(f'"--config" "{config.path}" run')
    assert "/usr/bin/modelshelf" not in text


def test_a_program_without_a_command_beside_it_is_run_as_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert program() == [str(tmp_path / "python"), "-P", "-m", "modelshelf"]
    (tmp_path / "modelshelf").touch()
    assert program() == [str(tmp_path / "modelshelf")]


def test_a_dollar_in_a_command_is_one(tmp_path: Path, places: Places) -> None:
    path = tmp_path / "$HOME 100%.yaml"
    path.write_text("input_paths: {loras: {path: /srv/loras}}\n")
    text = files_for_machine(load_config(path, {}), places)[places.unit]
    assert '/$$HOME 100%%.yaml" run' in text


def test_a_packaged_unit_gets_its_folders_only(
    tmp_path: Path, config: Config, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(places)
    with pytest.raises(UsageError, match="put the configuration there"):
        files_for_machine(config, places)
    monkeypatch.setattr(unit_files, "SYSTEM_CONFIG", tmp_path / "my models.yaml")
    assert set(files_for_machine(config, places)) == {places.drop_in}


def test_a_state_elsewhere_is_granted_and_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "modelshelf.yaml"
    path.write_text("input_paths: {loras: {path: /srv/loras}}\nstore: {directory: /data/my state}\n")
    lines = drop_in(load_config(path, {}), []).splitlines()
    assert 'RequiresMountsFor="/data/my state"' in lines
    assert 'ReadWritePaths="-/data/my state"' in lines


def test_without_a_file_there_is_no_service(places: Places) -> None:
    config = load_config(None, {"MODEL_PATH": "/srv/loras"})
    with pytest.raises(UsageError, match="needs a configuration file"):
        files_for_machine(config, places)
    assert doubts(config, places) == []


def test_what_is_written_is_written_once_and_goes_again(config: Config, places: Places, tmp_path: Path) -> None:
    before = {*tmp_path.rglob("*")}
    files = files_for_machine(config, places)
    assert write(files) == [*files]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o644 for path in files)
    assert write(files) == []
    assert set(remove(places.ours())) == set(files)
    assert {path for path in {*tmp_path.rglob("*")} - before if not path.is_dir()} == set()
    assert not places.drop_in.parent.exists()
    assert remove(places.ours()) == []


def test_a_drop_in_of_the_persons_own_stays(config: Config, places: Places) -> None:
    write(files_for_machine(config, places))
    own = places.drop_in.with_name("override.conf")
    own.write_text("[Service]\nNice=1\n")
    remove(places.ours())
    assert [*places.drop_in.parent.iterdir()] == [own]


def test_somebody_elses_unit_is_neither_written_over_nor_removed(config: Config, places: Places) -> None:
    places.unit.parent.mkdir()
    places.unit.write_text("[Service]\nExecStart=/bin/true\n")
    with pytest.raises(UsageError, match="left alone"):
        write(files_for_machine(config, places))
    assert not places.drop_in.exists()
    assert remove(places.ours()) == []
    assert places.unit.exists()


def test_a_place_that_refuses_is_named(config: Config, places: Places, tmp_path: Path) -> None:
    (tmp_path / "own").touch()
    with pytest.raises(ModelshelfError, match="own"):
        write(files_for_machine(config, places))
    places.drop_in.with_name("is a directory")
    with pytest.raises(FileUnreadable, match="cannot read"):
        remove([tmp_path])


def test_what_cannot_be_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ours"
    path.write_text(unit_files.MARK)

    def refuse(_: Path) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(ModelshelfError, match="cannot remove"):
        remove([path])


def test_a_folder_that_is_not_granted_yet_is_doubted(config: Config, places: Places, tmp_path: Path) -> None:
    assert doubts(config, places) == []
    write(files_for_machine(config, places))
    assert doubts(config, places) == []
    path = tmp_path / "my models.yaml"
    path.write_text(path.read_text().replace("}}", "}, vaes: {path: /srv/vaes}}"))
    (doubt,) = doubts(load_config(path, {}), places)
    assert doubt.startswith("the service may not write to /srv/vaes yet: sudo modelshelf service install")
    other = tmp_path / "other.yaml"
    other.write_text(path.read_text())
    assert doubts(load_config(other, {}), places) == []


def test_a_packaged_service_reads_the_machines_configuration(
    config: Config, places: Places, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package(places)
    assert doubts(config, places) == []
    monkeypatch.setattr(unit_files, "SYSTEM_CONFIG", tmp_path / "my models.yaml")
    assert len(doubts(config, places)) == 1


def test_a_folder_that_no_unit_can_name_is_a_doubt_and_no_reason_to_stop(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(places)
    path = tmp_path / "modelshelf.yaml"
    path.write_text('input_paths: {loras: {path: "/srv/two\\nlines"}}\n')
    monkeypatch.setattr(unit_files, "SYSTEM_CONFIG", path)
    (doubt,) = doubts(load_config(path, {}), places)
    assert "rename it" in doubt


def test_a_persons_units_are_where_their_settings_are() -> None:
    assert unit_files.places_of_person({"HOME": "/home/a"}).own == Path("/home/a/.config/systemd/user")
    assert unit_files.places_of_person({"HOME": "/home/a", "XDG_CONFIG_HOME": "/c"}).unit == Path(
        "/c/systemd/user/modelshelf.service"
    )
