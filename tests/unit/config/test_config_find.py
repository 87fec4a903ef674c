"""Where the configuration file is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelshelf.config import find, find_config


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.fixture(autouse=True)
def system_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "etc" / "config.yaml"
    monkeypatch.setattr(find, "SYSTEM_CONFIG", path)
    return path


def test_without_any_file_nothing_is_found(tmp_path: Path) -> None:
    assert find_config(None, {"HOME": str(tmp_path)}, tmp_path) is None


def test_without_a_home_the_system_file_is_found(tmp_path: Path, system_config: Path) -> None:
    touch(system_config)
    assert find_config(None, {}, tmp_path) == system_config


def test_an_explicit_file_wins_even_if_it_is_missing(tmp_path: Path) -> None:
    touch(tmp_path / "modelshelf.yaml")
    missing = tmp_path / "missing.yaml"
    assert find_config(missing, {"MODELSHELF_CONFIG": "/other"}, tmp_path) == missing


def test_our_variable_wins_over_civitscrapers(tmp_path: Path) -> None:
    environment = {"MODELSHELF_CONFIG": "ours.yaml", "CIVITSCRAPER_CONFIG": "/theirs.yaml"}
    assert find_config(None, environment, tmp_path) == tmp_path / "ours.yaml"
    del environment["MODELSHELF_CONFIG"]
    assert find_config(None, environment, tmp_path) == Path("/theirs.yaml")


def test_files_are_looked_for_from_near_to_far(tmp_path: Path, system_config: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    from_near_to_far = [
        touch(here / "modelshelf.yaml"),
        touch(here / "civitscraper.yaml"),
        touch(here / "config" / "default.yaml"),
        touch(home / ".config" / "modelshelf" / "config.yaml"),
        touch(home / ".config" / "civitscraper" / "config.yaml"),
        touch(home / ".civitscraper.yaml"),
        touch(system_config),
    ]
    for expected in from_near_to_far:
        assert find_config(None, {"HOME": str(home)}, here) == expected
        expected.unlink()


def test_the_settings_directory_may_be_elsewhere(tmp_path: Path) -> None:
    expected = touch(tmp_path / "settings" / "modelshelf" / "config.yaml")
    assert find_config(None, {"XDG_CONFIG_HOME": str(tmp_path / "settings")}, tmp_path) == expected


def test_a_directory_is_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "modelshelf.yaml").mkdir()
    assert find_config(None, {}, tmp_path) is None
