"""Whose file is this, and is it new, old or too new: asked before anything is written to it."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import StoreError
from modelshelf.store.local_disk import MOUNTS, require_local_disk
from modelshelf.store.migrations import APPLICATION_ID, migrate
from modelshelf.store.translation import translate_os_error, translated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from modelshelf.store.migrations import Migration

_BUSY_TIMEOUT_SECONDS = 10.0
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
        copy(path, path.with_name(f"{path.name}.before-{len(migrations)}"))
        with translated(path), closing(_connect(path, "rw")) as connection:
            migrate(connection, migrations)
    with translated(path), ExitStack() as undo:
        connection = undo.enter_context(closing(_connect(path, "rw")))
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
        return _connect(path, "ro")


def schema_version(path: Path, newest: int) -> int | None:
    """Tell the schema version of the file, None where there is nothing yet; StoreError where it is not for us."""
    try:
        status = path.stat()
    except FileNotFoundError:
        _refuse_lost(path, [path.with_name(path.name + "-wal")])
        return None
    except OSError as error:
        raise translate_os_error(error, path, "read") from error
    name = readable(path)
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(f"{name} is no regular file: the store cannot be kept there")
    if status.st_size == 0:
        _refuse_lost(path, [path.with_name(path.name + "-wal"), *path.parent.glob(_escaped(path.name) + ".before-*")])
        return None
    with translated(path), closing(_connect(path, "ro")) as connection:
        application_id, version, object_count = (
            connection.execute(question).fetchone()[0]
            for question in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
        )
    if application_id != APPLICATION_ID:
        if application_id or object_count:
            raise StoreError(f"{name} is the database of another program: name another state directory")
        return None
    if version > newest:
        raise StoreError(
            f"the store {name} was written by a newer modelshelf (schema {version}, this one knows {newest}): "
            f"install that version again, or put {readable(path.name)}.before-{version} in its place"
        )
    return int(version)


def copy(path: Path, destination: Path) -> None:
    """Copy the database, as it is at this moment, by SQLite's backup API: copying the file would miss what is in the WAL."""
    with ExitStack() as opened:
        draft = opened.enter_context(_draft_of(destination))
        opened.enter_context(translated(path))
        source, target = (opened.enter_context(closing(_connect(*each))) for each in ((path, "ro"), (draft, "rw")))
        source.backup(target)


def _create(path: Path, migrations: Sequence[Migration]) -> None:
    """Make the database under another name and move it into place: a kill leaves all of it or nothing."""
    with _draft_of(path) as draft, translated(path), closing(_connect(draft, "rw")) as connection:
        migrate(connection, migrations)
        connection.execute("PRAGMA journal_mode = WAL")


@contextmanager
def _draft_of(destination: Path) -> Iterator[Path]:
    """Give an empty private file beside `destination` that takes its place when the block ends well."""
    draft = destination.with_name(f"{destination.name}.new-{os.getpid()}")
    try:
        destination.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_drafts(destination)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield draft
        draft.replace(destination)
        _sync_directory(destination.parent)
    except OSError as error:
        raise translate_os_error(error, destination, "write") from error
    finally:
        _remove_drafts(destination)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.row_factory = sqlite3.Row
    return connection


def _refuse_lost(path: Path, witnesses: Sequence[Path]) -> None:
    """Refuse to begin anew where a file beside says that there was a database: an empty file is a valid empty database."""
    found = [witness.name for witness in witnesses if witness.exists()]
    if found:
        beside = ", ".join(readable(each) for each in found)
        raise StoreError(
            f"the store {readable(path)} lost its content, but {beside} is there: put a backup in its place, "
            "or remove both to begin anew"
        )


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_drafts(destination: Path) -> None:
    """Remove the draft and its journals, and those that a killed process left behind."""
    for draft in destination.parent.glob(_escaped(destination.name) + ".new-*"):
        draft.unlink(missing_ok=True)


def _escaped(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)
