"""`modelshelf config`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import yaml

from tests.unit.cli.cli_shelf import CONFIGURATION

if TYPE_CHECKING:
    from tests.unit.cli.cli_shelf import CliShelf


def test_a_good_configuration_is_called_good_with_what_it_comes_to(shelf: CliShelf) -> None:
    answer = shelf.run("config", "check")
    assert answer.code == 0
    assert "good. 2 folders, 4 jobs" in answer.out
    assert str(shelf.state) in answer.out


def test_what_is_odd_or_not_done_is_noted_beside_the_answer(shelf: CliShelf) -> None:
    (shelf.root / "loras").rmdir()
    answer = shelf.run("config", "check")
    assert answer.code == 0
    assert "note: input_paths.loras.path" in answer.err
    assert "note: jobs.krita: sync-lora-triggers is not done" in answer.err
    assert shelf.run("--quiet", "config", "check").err == ""


def test_every_mistake_is_a_line_and_the_exit_code_is_78(shelf: CliShelf) -> None:
    shelf.config.write_text("input_pats: {}\noffline: perhaps\n")
    answer = shelf.run("config", "check")
    assert (answer.code, answer.out) == (78, "")
    assert "input_pats" in answer.err
    assert "offline" in answer.err
    assert len(answer.err.splitlines()) >= 2


def test_json_tells_good_and_bad_alike(shelf: CliShelf) -> None:
    good = shelf.run("config", "check", "--json")
    assert (good.code, good.document["is_good"], good.document["problems"]) == (0, True, [])
    assert good.document["state_directory"] == str(shelf.state)
    shelf.config.write_text("offline: perhaps\n")
    bad = shelf.run("config", "check", "--json")
    assert (bad.code, bad.document["is_good"]) == (78, False)
    assert any("offline" in problem for problem in bad.document["problems"])


def test_without_a_file_the_environment_is_what_is_checked(shelf: CliShelf) -> None:
    shelf.config.unlink()
    answer = shelf.run("config", "check")
    assert answer.code == 78
    assert "MODEL_PATH" in answer.err


def test_show_prints_what_can_be_loaded_again_and_no_secret(shelf: CliShelf) -> None:
    shelf.config.write_text(CONFIGURATION + "api: {key: abcdefgh12345678}\n")
    answer = shelf.run("config", "show")
    assert answer.code == 0
    assert "abcdefgh12345678" not in answer.out
    assert yaml.safe_load(answer.out)["input_paths"]["loras"]["type"] == "LORA"


def test_schema_needs_no_configuration(shelf: CliShelf) -> None:
    shelf.config.unlink()
    assert "input_paths" in json.loads(shelf.run("config", "schema").out)["properties"]
