"""A Sweep: one scan as it goes, what it saw and what it missed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelshelf.domain.model_file import ScanPhase
from modelshelf.steps.beside import from_text
from modelshelf.steps.stems import is_foreign
from modelshelf.steps.taking_note import Notes

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from modelshelf.domain.model_file import ModelFile, Stamp
    from modelshelf.domain.task import Task
    from modelshelf.steps.arriving import Arrivals
    from modelshelf.steps.footing import Footing
    from modelshelf.steps.looking import Look, Looker
    from modelshelf.steps.place import Place
    from modelshelf.steps.strays import Noticed


@dataclass(slots=True)
class Sweep:
    """What was seen, what is gone, what could not be read. `has_life`: a model was there, or what stood beside one.

    `arrivals` are files that are new and whole, `looks` what was looked at one by one.
    """

    task: Task
    place: Place
    footing: Footing
    looker: Looker
    looks: list[Look] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)
    gone: list[ModelFile] = field(default_factory=list)
    touched: list[int] = field(default_factory=list)
    visited: set[bytes] = field(default_factory=set)
    unseen: dict[bytes, str] = field(default_factory=dict)
    has_life: bool = False
    strays: list[Noticed] = field(default_factory=list)
    arrivals: list[Arrivals] = field(default_factory=list)

    @property
    def arrival_count(self) -> int:
        """How many new files are to be recorded."""
        return sum(len(stamps) for _, stamps in self.arrivals)

    def note_arrivals(self, directory: bytes, stamps: Sequence[Stamp]) -> None:
        """Take note of new files in one more directory."""
        if stamps:
            self.arrivals.append((directory, stamps))
            self.has_life = True

    def take_arrivals(self) -> list[Arrivals]:
        """Give the new files, and hold them no longer."""
        arrivals, self.arrivals = self.arrivals, []
        return arrivals

    def note_strays(self, noticed: Noticed | None) -> None:
        """Take note of the strays of one more directory."""
        self.strays += [noticed] if noticed is not None else []


@dataclass(frozen=True, slots=True)
class Away:
    """A scan that came to nothing, for its folder is not there."""

    folder_id: str
    reason: str


def has_left_traces(row: ModelFile, names: Collection[bytes]) -> bool:
    """Tell whether something that stood beside a vanished file is still there."""
    return any(os.fsencode(name) in names for name in from_text(row.companions))


def is_described(row: ModelFile) -> bool:
    """Tell whether a file was read in full, so that what stands beside it is read and written too."""
    return row.scan_phase is ScanPhase.DEEP and row.waiting_reason is None and not is_foreign(row)
