"""A Finding: what a check saw, how bad it is, and what to do about it; and how checks are run that may never end."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from modelshelf.errors import ModelshelfError, StoreDamaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from modelshelf.cli.checkup.patient import Patient

    Examination = Callable[["Patient", "Deadline"], Iterator["Finding"]]


class Level(IntEnum):
    """How bad it is. Only what is wrong makes the exit status 1."""

    OK = 0
    WARNING = 1
    WRONG = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer. `about` names a folder or file where a check has several; what is not OK has an `advice`."""

    check: str
    level: Level
    text: str
    advice: str = ""
    about: str = ""


class Deadline:
    """When a check has to be done. What reads in a loop asks it and stops by itself."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._ends_at = monotonic() + seconds

    def left_seconds(self) -> float:
        """Give the seconds left, at least 0."""
        return max(0.0, self._ends_at - self._monotonic())

    def is_over(self) -> bool:
        """Tell whether the time is over."""
        return not self.left_seconds()


@dataclass(frozen=True, slots=True)
class Check:
    """One part of the examination and how long it may take."""

    name: str
    examine: Examination
    seconds: float = 10.0


RESTORE = "stop the daemon and start it again: it sets the store aside and takes the newest good backup"

GRACE_SECONDS = 2.0
"""A check that watches its deadline ends a little after it, with what it found."""


def run_all(checks: Sequence[Check], patient: Patient) -> list[Finding]:
    """Give the findings of all checks in their order. They run beside each other; what does not end in time is cut short."""
    looks = [_Look(check, patient) for check in checks]
    for look in looks:
        look.start()
    found = [finding for look in looks for finding in look.findings_in_time()]
    return [*found, *_damage(looks)]


def _damage(looks: Sequence[_Look]) -> list[Finding]:
    """Tell once of a store that is damaged, however many checks came to that."""
    cut_short = {look.name.removeprefix(_PREFIX): look.damage for look in looks if look.damage is not None}
    if not cut_short:
        return []
    text = f"{next(iter(cut_short.values()))}; so not all was examined of: {', '.join(cut_short)}"
    return [Finding("database", Level.WRONG, text, RESTORE)]


class _Look(threading.Thread):
    """One check in a thread of its own, because a dead mount holds whoever touches it for ever."""

    def __init__(self, check: Check, patient: Patient) -> None:
        super().__init__(name=f"{_PREFIX}{check.name}", daemon=True)
        self._check = check
        self._patient = patient
        self._deadline = Deadline(check.seconds)
        self._found: list[Finding] = []
        self._is_complete = False
        self.damage: StoreDamaged | None = None

    def run(self) -> None:
        """Gather findings; one that is there is kept whatever comes after it."""
        try:
            for finding in self._check.examine(self._patient, self._deadline):
                self._found.append(finding)
        except StoreDamaged as error:
            self.damage = error
        except (ModelshelfError, OSError) as error:
            self._found.append(Finding(self._check.name, Level.WARNING, f"could not be examined: {error}", _AGAIN))
        self._is_complete = True

    def findings_in_time(self) -> list[Finding]:
        """Wait until the check is done or its time is over."""
        self.join(self._deadline.left_seconds() + GRACE_SECONDS)
        if self._is_complete:
            return self._found
        name, seconds = self._check.name, self._check.seconds
        if not self.is_alive():
            broke = "the check broke off, which is a bug in modelshelf"
            return [*self._found, Finding(name, Level.WARNING, broke, "report what stands above")]
        cut = f"cut short after {seconds:g} seconds: a disk, a mount or a server does not answer"
        return [*self._found, Finding(name, Level.WARNING, cut, "see which one it is, and run modelshelf doctor again")]


_PREFIX = "check-"
_AGAIN = "mend that, or run it as the user of the service: sudo -u modelshelf modelshelf doctor"
