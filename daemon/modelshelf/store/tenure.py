"""The time for which one process owns the store: it begins with checks and a new generation, and ends well or not."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import ModelshelfError, StoreDamaged, StoreError
from modelshelf.logs import get_log
from modelshelf.store.backups import INTERVAL, backups_of
from modelshelf.store.columns import to_epoch
from modelshelf.store.connecting import connect
from modelshelf.store.database import Database
from modelshelf.store.healing import CORRUPT, condemnation, first_good, put_in_place
from modelshelf.store.local_disk import MOUNTS, require_local_disk
from modelshelf.store.migrations import MIGRATIONS
from modelshelf.store.opening import schema_version
from modelshelf.store.soundness import examine
from modelshelf.store.translation import damaged, translated

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from modelshelf.clock import Clock
    from modelshelf.store.backups import Backup

log = get_log(__name__)

_IS_IN_USE = "SELECT value FROM standing WHERE name = 'is_in_use'"
_USE = "INSERT OR REPLACE INTO standing (name, value) VALUES ('is_in_use', ?)"
_NEXT_GENERATION = """INSERT INTO standing (name, value) VALUES ('generation', 1)
    ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"""
_RESTORED = """SELECT json_extract(details, '$.backup') AS backup FROM events
    WHERE name = 'store_restored' AND happened_at > ? ORDER BY id DESC LIMIT 1"""
_FIRST_VERSION_WITH_STANDING = 3


def begin(path: Path, clock: Clock) -> Database:
    """Open the store as the one process that works on it, sound; one that is not is set aside and a backup restored.

    Every page is read first, after an end that was none every index too. Whoever owned it before can write no more. The
    caller holds the state lock.
    """
    require_local_disk(path.parent, MOUNTS)
    try:
        _demand_uncondemned(path)
        _check(path, clock)
        database = Database.open(path)
    except StoreDamaged as error:
        _heal(path, error, clock)
        database = Database.open(path)
    with database.transaction(is_durable=True):
        generation = database.rows(_NEXT_GENERATION)[0]["value"]
        database.execute(_USE, (1,))
    database.fence(generation)
    return database


def end(database: Database) -> None:
    """Remember that all ended well. Where that cannot be kept, the next start looks more closely, which is all it costs."""
    with suppress(ModelshelfError):
        database.execute(_USE, (0,))


def condemn(path: Path) -> None:
    """Have the next start set the store aside, whatever its checks say: damage was met while it was used.

    Checks do not look into values, and a daemon that meets the same damage at each start would never get any further.
    """
    with suppress(OSError):
        condemnation(path).touch(mode=0o600)


def _demand_uncondemned(path: Path) -> None:
    if condemnation(path).exists():
        raise damaged(path, "damage was met while it was used")


def _check(path: Path, clock: Clock) -> None:
    version = schema_version(path, newest=len(MIGRATIONS))
    if version is None:
        return
    began_at = clock.monotonic()
    is_thorough = version < _FIRST_VERSION_WITH_STANDING or _is_in_use(path)
    examine(path, is_thorough=is_thorough)
    log.info("store_checked", is_thorough=is_thorough, seconds=round(clock.monotonic() - began_at, 3))


def _is_in_use(path: Path) -> bool:
    with translated(path), closing(connect(path, "ro")) as connection:
        row = connection.execute(_IS_IN_USE).fetchone()
    return row is not None and bool(row["value"])


def _heal(path: Path, error: StoreDamaged, clock: Clock) -> None:
    now = clock.now()
    log.critical("store_found_damaged", path=readable(path), reason=str(error))
    backup, _ = first_good(_trusted(path, now))
    aside = put_in_place(path, backup, CORRUPT, now)
    set_aside = readable(aside) if aside else None
    if backup is None:
        log.critical("store_begun_anew", set_aside=set_aside)
    else:
        made_at = str(backup.made_at)
        log.critical("store_restored", backup=readable(backup.path), made_at=made_at, set_aside=set_aside)


def _trusted(path: Path, now: datetime) -> list[Backup]:
    """Give the backups to try; where one was restored within a day and is condemned again, only older ones than that."""
    found = backups_of(path, now)
    if not condemnation(path).exists():
        return found
    names = [backup.path.name for backup in found]
    restored = _restored_since(path, now - INTERVAL)
    return found[names.index(restored) + 1 :] if restored in names else found


def _restored_since(path: Path, since: datetime) -> str | None:
    """Give the backup that was restored last, if it was since then; None also where that cannot be read any more."""
    try:
        with closing(Database.open_readonly(path)) as database:
            row = database.row(_RESTORED, (to_epoch(since),))
    except StoreError:
        return None
    return None if row is None else str(row["backup"])
