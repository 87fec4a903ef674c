"""The folders: whether they are there, what they lie on, and whether the daemon may read and write in them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from modelshelf.cli.checkup.finding import Finding, Level
from modelshelf.cli.wording import count_text, size_text, when_text
from modelshelf.domain.display import readable
from modelshelf.errors import FolderOffline, ModelshelfError
from modelshelf.notifying.free_space import least_bytes
from modelshelf.shelf.devices import device_of
from modelshelf.shelf.patience import Patience
from modelshelf.shelf.presence import check_presence
from modelshelf.shelf.room import room_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modelshelf.cli.checkup.finding import Deadline
    from modelshelf.cli.checkup.patient import Patient
    from modelshelf.domain.folder import Folder
    from modelshelf.store.folders import FolderState
    from modelshelf.store.store import Store

UNSEEN_SHOWN = 3


def mounts(patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
    """Tell of each folder whether it is there, answers, and what it lies on."""
    states = _states(patient)
    patience = Patience()
    for folder in patient.folders:
        yield from _apart(folder, patience, lambda folder=folder: _mount(patient, folder, states.get(folder.id)))  # type: ignore[misc]


def permissions(patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
    """Tell of each folder whether the daemon's user may list it and write beside models; nothing is tried out."""
    patience = Patience()
    for folder in patient.folders:
        yield from _apart(folder, patience, lambda folder=folder: _permission(patient, folder))  # type: ignore[misc]


def free_space(patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
    """Tell of each disk with a folder on it whether there is room."""
    patience, told = Patience(), set[int]()
    for folder in patient.folders:
        try:
            room = patience.ask(folder.id, lambda folder=folder: room_at(folder.path))  # type: ignore[misc]
        except ModelshelfError:
            continue  # `mounts` tells of it
        if room.device in told:
            continue
        told.add(room.device)
        text = f"{size_text(room.free_bytes)} of {size_text(room.size_bytes)} free"
        if room.free_bytes < least_bytes(room):
            advice = "make room: sidecars, pictures and pages go there too"
            yield Finding("space", Level.WARNING, f"nearly full: {text}", advice, folder.id)
        else:
            yield Finding("space", Level.OK, text, about=folder.id)


def doubts(patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
    """Tell what the daemon itself could not make out: files held back, mounts lost, what it cannot look at."""
    with patient.store() as store:
        if store is not None:
            yield from _held(patient, store)
            yield from _unseen(store)


def _states(patient: Patient) -> dict[str, FolderState]:
    with patient.store() as store:
        return {state.id: state for state in store.folders.states()} if store is not None else {}


def _apart(folder: Folder, patience: Patience, look: Callable[[], list[Finding]]) -> list[Finding]:
    """Look at a folder in a thread of its own, so that a dead mount costs the others nothing."""
    try:
        return patience.ask(folder.id, look)
    except FolderOffline as error:
        advice = "see dmesg and the server; umount -l and mount it again"
        return [Finding("folders", Level.WRONG, str(error), advice, folder.id)]


def _mount(patient: Patient, folder: Folder, state: FolderState | None) -> list[Finding]:
    about = folder.id
    try:
        check_presence(folder, state.file_count if state else 0)
    except FolderOffline as error:
        since = when_text(state.offline_since, patient.clock.now()) if state and state.offline_since else ""
        text = str(error) + (f" (offline since {since})" if since else "")
        return [Finding("folders", Level.WRONG, text, "mount it, or mend its path in the configuration", about)]
    traits, is_read_only = device_of(folder.path), os.statvfs(folder.path).f_flag & os.ST_RDONLY
    ways = ["events" if traits.has_events else "no events: scans alone see changes"]
    ways += [] if traits.is_honest else ["its inodes and times are not to be relied on"]
    found = [
        Finding("folders", Level.OK, f"{readable(folder.path)} on {traits.file_system} ({', '.join(ways)})", "", about)
    ]
    if is_read_only:
        advice = "remount it for writing, or switch off what is written there (output:)"
        found.append(
            Finding("folders", Level.WARNING, "it is read-only: nothing can be written beside models", advice, about)
        )
    if state is not None and state.offline_since is not None:
        text = f"it is there, but the daemon holds it for offline: {state.offline_reason or 'unknown'}"
        advice = "wait half a minute; then see modelshelf status"
        found.append(Finding("folders", Level.WARNING, readable(text), advice, about))
    return found


def _permission(patient: Patient, folder: Folder) -> list[Finding]:
    account = patient.account
    if account is None:
        return []
    barrier = account.barrier(folder.path)
    if barrier is not None:
        text, opened = f"{account.name} may not pass through {readable(barrier)}", f"chmod o+x {readable(barrier)}"
        advice = f"{opened}, or let {account.name} into its group; or move the models out of it"
        return [Finding("permissions", Level.WRONG, text, advice, folder.id)]
    try:
        may_list, may_write = account.may(folder.path, os.R_OK | os.X_OK), account.may(folder.path, os.W_OK)
    except OSError:
        return []  # it is away, or behind a door that is closed to us: `mounts` tells of it
    level, text, advice = _judged(account.name, readable(folder.path), may_list=may_list, may_write=may_write)
    return [Finding("permissions", level, text, advice, folder.id)]


def _judged(name: str, shown: str, *, may_list: bool | None, may_write: bool | None) -> tuple[Level, str, str]:
    advice = f"let {name} in: systemctl edit modelshelf (SupplementaryGroups=), or chgrp and chmod g+rwX {shown}"
    if may_list is False:
        return Level.WRONG, f"{name} may not list {shown}", advice
    if may_write is False:
        return Level.WARNING, f"{name} may not write into {shown}: no sidecars, pictures or pages there", advice
    if may_list is None or may_write is None:
        return Level.OK, f"{shown} has an access list; whether {name} may write there was not told", ""
    return Level.OK, f"{name} may read and write in {shown}", ""


def _held(patient: Patient, store: Store) -> Iterator[Finding]:
    now = patient.clock.now()
    for hold in store.holds.all():
        text = f"{count_text(hold.file_count, 'file', 'files')} vanished at once {when_text(hold.held_since, now)}"
        advice = f"bring them back, or: modelshelf confirm-missing {hold.folder_id}"
        yield Finding("folders", Level.WARNING, text, advice, hold.folder_id)
    for point in store.grounds.all_mount_points():
        if point.lost_since is not None:
            text = f"{readable(point.path)} in it was a mount and is none since {when_text(point.lost_since, now)}"
            advice = f"mount it, or: modelshelf confirm-missing {point.folder_id}"
            yield Finding("folders", Level.WARNING, text, advice, point.folder_id)


def _unseen(store: Store) -> Iterator[Finding]:
    unseen = store.failures.all()
    for folder_id in dict.fromkeys(each.folder_id for each in unseen):
        own = [each for each in unseen if each.folder_id == folder_id]
        named = "; ".join(f"{readable(each.path)}: {readable(each.reason)}" for each in own[:UNSEEN_SHOWN])
        text = f"{count_text(len(own), 'place', 'places')} could not be looked at: {named}"
        yield Finding("permissions", Level.WARNING, text, "modelshelf failures; mend their permissions", folder_id)
