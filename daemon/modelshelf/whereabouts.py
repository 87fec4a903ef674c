"""Where the folders lie: which is away, which came back, and over which something was mounted while nobody could hear it."""

from __future__ import annotations

import os
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from modelshelf.domain.task import NewTask, Priority, TaskKind
from modelshelf.errors import FolderOffline, ModelshelfError, from_os_error
from modelshelf.logs import get_log
from modelshelf.shelf.devices import DeviceTraits, device_of, mount_table
from modelshelf.shelf.mounts import mounts_around
from modelshelf.shelf.patience import Patience, await_answer
from modelshelf.shelf.presence import is_seen
from modelshelf.shelf.walk import walk
from modelshelf.steps.absence import note_offline
from modelshelf.steps.footing import check_witness, find_footing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from datetime import datetime

    from modelshelf.clock import Clock
    from modelshelf.domain.folder import Folder
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.steps.place import Place
    from modelshelf.store.folders import FolderState
    from modelshelf.store.store import Store

log = get_log(__name__)

RETURN_DIRECTORIES = 200
"""So many directories are searched for a model, every half minute, before a folder is taken for one that is still away."""

AWAY = DeviceTraits(id="away", file_system="unknown", is_local=False, is_honest=False, has_events=True)
"""What is assumed of a folder that is not there: nothing good, but events are tried when it comes."""


