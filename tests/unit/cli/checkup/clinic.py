"""How the tests of the checks admit a shelf, and what they ask of the findings."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelshelf.cli.checkup.finding import Deadline, Level
from modelshelf.cli.checkup.patient import admit
from modelshelf.cli.opening import Opening

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelshelf.cli.checkup.finding import Examination, Finding
    from modelshelf.cli.checkup.patient import Patient
    from tests.fakes.clock import FakeClock
    from tests.unit.cli.cli_shelf import CliShelf

NOW = datetime(2026, 8, 8, 12, tzinfo=UTC)


@dataclass
class Clinic:
    """A shelf, and the machine that it is said to stand on."""

    shelf: CliShelf
    clock: FakeClock
    proc: Path = Path("/proc")

    @contextmanager
    def patient(self, state: Path | None = None, config_path: Path | None = None, **changes: Any) -> Iterator[Patient]:
        """Admit the shelf by its configuration; `changes` replace what was found of it."""
        opening = Opening()
        opening.config_path = self.shelf.config if state is None else config_path
        with admit(opening, state, self.clock, self.proc) as found:
            yield replace(found, **changes)

    def examine(self, examination: Examination, seconds: float = 10.0, **changes: Any) -> list[Finding]:
        """Give what one check finds."""
        with self.patient(**changes) as patient:
            return list(examination(patient, Deadline(seconds)))


def levels(found: list[Finding]) -> set[Level]:
    """Give the levels that occur."""
    return {finding.level for finding in found}


def bad(found: list[Finding]) -> list[str]:
    """Give the texts of what is not OK; every one of it must have an advice."""
    assert all(finding.advice for finding in found if finding.level is not Level.OK)
    return [finding.text for finding in found if finding.level is not Level.OK]


def only(found: list[Finding], level: Level) -> Finding:
    """Give the one finding of this level."""
    (finding,) = [finding for finding in found if finding.level is level]
    assert finding.advice or level is Level.OK
    return finding
