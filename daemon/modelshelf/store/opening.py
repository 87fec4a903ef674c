"""Whose file is this, and is it new, old or too new: asked before anything is written to it."""

from __future__ import annotations

import stat
from contextlib import ExitStack, closing
from glob import escape
from typing import TYPE_CHECKING

from modelshelf.clock import SystemClock
from modelshelf.domain.display import readable
from modelshelf.errors import StoreError
from modelshelf.store.backups import backups_of, make_backup
from modelshelf.store.connecting import connect, draft_of
from modelshelf.store.local_disk import MOUNTS, require_local_disk
from modelshelf.store.migrations import APPLICATION_ID, migrate
from modelshelf.store.translation import damaged, translate_os_error, translated

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from modelshelf.store.migrations import Migration

_JOURNAL_SIZE_LIMIT_BYTES = 8 * 1024 * 1024
_SETTINGS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    f"PRAGMA journal_size_limit = {_JOURNAL_SIZE_LIMIT_BYTES}",
)


def open_for_writing(path: Path, migrations: Sequence[Migration]) -> sqlite3.Connection:
    """Give a connection to our database at `path`, created or upgraded where that is due.

    StoreError where the file is somebody else's, newer than this program, or lost its content, or lies on the network.
    Where it may have to be created or upgraded, the caller holds the state lock.
    """
    require_local_disk(path.parent, MOUNTS)
    version = schema_version(path, newest=len(migrations))
    if version is None:
        _create(path, migrations)
    elif version < len(migrations):
        make_backup(path, SystemClock().now())
        with translated(path), closing(connect(path, "rw")) as connection:
            migrate(connection, migrations)
    with translated(path), ExitStack() as undo:
        connection = undo.enter_context(closing(connect(path, "rw")))
        for setting in _SETTINGS:
            connection.execute(setting)
        undo.pop_all()
    return connection


def open_for_reading(path: Path, migrations: Sequence[Migration]) -> sqlite3.Connection:
    """Give a connection that cannot write; StoreError where there is no database of this very schema."""
    version = schema_version(path, newest=len(migrations))
    if version is None:
        raise StoreError(f"there is no store at {readable(path)} yet: start the daemon once")
    if version < len(migrations):
        raise StoreError(f"the store {readable(path)} is of an older version: start the daemon once, it upgrades it")
    with translated(path):
        return connect(path, "ro")


def schema_version(path: Path, newest: int) -> int | None:
    """Tell the schema version of the file, None where there is nothing yet; StoreError where it is not for us."""
    try:
        status = path.stat()
    except FileNotFoundError:
        _refuse_lost(path, [_wal_of(path)])
        return None
    except OSError as error:
        raise translate_os_error(error, path, "read") from error
    name = readable(path)
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(f"{name} is no regular file: the store cannot be kept there")
    if status.st_size == 0:
        backups = [backup.path for backup in backups_of(path, SystemClock().now())]
        _refuse_lost(path, [_wal_of(path), *path.parent.glob(f"{escape(path.name)}.*-*"), *backups])
        return None
    with translated(path), closing(connect(path, "ro")) as connection:
        application_id, version, object_count = (
            connection.execute(question).fetchone()[0]
            for question in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
        )
    if application_id == APPLICATION_ID and not object_count:
        raise damaged(path, "it lost its content")
    if application_id != APPLICATION_ID:
        if application_id or object_count:
            raise StoreError(f"{name} is the database of another program: name another state directory")
        return None
    if version > newest:
        raise StoreError(
            f"the store {name} was written by a newer modelshelf (schema {version}, this one knows {newest}): "
            "install that version again, or let modelshelf restore take a backup from before the upgrade"
        )
    return int(version)


def _create(path: Path, migrations: Sequence[Migration]) -> None:
    """Make the database under another name and move it into place: a kill leaves all of it or nothing."""
    with draft_of(path, path.name) as draft, translated(path), closing(connect(draft, "rw")) as connection:
        migrate(connection, migrations)
        connection.execute("PRAGMA journal_mode = WAL")


def _wal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _refuse_lost(path: Path, witnesses: Sequence[Path]) -> None:
    """Refuse to begin anew where a file beside says that there was a database: an empty file is a valid empty database."""
    found = [witness.name for witness in witnesses if witness.exists()]
    if found:
        raise damaged(path, f"it lost its content, but {readable(found[0])} is there")
