"""Exit codes, and the one display of errors."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from modelshelf import __version__
from modelshelf.cli import commands
from modelshelf.cli.main import main, show_error
from modelshelf.cli.opening import Opening
from modelshelf.errors import ConfigError, FileUnreadable, StoreError, UsageError

if TYPE_CHECKING:
    from tests.unit.cli.cli_shelf import CliShelf

HEAVY = ("rich", "pydantic", "sqlite_utils", "structlog", "yaml", "requests", "apscheduler", "PIL")


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let `hash` raise `error`."""

    @click.command()
    def broken() -> None:
        raise error

    monkeypatch.setattr(commands.LazyGroup, "get_command", lambda *_: broken)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("a.yaml:1: no"), 78),
        (UsageError("no such thing"), 2),
        (click.UsageError("no such option"), 2),
        (StoreError("damaged; put a backup in its place"), 1),
        (FileUnreadable("cannot read it"), 1),
    ],
)
def test_each_error_has_its_exit_code_and_its_text_on_stderr(
    error: click.ClickException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_error(error) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert str(error) in err


def test_a_configuration_error_is_shown_line_by_line_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(ConfigError("a.yaml:1: one\na.yaml:2: two"))
    assert capsys.readouterr().err == "a.yaml:1: one\na.yaml:2: two\n"


def test_a_bug_is_called_a_bug_and_its_traceback_is_for_those_who_ask(
    shelf: CliShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, ZeroDivisionError("oops"))
    plain = shelf.run("hash")
    assert (plain.code, plain.out) == (1, "")
    assert "this is a bug in modelshelf: ZeroDivisionError: oops" in plain.err
    assert "--debug" in plain.err
    assert "Traceback" not in plain.err
    full = shelf.run("--debug", "hash")
    assert "Traceback" in full.err
    assert "Run it again" not in full.err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupted_command_says_so_by_its_exit_code(
    shelf: CliShelf, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    fail_with(monkeypatch, error)
    assert shelf.run("hash").code == 130


def test_a_pipe_that_is_closed_is_no_failure(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelshelf.cli.main._write_nowhere", lambda: None)
    fail_with(monkeypatch, BrokenPipeError())
    answer = shelf.run("hash")
    assert (answer.code, answer.err) == (0, "")


def test_an_error_of_the_system_is_named_and_no_bug(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelshelf.cli.main._write_nowhere", lambda: None)
    fail_with(monkeypatch, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    answer = shelf.run("hash")
    assert answer.code == 1
    assert answer.err == "Error: cannot use standard output: No space left on device (ENOSPC)\n"


def test_without_arguments_the_command_line_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["modelshelf", "--version"])
    assert main() == 0
    assert capsys.readouterr().out == f"modelshelf {__version__}\n"


def test_a_misspelt_command_is_told_the_nearest() -> None:
    result = CliRunner().invoke(commands.modelshelf, ["statsu"], obj=Opening())
    assert result.exit_code == 2
    assert "did you mean status?" in result.output


def test_a_command_that_nothing_is_like_is_a_usage_error() -> None:
    result = CliRunner().invoke(commands.modelshelf, ["xyzzy"], obj=Opening())
    assert result.exit_code == 2
    assert "No such command 'xyzzy'" in result.output


def test_no_command_at_all_is_a_usage_error(shelf: CliShelf) -> None:
    answer = shelf.run()
    assert answer.code == 2
    assert "Name a command" in answer.err


@pytest.mark.parametrize("name", [name for name in commands.ENTRANCES if name != "run"])
def test_every_command_explains_itself(shelf: CliShelf, name: str) -> None:
    answer = shelf.run(name, "--help")
    assert answer.code == 0
    assert "Usage: modelshelf" in answer.out
    assert name in shelf.run("--help").out


def test_global_options_may_stand_before_a_command_or_after_it(shelf: CliShelf) -> None:
    (shelf.root / "other.yaml").write_text("input_paths: {elsewhere: {path: loras}}\nstore: {directory: state}\n")
    assert "elsewhere" in shelf.run("--config", "other.yaml", "status").out
    assert "elsewhere" in shelf.run("status", "-c", "other.yaml").out


def test_a_configuration_that_is_named_but_not_there_is_a_configuration_error(shelf: CliShelf) -> None:
    answer = shelf.run("-c", "nowhere.yaml", "status")
    assert answer.code == 78
    assert "nowhere.yaml" in answer.err


def test_a_directory_that_is_gone_is_told(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = shelf.root / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    answer = shelf.run("status")
    assert answer.code == 1
    assert "the current directory" in answer.err


def modelshelf(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "modelshelf", *arguments]


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_version_and_help_import_no_library_but_click(argument: str) -> None:
    code = (
        "import sys; from modelshelf.cli.main import main; main([sys.argv[1]]); "
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, argument], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_a_pipe_that_is_closed_early_ends_the_command_quietly(shelf: CliShelf) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(modelshelf("config", "schema"), stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_disk_behind_the_answer_is_an_error() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(modelshelf("--help"), stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_a_closed_stdout_is_no_bug(shelf: CliShelf) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 1>&-', "sh", *modelshelf("status")], cwd=shelf.root, stderr=subprocess.PIPE, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_name_that_the_terminal_cannot_show_is_escaped(shelf: CliShelf) -> None:
    file = shelf.put("ink_墨.safetensors")
    done = subprocess.run(
        modelshelf("hash", str(file)),
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert rb"ink_\u58a8.safetensors" in done.stdout


def test_the_shell_can_complete_commands() -> None:
    asked = {"_MODELSHELF_COMPLETE": "bash_complete", "COMP_WORDS": "modelshelf sta", "COMP_CWORD": "1"}
    done = subprocess.run(modelshelf(), env=os.environ | asked, capture_output=True, text=True, check=False)
    assert done.stdout == "plain,status\n"
