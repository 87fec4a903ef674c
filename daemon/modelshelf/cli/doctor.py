"""`modelshelf doctor`: looks at everything an installation needs, and says what to do about what is not well."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelshelf import __version__
from modelshelf.cli.checkup import census, folders, log_patterns, machine, owed, premises, reach, records
from modelshelf.cli.checkup.finding import Check, Finding, Level, run_all
from modelshelf.cli.checkup.patient import admit
from modelshelf.cli.exits import Exit
from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.showing import json_option, show_json, show_line
from modelshelf.cli.wording import count_text, path_json
from modelshelf.clock import SystemClock
from modelshelf.domain.display import readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.cli.checkup.patient import Patient
    from modelshelf.domain.jsontypes import JsonObject

CHECKS = (
    Check("configuration", premises.configuration),
    Check("state", premises.state),
    Check("daemon", premises.daemon),
    Check("database", records.database, seconds=60.0),
    Check("backups", records.backups, seconds=60.0),
    Check("folders", folders.mounts, seconds=20.0),
    Check("folders", folders.doubts),
    Check("permissions", folders.permissions, seconds=20.0),
    Check("space", folders.free_space, seconds=20.0),
    Check("files", census.files, seconds=20.0),
    Check("watches", machine.watches),
    Check("open files", machine.open_files),
    Check("clock", machine.clock),
    Check("civitai", reach.civitai, seconds=20.0),
    Check("work", owed.work),
    Check("chunks", owed.chunks),
    Check("log", log_patterns.log, seconds=20.0),
    Check("packages", machine.packages),
)
"""In the order in which a person should mend things."""

WORDS = {Level.OK: "OK", Level.WARNING: "WARNING", Level.WRONG: "WRONG"}
_COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.WRONG: "red"}
_LONGEST_WORD = max(map(len, WORDS.values()))


@click.command()
@click.option(
    "--state",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Examine the installation whose state directory is DIR; --config names its configuration.",
)
@json_option
@global_options
@click.pass_obj
def doctor(opening: Opening, *, state: Path | None, is_json: bool) -> int:
    """Examine the installation: a line per finding, and what to do about what is not OK. Nothing is changed.

    Exit status 1 if anything is WRONG; warnings alone are 0. It is best run as the user of the service.
    """
    directory = Path(os.path.abspath(state)) if state is not None else None  # noqa: PTH100 -- resolve() would follow symlinks
    with admit(opening, directory, SystemClock()) as patient:
        found = run_all(CHECKS, patient)
        if is_json:
            show_json(_document(patient, found))
        else:
            _show(opening, found)
    return Exit.FAILED if _worst(found) is Level.WRONG else Exit.GOOD


def _worst(found: Sequence[Finding]) -> Level:
    return max((finding.level for finding in found), default=Level.OK)


def _show(opening: Opening, found: Sequence[Finding]) -> None:
    for finding in found:
        if opening.is_quiet and finding.level is Level.OK:
            continue
        word = click.style(WORDS[finding.level].ljust(_LONGEST_WORD), fg=_COLOURS[finding.level])
        about = f" {readable(finding.about)}" if finding.about else ""
        show_line(f"{word}  {finding.check}{about}: {_one_line(finding.text)}")
        if finding.level is not Level.OK:
            show_line(f"{'':{_LONGEST_WORD}}    -> {_one_line(finding.advice)}")
    counts = [(level, sum(each.level is level for each in found)) for level in (Level.WRONG, Level.WARNING)]
    wrong, warnings = (count for _, count in counts)
    opening.note(f"{count_text(wrong, 'thing is', 'things are')} wrong, {count_text(warnings, 'warning', 'warnings')}.")


def _one_line(text: str) -> str:
    """Give a text that a path or a server's words may be in as one line that no terminal takes for a command."""
    return readable(" ".join(text.split()))


def _document(patient: Patient, found: Sequence[Finding]) -> JsonObject:
    directory = patient.state_directory
    return {
        "version": __version__,
        **(path_json(directory, "state_directory") if directory else {"state_directory": None}),
        "worst": WORDS[_worst(found)].lower(),
        "findings": [
            {
                "check": finding.check,
                "about": readable(finding.about) or None,
                "level": WORDS[finding.level].lower(),
                "text": _one_line(finding.text),
                "advice": _one_line(finding.advice) or None,
            }
            for finding in found
        ],
    }
