"""The footing of a folder: whether its files may be judged now. Asked before a look at it, after it, and as it is recorded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import FileChanged, FolderOffline
from modelshelf.shelf.mounts import MountView, mounts_around
from modelshelf.shelf.presence import check_presence, ground_of, is_seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from modelshelf.domain.folder import Folder
    from modelshelf.domain.ground import Ground
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.store.store import Store

WITNESSES = 32
"""So many known files are looked for, drawn anew each time: where one in ten is still there, one look in thirty misses it."""

MANY_WITNESSES = 256
"""So many where some are known to be gone, and those that are left may be few."""


@dataclass(frozen=True, slots=True)
class Footing:
    """What a folder stands on while it is looked at.

    `is_known`: its files were last seen on this very ground. `is_elsewhere`: on another file system, so that inodes and ctimes
    of then mean nothing now. `lost`: directories that were mounts of their own and are none now, with the reason why nothing in
    them is judged. `is_confirmed`: a person said, of this ground and lately, that what is not there is gone.
    """

    absolute: bytes
    ground: Ground
    mounts: MountView
    lost: Mapping[bytes, str]
    is_known: bool
    is_elsewhere: bool
    is_confirmed: bool

    def has_same_mounts(self) -> bool:
        """Tell whether nothing was mounted or unmounted since; the kernel knows, and no disk is asked."""
        return mounts_around(self.absolute) == self.mounts

    def is_lost(self, path: bytes) -> bool:
        """Tell whether a path of the folder lies where a mount is missing."""
        return any(is_within(path, each) for each in self.lost)


def find_footing(store: Store, folder: Folder, now: datetime | None = None) -> Footing:
    """Give what the folder stands on; FolderOffline unless it is there, and the one that was.

    Where the ground is not the one on which its files were last seen, one of them must be seen: a reboot may give every disk
    another number, but an unmounted one shows none of them, whatever else was put on its bare mount point. A person's word
    to the contrary is for the scan alone, which gives `now`; all else waits for what that records.
    """
    confirmed = None if now is None else store.holds.confirmed_ground(folder.id, now)
    file_count = store.folders.state(folder.id).file_count
    check_presence(folder, file_count if confirmed is None else 0)
    absolute = os.path.realpath(os.fsencode(folder.path))
    mounts, ground, known = mounts_around(absolute), ground_of(folder), store.grounds.of(folder.id)
    is_confirmed = ground == confirmed
    if not is_confirmed and confirmed is not None:
        check_presence(folder, file_count)
    if ground != known and not is_confirmed:
        _demand_witness(folder, _drawn(store, folder, mounts, WITNESSES))
    return Footing(
        absolute=absolute,
        ground=ground,
        mounts=mounts,
        lost={} if is_confirmed else _lost(store, folder, mounts),
        is_known=ground == known,
        is_elsewhere=known is not None and not ground.is_same_file_system(known),
        is_confirmed=is_confirmed,
    )


def check_footing(store: Store, folder: Folder, footing: Footing) -> None:
    """Raise FolderOffline where the folder is gone since, FileChanged where something else is mounted: nothing seen counts."""
    check_presence(folder, 0 if footing.is_confirmed else store.folders.state(folder.id).file_count)
    if ground_of(folder) != footing.ground or not footing.has_same_mounts():
        raise FileChanged(f"{readable(folder.path)} was mounted or unmounted while it was looked through")


def check_witness(store: Store, folder: Folder, footing: Footing, gone: Sequence[ModelFile]) -> None:
    """Raise FolderOffline unless a known file is seen on the file system that the files that are `gone` lay on."""
    apart = _apart(store, folder, footing.mounts)
    is_inside = bool(gone) and all(any(is_within(row.path, each) for each in apart) for row in gone)
    if footing.is_confirmed or is_inside:
        return
    if not any(_is_there(folder, row) for row in _drawn(store, folder, footing.mounts, MANY_WITNESSES)):
        raise _nothing_seen(folder, "none of the files known in it")


def demand_footing(store: Store, folder: Folder, file: ModelFile) -> None:
    """Raise FolderOffline where a file that is not there may come back with a mount, or is held back; all work on it waits."""
    footing = find_footing(store, folder)
    for path, reason in footing.lost.items():
        if is_within(file.path, path):
            raise FolderOffline(reason)
    hold = store.holds.of(folder.id)
    if hold is not None:
        raise FolderOffline(
            f"{hold.file_count} files of {folder.id} vanished at once, {readable(file.path)} with them; nothing is judged "
            f"until they are back, or: modelshelf confirm-missing {folder.id}"
        )


def is_within(path: bytes, directory: bytes) -> bool:
    """Tell whether a path relative to the folder is `directory` or lies below it; the folder itself is the empty one."""
    return not directory or path == directory or path.startswith(directory + b"/")


def _demand_witness(folder: Folder, drawn: Sequence[ModelFile]) -> None:
    if drawn and not any(_is_there(folder, row) for row in drawn):
        raise _nothing_seen(folder, f"none of {len(drawn)} files drawn from those known in it")


def _is_there(folder: Folder, row: ModelFile) -> bool:
    return is_seen(os.fsencode(row.absolute(folder.path)))


def _nothing_seen(folder: Folder, what: str) -> FolderOffline:
    return FolderOffline(
        f"{readable(folder.path)} shows {what}: not mounted? If you removed or moved them: modelshelf confirm-missing {folder.id}"
    )


def _drawn(store: Store, folder: Folder, mounts: MountView, limit: int) -> list[ModelFile]:
    """Draw files that lie on the folder's own file system: one on a mount inside proves nothing of what carries that."""
    return store.grounds.sample(folder.id, limit, apart=_apart(store, folder, mounts))


def _apart(store: Store, folder: Folder, mounts: MountView) -> Iterable[bytes]:
    return sorted(mounts.below | store.grounds.mount_points(folder.id).keys())


def _lost(store: Store, folder: Folder, mounts: MountView) -> dict[bytes, str]:
    absent = sorted(store.grounds.mount_points(folder.id).keys() - mounts.below)
    return {path: _lost_reason(folder, path) for path in absent if _is_bare(store, folder, path)}


def _is_bare(store: Store, folder: Folder, path: bytes) -> bool:
    """Tell whether nothing of what is known below is there; else it was moved into a directory like any other."""
    rows = store.grounds.sample(folder.id, WITNESSES, below=path)
    seen = (
        is_seen(
            os.fsencode(row.absolute(folder.path)),
            size_bytes=row.fingerprint.size_bytes,
            mtime_ns=row.fingerprint.mtime_ns,
        )
        for row in rows
    )
    return bool(rows) and not any(seen)


def _lost_reason(folder: Folder, path: bytes) -> str:
    return (
        f"{readable(path)} in {readable(folder.path)} was a mount of its own and is none now: nothing in it is judged until it "
        f"is back, or: modelshelf confirm-missing {folder.id}"
    )
