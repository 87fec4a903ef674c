"""Backups of the store: one a day while something changes, oftener while it grows, one before each upgrade, the last few kept."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import DiskFull, StoreDamaged, StoreError, TransientError
from modelshelf.logs import get_log
from modelshelf.store.connecting import copy, draft_of
from modelshelf.store.soundness import examine
from modelshelf.store.translation import translate_os_error

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from modelshelf.clock import Clock

log = get_log(__name__)

DIRECTORY = "backups"
FIRST_LOOK_SECONDS = 600.0
LOOK_SECONDS = 3600.0
INTERVAL = timedelta(days=1)
"""A first look ten minutes after the start, so that nothing is copied while the house wakes up; then one an hour."""

GROWTH = 1.1
"""A store that is so much larger than its last backup is copied at the next look: days of reading a new shelf are in it."""

SPARE_BYTES = 32 * 1024 * 1024
"""What a backup leaves free: the store itself needs room more than its copy does."""

_NAME = re.compile(r"modelshelf-(\d{8}T\d{6})Z\.db")
_STAMP = "%Y%m%dT%H%M%S"


@dataclass(frozen=True, slots=True)
class Backup:
    """One file in `backups/`."""

    path: Path
    made_at: datetime
    size_bytes: int


def backups_of(store: Path, now: datetime) -> list[Backup]:
    """Give the backups of a store, newest first; those of a later time come last, made while the clock was wrong."""
    directory = store.parent / DIRECTORY
    try:
        found = [
            Backup(path, datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC), path.stat().st_size)
            for path in directory.iterdir()
            if (match := _NAME.fullmatch(path.name))
        ]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise translate_os_error(error, directory, "list") from error
    return sorted(found, key=lambda backup: (backup.made_at <= now, backup.made_at), reverse=True)


def make_backup(store: Path, now: datetime, go_on: Callable[[], object] = lambda: None) -> Backup:
    """Copy the store into `backups/` and check the copy; a kill leaves nothing that could be taken for a backup.

    DiskFull where there is no room for it, before anything is written; StoreDamaged where it is the store that is not
    sound. Its mtime is that of the last change it holds, which tells whether there was another since.
    """
    destination = store.parent / DIRECTORY / f"modelshelf-{now.astimezone(UTC):{_STAMP}}Z.db"
    with draft_of(destination, "modelshelf") as draft:
        _demand_room(store)
        changed_at_ns = _changed_at_ns(store)
        copy(store, draft, go_on)
        try:
            examine(draft, is_thorough=False)
        except StoreDamaged as error:
            examine(store, is_thorough=True)
            raise StoreError(f"the copy of a sound store is damaged: {error}") from error
        os.utime(draft, ns=(changed_at_ns, changed_at_ns))
    return Backup(destination, now, destination.stat().st_size)


def prune_backups(store: Path, keep: int, now: datetime) -> None:
    """Remove all but the newest `keep` backups."""
    for backup in backups_of(store, now)[keep:]:
        try:
            backup.path.unlink(missing_ok=True)
        except OSError as error:
            raise translate_os_error(error, backup.path, "remove") from error


class DailyBackups:
    """Makes a backup where the last is a day old, or much smaller than the store, and where something changed since."""

    def __init__(self, store: Path, keep: int, clock: Clock) -> None:
        self._store = store
        self._keep = keep
        self._clock = clock
        self._look_at = clock.monotonic() + FIRST_LOOK_SECONDS

    def keep_up(self, go_on: Callable[[], object]) -> None:
        """Make a backup if one is due; `go_on` is called meanwhile, and ends it by an error.

        Raises StoreDamaged alone: a backup that cannot be made for any other reason is told, and tried again in an hour.
        """
        if self._clock.monotonic() < self._look_at:
            return
        self._look_at = self._clock.monotonic() + LOOK_SECONDS
        now, began_at = self._clock.now(), self._clock.monotonic()
        try:
            if not self._is_due(now):
                return
            backup = make_backup(self._store, now, go_on)
            prune_backups(self._store, self._keep, now)
        except StoreDamaged:
            raise
        except (TransientError, StoreError, OSError) as error:
            log.error("backup_not_made", reason=str(error))
        else:
            seconds = round(self._clock.monotonic() - began_at, 3)
            log.info("backup_made", path=readable(backup.path), size_bytes=backup.size_bytes, seconds=seconds)

    def _is_due(self, now: datetime) -> bool:
        newest = next(iter(backups_of(self._store, now)), None)
        if newest is None or newest.made_at > now:
            return True
        is_old = now - newest.made_at >= INTERVAL
        is_small = newest.size_bytes * GROWTH <= self._store.stat().st_size
        return (is_old or is_small) and newest.path.stat().st_mtime_ns != _changed_at_ns(self._store)


def _changed_at_ns(store: Path) -> int:
    return max(status.st_mtime_ns for status in _stats_of(store))


def _stats_of(store: Path) -> list[os.stat_result]:
    paths = (store, store.with_name(f"{store.name}-wal"))
    return [path.stat() for path in paths if path.exists()]


def _demand_room(store: Path) -> None:
    needed_bytes = sum(status.st_size for status in _stats_of(store)) + SPARE_BYTES
    disk = os.statvfs(store.parent)
    free_bytes = disk.f_bavail * disk.f_frsize
    if free_bytes < needed_bytes:
        raise DiskFull(
            f"no space left for a backup beside {readable(store)}: {needed_bytes} bytes are needed, {free_bytes} are free"
        )
