"""Folders: patterns, types, quiet times, and those that are not there."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from modelshelf.config import load as loading
from modelshelf.config.sightings import Sighting, look_at
from modelshelf.domain.folder import Folder, WatchMode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from modelshelf.config.config import Config
    from tests.unit.config.conftest import Load, Refuse


def folder(config: Config, folder_id: str = "a") -> Folder:
    return next(each for each in config.folders() if each.id == folder_id)


def test_a_folder_without_patterns_holds_every_kind_of_model(load: Load) -> None:
    patterns = folder(load("input_paths: {a: {path: x}}")).patterns
    assert patterns == ("*.safetensors", "*.sft", "*.ckpt", "*.pt", "*.pth", "*.bin", "*.gguf", "*.onnx")


@pytest.mark.parametrize(
    "name",
    [
        ".*",
        "@eaDir",
        "#recycle",
        "$RECYCLE.BIN",
        "lost+found",
        "__pycache__",
        "*.part",
        "*.crdownload",
        "*.aria2",
        "*~",
        "*.tmp",
    ],
)
def test_junk_is_passed_over_in_any_case(load: Load, name: str) -> None:
    text = "input_paths: {a: {path: x, exclude_patterns: [mine]}}\nscanner: {exclude_patterns: [everywhere, mine]}"
    excluded = folder(load(text)).exclude_patterns
    assert name in excluded
    assert excluded[-2:] == ("everywhere", "mine")


def test_the_scanner_speaks_for_folders_that_say_nothing(load: Load) -> None:
    config = load(
        """\
        scanner: {recursive: false, patterns: ['*.gguf']}
        watch: {mode: poll, stability_delay: 1 min}
        input_paths:
          silent: {path: x}
          own: {path: y, recursive: true, patterns: ['*.pt'], watch: events, stability_delay: 0}
        """
    )
    silent, own = folder(config, "silent"), folder(config, "own")
    assert (silent.is_recursive, silent.patterns, silent.watch) == (False, ("*.gguf",), WatchMode.POLL)
    assert silent.stability_delay_seconds == 60
    assert (own.is_recursive, own.patterns, own.watch) == (True, ("*.pt",), WatchMode.EVENTS)
    assert own.stability_delay_seconds == 0


def test_the_quiet_time_depends_on_the_disk_unless_someone_says(load: Load) -> None:
    assert folder(load("input_paths: {a: {path: x}}")).stability_delay_seconds is None


@pytest.mark.parametrize(
    ("written", "expected"), [("lora", "LORA"), ("CHECKPOINT", "Checkpoint"), ("locon", "LoCon"), ("My Own", "My Own")]
)
def test_a_type_has_civitais_spelling_or_its_own(load: Load, tmp_path: Path, written: str, expected: str) -> None:
    (tmp_path / "x").mkdir(exist_ok=True)
    config = load(f"input_paths: {{a: {{path: x, type: {written}}}}}")
    assert folder(config).model_type == expected
    assert config.warnings == ()


def test_a_type_that_looks_misspelt_is_a_warning(load: Load) -> None:
    config = load("input_paths: {a: {path: x, type: Chekpoint}}")
    assert folder(config).model_type == "Chekpoint"
    assert "input_paths.a.type: Chekpoint is none of Civitai's types; did you mean Checkpoint?" in config.warnings


def test_a_folder_that_is_not_there_is_a_warning(load: Load, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "file").touch()
    config = load("input_paths: {a: {path: there}, b: {path: away}, c: {path: file}}")
    assert config.warnings == (
        f"input_paths.b.path: {tmp_path}/away is not there; it counts as offline until it is",
        f"input_paths.c.path: {tmp_path}/file is not there; it counts as offline until it is",
    )


def test_a_file_server_that_hangs_does_not_hold_the_start_up(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(paths: Iterable[Path]) -> dict[Path, Sighting]:
        return {path: Sighting(str(path), is_directory=False, is_answering=False) for path in paths}

    monkeypatch.setattr(loading, "look_at", silent)
    config = load("input_paths: {a: {path: /mnt/nas}}")
    assert config.warnings == ("input_paths.a.path: /mnt/nas does not answer; it counts as offline until it does",)


def test_a_look_that_gets_no_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()
    monkeypatch.setattr("os.path.realpath", lambda path: str(path) if answer.wait() else "")
    seen = look_at([tmp_path], patience_seconds=0.05)
    assert seen == {tmp_path: Sighting(str(tmp_path), is_directory=False, is_answering=False)}
    answer.set()


def test_a_look_follows_symlinks(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert look_at([tmp_path / "link"]) == {tmp_path / "link": Sighting(str(tmp_path), is_directory=True)}


@pytest.mark.parametrize(("line", "least"), [("poll_interval: 9 s", 10), ("rescan_interval: 59", 60)])
def test_folders_are_not_walked_without_a_pause(line: str, least: int, refuse: Refuse) -> None:
    [told] = refuse(f"input_paths: {{lora: {{path: lora}}}}\nwatch:\n  {line}\n")
    assert told == f"FILE:3: watch.{line.split(':', maxsplit=1)[0]}: must be at least {least}"
