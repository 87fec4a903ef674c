"""A Place: a Folder with all that steps need to know of where it stands and what is written there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from modelshelf.domain.display import readable
from modelshelf.domain.folder import WatchMode
from modelshelf.domain.output import Spot
from modelshelf.domain.task import TaskKind
from modelshelf.errors import FileGone, FolderOffline
from modelshelf.files import make_directory
from modelshelf.shelf.presence import check_presence
from modelshelf.steps.beside import stat_if_there
from modelshelf.steps.footing import demand_footing

if TYPE_CHECKING:
    from modelshelf.domain.folder import Folder
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.domain.output import Output
    from modelshelf.domain.task import Task
    from modelshelf.shelf.devices import DeviceTraits
    from modelshelf.shelf.intake import Intake
    from modelshelf.store.store import Store


@dataclass(frozen=True, slots=True)
class Place:
    """One watched Folder. `stability_delay_seconds` is the quiet time for files that prove nothing by themselves."""

    folder: Folder
    intake: Intake
    traits: DeviceTraits
    output: Output
    stability_delay_seconds: float
    is_described_skipped: bool = True

    @property
    def root(self) -> Path:
        """The folder's absolute path."""
        return self.folder.path

    @property
    def has_events(self) -> bool:
        """Whether the folder is watched by events; else it is scanned often."""
        if self.folder.watch is WatchMode.AUTO:
            return self.traits.has_events
        return self.folder.watch is WatchMode.EVENTS

    def border(self, target: Path) -> Path | None:
        """Give the directory that writing `target` may not leave, None where the configuration itself names another place."""
        candidates = (self.root, self.output.base_directory)
        place = Path(os.path.normpath(target))
        return next((each for each in candidates if each is not None and place.is_relative_to(each)), None)

    def spot(self, file: ModelFile) -> Spot:
        """Give where what is written for one of the folder's files goes."""
        return Spot(self.locate(file), self.folder.model_type, self.output.base_directory)

    def locate(self, file: ModelFile) -> Path:
        """Give the absolute path of one of the folder's files."""
        return file.absolute(self.folder.path)


Places: TypeAlias = Mapping[str, Place]


def place_of(places: Places, file: ModelFile) -> Place:
    """Give the Place of a file, or raise `FolderOffline` where its folder is no longer configured.

    Such work sleeps: nothing of an unknown folder is claimed, and when the folder is configured again it goes on.
    """
    place = places.get(file.folder_id)
    if place is None:
        raise FolderOffline(
            f"folder {file.folder_id!r} is not configured any more; add it to input_paths or leave it be"
        )
    return place


def place_named(places: Places, task: Task) -> Place:
    """Give the Place that a task is about, or raise `FileGone` where it is not configured: its scans begin anew then."""
    place = places.get(task.subject)
    if place is None:
        raise FileGone(f"folder {task.subject!r} is not configured any more")
    return place


def known_file(store: Store, task: Task) -> ModelFile:
    """Give the file that a task is about, or raise `FileGone` if it is missing or was never there."""
    file = store.files.get(int(task.subject))
    if file is None or file.missing_since is not None:
        where = readable(file.path) if file else f"file {task.subject}"
        raise FileGone(f"{where} is no longer on the shelf")
    return file


def present_file(store: Store, places: Places, task: Task) -> tuple[ModelFile, Place]:
    """Give the file that a task is about and its Place, seeing first that it lies there; raises as `demand_present` does."""
    file = known_file(store, task)
    place = place_of(places, file)
    demand_present(store, place, file)
    return file, place


def demand_present(store: Store, place: Place, file: ModelFile) -> None:
    """Raise FileGone unless the file lies there; FolderOffline where it may come back: with its mount, or out of a hold.

    To be asked right before anything is written beside it: nothing may be written onto a bare mount point.
    """
    path = os.fsencode(place.locate(file))
    if stat_if_there(path) is None:
        demand_footing(store, place.folder, file)
        raise FileGone(f"{readable(path)} is no longer there")


def awaits_its_sidecars(store: Store, file: ModelFile) -> bool:
    """Tell whether a moved file's sidecars are still to be carried after it: until then nothing is written in their way.

    What is left out meanwhile follows from the carrying.
    """
    return store.journal.is_owed(TaskKind.CARRY_SIDECARS, str(file.id))


def is_as_it_was(store: Store, file: ModelFile) -> bool:
    """Tell, while recording, whether the file is still the one that was read: a scan may have seen other bytes meanwhile."""
    current = store.files.get(file.id)
    return current is not None and current.fingerprint == file.fingerprint


def make_room(place: Place, target: Path) -> None:
    """Make the directory that a file of ours goes into; never the folder itself, which may only be unmounted."""
    if not target.parent.is_dir():
        check_presence(place.folder, 0)
        make_directory(target.parent)
