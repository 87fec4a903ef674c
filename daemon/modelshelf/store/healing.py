"""A store that was damaged is set aside, and the newest good backup takes its place; a scan closes the gap."""

from __future__ import annotations

import os
from contextlib import closing
from glob import escape
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.task import NewTask, Priority, TaskKind
from modelshelf.errors import StoreError
from modelshelf.logs import get_log
from modelshelf.store.connecting import connect, copy, draft_of
from modelshelf.store.database import Database
from modelshelf.store.events import Events
from modelshelf.store.folders import Folders
from modelshelf.store.journal import Journal
from modelshelf.store.migrations import MIGRATIONS, migrate
from modelshelf.store.opening import schema_version
from modelshelf.store.soundness import examine
from modelshelf.store.translation import translate_os_error, translated

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.store.backups import Backup

log = get_log(__name__)

SETS_KEPT = 3
"""Stores set aside of each kind: enough to look into what happened, and a disk that goes bad cannot fill itself with them."""

CORRUPT = "corrupt"
REPLACED = "replaced"


def condemnation(store: Path) -> Path:
    """Give the file that, where it is, has the next start set the store aside."""
    return store.with_name(f"{store.name}.condemned")


def first_good(backups: Sequence[Backup]) -> tuple[Backup | None, list[str]]:
    """Give the first backup that is sound and not of a newer program, None where none is; and why others were passed over."""
    passed_over: list[str] = []
    for backup in backups:
        try:
            _demand_good(backup.path)
        except StoreError as error:
            log.warning("backup_passed_over", path=readable(backup.path), reason=str(error))
            passed_over.append(str(error))
        else:
            return backup, passed_over
    return None, passed_over


def put_in_place(store: Path, backup: Backup | None, word: str, now: datetime) -> Path | None:
    """Set the store aside as `<store>.<word>-<stamp>` and put a good backup in its place; gives what was set aside.

    Without a backup it begins anew. Whatever the old store was condemned for is not said of the new one. Every folder's scan
    is owed afterwards. The caller holds the state lock. A kill leaves the old store, if perhaps without its WAL, or the new
    one; a full disk leaves all as it was.
    """
    with draft_of(store, store.name) as draft:
        if backup is None:
            _begin_anew(draft)
        else:
            copy(backup.path, draft)
        aside = _set_aside(store, f"{store.name}.{word}-{now:%Y%m%dT%H%M%SZ}")
        _forget_older(store, word, aside)
    _acquit(store)
    _owe_scans(store, backup, aside, now)
    return aside


def _demand_good(path: Path) -> None:
    if schema_version(path, newest=len(MIGRATIONS)) is None:
        raise StoreError(f"{readable(path)} is empty")
    examine(path, is_thorough=True)


def _begin_anew(draft: Path) -> None:
    with translated(draft), closing(connect(draft, "rw")) as connection:
        migrate(connection, MIGRATIONS)


def _set_aside(store: Path, name: str) -> Path | None:
    """Move what belongs to the store out of the way; the draft takes the place of the store itself.

    The WAL goes first: the next store must never meet it.
    """
    while any(store.parent.glob(f"{escape(name)}*")):
        name += "~"
    for suffix in ("-wal", "-shm"):
        beside = store.with_name(store.name + suffix)
        if beside.exists():
            beside.rename(store.with_name(name + suffix))
    if not store.exists():
        return None
    aside = store.with_name(name)
    try:
        os.link(store, aside)
    except OSError:  # a file system without hard links
        store.rename(aside)
    return aside


def _acquit(store: Path) -> None:
    try:
        condemnation(store).unlink(missing_ok=True)
    except OSError as error:
        raise translate_os_error(error, condemnation(store), "remove") from error


def _forget_older(store: Path, word: str, aside: Path | None) -> None:
    """Keep the last few sets only, and the newest one in any case, whatever the clock says."""
    found = store.parent.glob(f"{escape(store.name)}.{word}-*")
    sets = {path.name.removesuffix("-wal").removesuffix("-shm") for path in found}
    others = sorted(sets - {aside.name if aside else ""})
    for name in others[: 1 - SETS_KEPT]:
        for suffix in ("", "-wal", "-shm"):
            store.with_name(name + suffix).unlink(missing_ok=True)


def _owe_scans(store: Path, backup: Backup | None, aside: Path | None, now: datetime) -> None:
    """Owe a scan of every folder that the restored store knows, and keep the event."""
    details: JsonObject = {
        "backup": readable(backup.path.name) if backup else None,
        "set_aside": readable(aside.name) if aside else None,
    }
    with closing(Database.open(store)) as database, database.transaction(is_durable=True):
        known = [state.id for state in Folders(database).states() if state.is_configured]
        Journal(database).add(
            [NewTask(TaskKind.SCAN_FOLDER, folder_id, priority=Priority.CHANGED) for folder_id in known], now
        )
        Events(database).add("store_restored" if backup else "store_begun_anew", now, details=details)
