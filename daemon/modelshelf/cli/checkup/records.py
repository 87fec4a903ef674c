"""The database and its backups: whether it is sound, of this version, not swollen, and copied lately."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.cli.checkup.finding import RESTORE, Finding, Level
from modelshelf.cli.health import size_at
from modelshelf.cli.opening import STORE_NAME
from modelshelf.cli.wording import count_text, size_text, when_text
from modelshelf.domain.display import readable
from modelshelf.errors import StoreDamaged, StoreError
from modelshelf.store.backups import backups_of
from modelshelf.store.healing import CORRUPT, condemnation
from modelshelf.store.lock import holder
from modelshelf.store.migrations import MIGRATIONS
from modelshelf.store.stillness import still
from modelshelf.vitals import vitals_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from modelshelf.cli.checkup.finding import Deadline
    from modelshelf.cli.checkup.patient import Patient
    from modelshelf.store.backups import Backup
    from modelshelf.store.stillness import Still

SWOLLEN_BYTES = 256 * 1024 * 1024
"""A WAL is moved into the database at every few megabytes; one so large means that a reader holds it up."""

OVERDUE = timedelta(days=2)
FIRST_BACKUP_SECONDS = 3600.0
"""The daemon makes its first one a quarter of an hour after its start."""


def database(patient: Patient, deadline: Deadline) -> Iterator[Finding]:
    """Tell whether every page of the store is sound, and of the schema that this program knows."""
    path = _store_path(patient)
    if path is None:
        return
    if patient.store_complaint is not None:
        yield Finding("database", Level.WARNING, patient.store_complaint, "run doctor as the user of the service")
        return
    if patient.still is None:
        level = Level.WRONG if patient.is_state_named else Level.WARNING
        yield Finding("database", level, "nothing is recorded yet", "start the daemon, or: modelshelf scan --wait")
        return
    if condemnation(path).exists():
        yield Finding("database", Level.WRONG, "damage was met while it was used", RESTORE)
    for aside in sorted(path.parent.glob(f"{path.name}.{CORRUPT}-*")):
        advice = "see to disk and memory (smartctl, memtest); remove it when you know why"
        yield Finding("database", Level.WARNING, f"a damaged store was set aside: {readable(aside.name)}", advice)
    try:
        yield from _version(patient.still)
        yield from _soundness(patient, patient.still, deadline)
    except StoreDamaged as error:
        yield Finding("database", Level.WRONG, str(error), RESTORE)
    except StoreError as error:
        yield Finding("database", Level.WRONG, str(error), "name the right state directory")
    yield from _size(path)


def _version(found: Still) -> Iterator[Finding]:
    version, ours = found.schema_version(), len(MIGRATIONS)
    if version < ours:
        text = f"its schema is {version}, this program's is {ours}: what else is in it was not looked at"
        yield Finding("database", Level.WARNING, text, "restart the daemon, which upgrades it after a backup")
    elif version > ours:
        text = f"its schema is {version}, this program knows {ours}: a newer modelshelf wrote it"
        yield Finding("database", Level.WRONG, text, "install that version, or restore a backup from before")


def _soundness(patient: Patient, found: Still, deadline: Deadline) -> Iterator[Finding]:
    if found.is_copy:
        text = "the daemon ended without closing it; a copy was examined"
        yield Finding("database", Level.WARNING, text, "start the daemon, which checks it thoroughly")
    try:
        flaws = found.flaws(deadline.is_over)
    except TimeoutError:
        text = "it is too large to be examined in the time of this check"
        yield Finding("database", Level.WARNING, text, "nothing: the daemon checks it at every start")
        return
    if flaws and patient.pid is None and holder(found.original.parent) is not None:
        text = "a daemon was started while it was examined"
        yield Finding("database", Level.WARNING, text, "run modelshelf doctor again")
    elif flaws:
        yield Finding("database", Level.WRONG, f"it is damaged: {readable('; '.join(flaws))}", RESTORE)
    else:
        yield Finding("database", Level.OK, "every page is sound")


def _size(path: Path) -> Iterator[Finding]:
    size_bytes, wal_bytes = size_at(path), size_at(path.with_name(f"{path.name}-wal"))
    text = f"{size_text(size_bytes)}, and {size_text(wal_bytes)} of write-ahead log"
    if wal_bytes > SWOLLEN_BYTES:
        advice = "end the program that reads it all the time (lsof names it), or restart the daemon"
        yield Finding("database", Level.WARNING, f"{text}, which somebody keeps from being moved in", advice)
    else:
        yield Finding("database", Level.OK, text)


def backups(patient: Patient, deadline: Deadline) -> Iterator[Finding]:
    """Tell whether there is a backup of the last days, and whether it would be good to restore."""
    path = _store_path(patient)
    if path is None or patient.still is None:
        return
    now = patient.clock.now()
    found = backups_of(path, now)
    if not found:
        vitals = vitals_of(patient.pid, patient.proc) if patient.pid else None
        is_due = vitals is not None and vitals.uptime_seconds > FIRST_BACKUP_SECONDS
        advice = "see backup_not_made in the log: room on the disk, permissions of backups/"
        yield Finding("backups", Level.WARNING if is_due else Level.OK, "there is none yet", advice if is_due else "")
        return
    newest = found[0]
    text = f"{count_text(len(found), 'backup', 'backups')}, the newest of {when_text(newest.made_at, now)}"
    if now - newest.made_at > OVERDUE and _has_changed_since(path, newest):
        advice = "see backup_not_made in the log: room on the disk, permissions of backups/"
        yield Finding("backups", Level.WARNING, f"{text}, and the store changed since", advice)
    else:
        yield Finding("backups", Level.OK, text)
    yield from _newest(newest, deadline)


def _newest(newest: Backup, deadline: Deadline) -> Iterator[Finding]:
    name = readable(newest.path.name)
    try:
        with still(newest.path, is_in_use=False) as copy:
            copy.schema_version()
            flaws = copy.flaws(deadline.is_over)
    except TimeoutError:
        return
    except StoreError as error:
        flaws = [str(error)]
    if flaws:
        advice = "see to the disk; remove it, and the daemon makes another"
        yield Finding("backups", Level.WRONG, f"{name} is damaged: {readable('; '.join(flaws))}", advice)


def _has_changed_since(path: Path, newest: Backup) -> bool:
    """A backup has the mtime of the last change that is in it."""
    files = (path, path.with_name(f"{path.name}-wal"))
    return newest.path.stat().st_mtime_ns != max(each.stat().st_mtime_ns for each in files if size_at(each))


def _store_path(patient: Patient) -> Path | None:
    directory = patient.state_directory
    return directory / STORE_NAME if directory is not None and directory.is_dir() else None
