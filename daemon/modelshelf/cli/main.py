"""Where a person's command begins and where every error ends: the exit codes, and the one display of errors."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelshelf.cli.commands import modelshelf
from modelshelf.cli.exits import Exit
from modelshelf.cli.opening import Opening
from modelshelf.errors import ConfigError, ModelshelfError, StoreDamaged, UsageError, from_os_error

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "modelshelf"
HIGHEST_STANDARD_DESCRIPTOR = 2
COMPLETION_VARIABLE = "_MODELSHELF_COMPLETE"
"""Set by the shell's completion script, which asks click and not us."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; nothing is ever raised out of here."""
    _occupy_standard_descriptors()
    opening = Opening()
    try:
        _make_streams_lenient()
        if COMPLETION_VARIABLE in os.environ:
            modelshelf.main(prog_name=NAME)
        code = _run(opening, sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt, EOFError):
        click.echo(err=True)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        _write_nowhere()
        return Exit.GOOD
    except (click.ClickException, ModelshelfError) as error:
        return show_error(error)
    except OSError as error:
        _show_trace(error, opening)
        _write_nowhere()
        return show_error(from_os_error(error, error.filename or "standard output", "use"))
    except Exception as error:  # noqa: BLE001 -- `main`, one of the five
        return _show_bug(error, opening)
    return code


def _run(opening: Opening, arguments: list[str]) -> int:
    """Do what click's own `main` does, but leave closed pipes and Ctrl-C to ours."""
    try:
        with modelshelf.make_context(NAME, arguments, obj=opening) as context:
            code = modelshelf.invoke(context)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    return code if isinstance(code, int) else Exit.GOOD


def show_error(error: click.ClickException | ModelshelfError) -> int:
    """Tell a person what went wrong, on stderr, and give the exit code for it."""
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, ConfigError):
        click.echo(str(error), err=True)
        return Exit.CONFIGURATION
    click.echo(f"Error: {error}", err=True)
    if isinstance(error, StoreDamaged):
        click.echo("The daemon sets it aside when it starts next, and takes the newest good backup.", err=True)
    return Exit.USAGE if isinstance(error, UsageError) else Exit.FAILED


def _show_bug(error: Exception, opening: Opening) -> int:
    _show_trace(error, opening)
    click.echo(f"Error: this is a bug in modelshelf: {type(error).__name__}: {error}", err=True)
    if not opening.is_debug:
        click.echo("Run it again with --debug and report what it prints.", err=True)
    return Exit.FAILED


def _show_trace(error: Exception, opening: Opening) -> None:
    if opening.is_debug:
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)


def _occupy_standard_descriptors() -> None:
    """Put /dev/null where stdin, stdout or stderr is closed: else a file of ours gets that number, and tracebacks land in it."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= HIGHEST_STANDARD_DESCRIPTOR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _make_streams_lenient() -> None:
    """A name that the terminal's encoding lacks is escaped, and a closed stdout swallows: neither may end the command."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- open as long as the process is
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _write_nowhere() -> None:
    """Let what is still buffered go nowhere, or the interpreter complains about it on its way out."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
