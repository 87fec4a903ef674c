"""What a person means: a folder by its id, a path inside one of the folders, a job by its name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import ModelshelfError, UsageError
from modelshelf.shelf.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from modelshelf.config import Config, Job
    from modelshelf.domain.folder import Folder


@dataclass(frozen=True, slots=True)
class Spot:
    """A folder, or one path in it: `path` is relative to the folder, empty for all of it."""

    folder: Folder
    path: bytes = b""

    @property
    def absolute(self) -> bytes:
        """The whole path."""
        return os.path.join(os.fsencode(self.folder.path), self.path) if self.path else os.fsencode(self.folder.path)


def find_spots(config: Config, target: str | None) -> list[Spot]:
    """Give what a scan is to look through: all folders for None, else a folder or one path of it.

    Symbolic links are followed to where they lead, because a walk does not enter them. UsageError where that is in no folder.
    """
    folders = config.folders()
    if target is None:
        return [Spot(folder) for folder in folders]
    named = [folder for folder in folders if folder.id == target]
    if named:
        return [Spot(named[0])]
    spot = spot_at(folders, os.path.realpath(os.fsencode(target)))
    if spot is None:
        raise UsageError(_no_such_place(target, folders))
    return [spot]


def spot_at(folders: Sequence[Folder], *absolutes: bytes) -> Spot | None:
    """Give the folder that an absolute path lies in, and the path within it; None where it lies in none.

    More ways to write one path may be given. Where a folder's own path leads is asked only if none fits as configured.
    """
    literal = ((folder, os.fsencode(folder.path)) for folder in folders)
    resolved = ((folder, _resolved(folder)) for folder in folders)
    for folder, root in chain(literal, resolved):
        for absolute in absolutes:
            if absolute == root:
                return Spot(folder)
            if absolute.startswith(root.rstrip(b"/") + b"/"):
                return Spot(folder, os.path.relpath(absolute, root))
    return None


def _resolved(folder: Folder) -> bytes:
    path = os.fsencode(folder.path)
    try:
        return Patience().ask(folder.id, lambda: os.path.realpath(path))
    except ModelshelfError:
        return path  # it does not answer: as it is written is all that is known


def find_job(config: Config, name: str) -> Job:
    """Give the job of this name; UsageError with the names that there are."""
    for job in config.jobs:
        if job.name == name:
            return job
    names = [job.name for job in config.jobs]
    raise UsageError(f"there is no job {name!r}{_nearest(name, names)}; the jobs are: {', '.join(names)}")


def _no_such_place(target: str, folders: Sequence[Folder]) -> str:
    listed = ", ".join(f"{folder.id} ({readable(folder.path)})" for folder in folders)
    near = _nearest(target, [folder.id for folder in folders])
    return f"{readable(target)} is neither a folder's id nor in one of the folders{near}; they are: {listed}"


def _nearest(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