class Whereabouts:
    """Keeps `places` true. Every look at a disk is waited for a little only, for a dead mount never answers."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        folders: Sequence[Folder],
        make_place: Callable[[Folder, DeviceTraits], Place],
        on_move: Callable[[Place], None],
        ring: Callable[[], None],
    ) -> None:
        """Look at every folder. `on_move` gets the Place of one that lies elsewhere now; then its scan is owed, and rung for."""
        self._store = store
        self._clock = clock
        self._make_place = make_place
        self._on_move = on_move
        self._ring = ring
        self._patience = Patience()
        self._mounts = _mounts_now()
        self._devices: dict[str, frozenset[bytes]] = {}
        self._roots: dict[str, tuple[int, int]] = {}
        self.places: dict[str, Place] = {folder.id: self._look_at(folder) for folder in folders}
        for place in self.places.values():
            if place.traits is AWAY:
                log.warning("folder_not_found", folder=place.folder.id, path=place.root)

    def owe_scans(self, folder_ids: Iterable[str]) -> None:
        """Owe a scan of each of these folders."""
        scans = [NewTask(TaskKind.SCAN_FOLDER, folder_id, priority=Priority.CHANGED) for folder_id in folder_ids]
        self._store.journal.add(scans, self._clock.now())
        self._ring()

    def look_around(self) -> None:
        """Find what came, went or was covered; nothing touches a disk where all is as it was."""
        self._look_for_absent()
        self._look_for_held()
        self._look_at_mounts()
        self._look_at_roots()

    def question(self, folder_ids: Collection[str]) -> None:
        """Note as absent which of these folders do not answer: nothing more is claimed of them until they do."""
        for state in self._store.folders.states():
            place = self.places.get(state.id)
            if place is not None and state.id in folder_ids and state.offline_since is None:
                self._question(place)

    def _question(self, place: Place) -> None:
        try:
            self._patience.ask(place.folder.id, lambda: await_answer(place.root))
        except FolderOffline as error:
            note_offline(self._store, place.folder.id, str(error), self._clock.now())

    def _look_at(self, folder: Folder) -> Place:
        try:
            traits, self._devices[folder.id], self._roots[folder.id] = self._patience.ask(
                folder.id, lambda: _look(folder)
            )
        except ModelshelfError as error:
            log.debug("folder_stayed_away", folder=folder.id, reason=str(error))
            traits = AWAY
        return self._make_place(folder, traits)

    def _look_at_mounts(self) -> None:
        """A mount that covers a folder, or uncovers it, is heard by nobody: the watches lie on what was there before."""
        mounts = _mounts_now()
        if mounts == self._mounts:
            return
        self._mounts = mounts
        for place in [*self.places.values()]:
            before = self._devices.get(place.folder.id)
            now = self._look_at(place.folder)
            is_mounted_anew = now.traits != place.traits or self._devices.get(place.folder.id) != before
            if now.traits is not AWAY and is_mounted_anew:
                log.info("folder_remounted", folder=now.folder.id, file_system=now.traits.file_system)
                self._settle(now)

    def _look_at_roots(self) -> None:
        """A directory above a folder that is renamed, or a link that leads elsewhere, is heard by nobody either.

        What is watched is in the kernel's memory: to ask for it wakes no disk. What is not is scanned often.
        """
        away = {state.id for state in self._store.folders.states() if state.offline_since is not None}
        for place in [*self.places.values()]:
            folder = place.folder
            if folder.id in away or place.traits is AWAY or not place.has_events:
                continue
            try:
                is_same = self._patience.ask(folder.id, partial(_root_of, folder)) == self._roots[folder.id]
            except ModelshelfError:
                self.owe_scans([folder.id])  # the scan tells what is the matter with it
                continue
            if not is_same:
                log.info("folder_remounted", folder=folder.id, file_system=place.traits.file_system)
                self._settle(self._look_at(folder))

    def _look_for_absent(self) -> None:
        """Nothing is claimed of an absent folder, not even a scan: it is found back only here."""
        for state in self._store.folders.states():
            place = self.places.get(state.id)
            if place is not None and (state.offline_since is not None or place.traits is AWAY):
                self._look_for(place, state)

    def _look_for(self, place: Place, state: FolderState) -> None:
        folder = place.folder
        try:
            self._patience.ask(folder.id, lambda: check_return(self._store, place, state, self._clock.now()))
        except FolderOffline as error:
            log.debug("folder_stayed_away", folder=folder.id, reason=str(error))
            if state.offline_since is None:
                note_offline(self._store, folder.id, str(error), self._clock.now())
            return
        now = self._look_at(folder)
        if now.traits is AWAY and state.offline_since is None:
            return
        self._note_return(folder.id)
        self._settle(now)

    def _look_for_held(self) -> None:
        """A folder of which much vanished at once is scanned as soon as a few of those files, drawn then, begin to return."""
        for hold in self._store.holds.all():
            place = self.places.get(hold.folder_id)
            rows = [row for file_id in hold.sample if (row := self._store.files.get(file_id)) is not None]
            if place is not None and place.traits is not AWAY and self._is_any_back(place, rows):
                self.owe_scans([hold.folder_id])

    def _is_any_back(self, place: Place, rows: Sequence[ModelFile]) -> bool:
        paths = [os.fsencode(place.locate(row)) for row in rows]
        try:
            return self._patience.ask(place.folder.id, lambda: any(is_seen(path) for path in paths))
        except FolderOffline:
            return False  # budget: a file system that does not answer shows nothing

    def _settle(self, place: Place) -> None:
        self.places[place.folder.id] = place
        self._on_move(place)
        self.owe_scans([place.folder.id])

    def _note_return(self, folder_id: str) -> None:
        with self._store.database.transaction():
            if self._store.folders.set_online(folder_id):
                self._store.events.add("folder_came_back", self._clock.now(), folder_id=folder_id)
        log.info("folder_came_back", folder=folder_id)


def _mounts_now() -> frozenset[bytes]:
    try:
        return mount_table()
    except ModelshelfError as error:
        log.debug("mounts_not_read", reason=str(error))
        return frozenset()


def check_return(store: Store, place: Place, state: FolderState, now: datetime) -> None:
    """Raise FolderOffline unless the folder is there, and is what it was or shows one of its files.

    A bare mount point may hold a stray file, and is not to be scanned every half minute for that. Where neither inode nor
    device number can be relied on, any model at all will do, but it is not looked for without end.
    """
    await_answer(place.root)
    footing = find_footing(store, place.folder, now)
    if footing.is_confirmed or not state.file_count or not footing.is_known or place.traits.is_honest:
        return
    listings = islice(walk(place.root, place.intake), RETURN_DIRECTORIES)
    if not any(listing.models for listing in listings):
        check_witness(store, place.folder, footing, [])


def _look(folder: Folder) -> tuple[DeviceTraits, frozenset[bytes], tuple[int, int]]:
    devices = mounts_around(os.path.realpath(os.fsencode(folder.path))).devices
    return device_of(folder.path), devices, _root_of(folder)


def _root_of(folder: Folder) -> tuple[int, int]:
    try:
        status = folder.path.stat()
    except OSError as error:
        raise from_os_error(error, os.fsencode(folder.path), "look at") from error
    return status.st_dev, status.st_ino
