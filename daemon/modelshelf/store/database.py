"""The SQLite file: one connection, one lock, transactions that are whole or not at all."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from modelshelf.domain.display import readable
from modelshelf.errors import StoreError, UsageError
from modelshelf.store.migrations import MIGRATIONS
from modelshelf.store.opening import open_for_reading, open_for_writing
from modelshelf.store.translation import translate, translate_os_error, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from modelshelf.store.migrations import Migration

    Fetched = TypeVar("Fetched")
    Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any]

_READING = ("SELECT", "WITH", "PRAGMA")


class Database:
    """One SQLite file in WAL mode behind one re-entrant lock.

    A thread inside a transaction holds the lock, so no other thread reads half of it. Every error of sqlite3 becomes
    DiskFull, TransientError (locked by another process) or StoreError, a number beyond 64 bits a UsageError; after any of
    them the connection stays usable. `transaction_count` is how many transactions have changed something since it was opened.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self.transaction_count = 0
        self._connection = connection
        self._lock = threading.RLock()
        self._depth = 0
        self._failure: BaseException | None = None
        self._is_sync_owed = False
        self._generation: int | None = None
        self._identity = _identity_of(path)

    @classmethod
    def open(cls, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> Database:
        """Open the database for writing; created where there is none, upgraded (after a backup) where it is older."""
        return cls(open_for_writing(path, migrations), path)

    @classmethod
    def open_readonly(cls, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> Database:
        """Open the database beside a running daemon; StoreError where there is none, or one of another version."""
        return cls(open_for_reading(path, migrations), path)

    @contextmanager
    def transaction(self, *, is_durable: bool = False) -> Iterator[None]:
        """Commit what the block does as one, or none of it. Inside another transaction of this thread it joins that one.

        `is_durable`: on the platter when the block ends; else a power cut may take the last commits, never part of one.
        An error in a joined block dooms the outer one too: it is raised again where the outer block ends, if swallowed.
        """
        with self._lock, self._joined(is_durable=is_durable) if self._depth else self._outermost(is_durable=is_durable):
            yield

    def execute(self, sql: str, parameters: Parameters = ()) -> sqlite3.Cursor:
        """Run a statement that gives no rows; outside a transaction it is one by itself. For rows ask `rows` or `row`."""
        return self._run(sql, parameters, _itself)

    def rows(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """Give all rows, read while no other thread writes."""
        return self._run(sql, parameters, sqlite3.Cursor.fetchall)

    def tuples(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        """Give all rows as plain tuples, to be compared by the hundred thousand: they cost a third less."""
        return self._run(sql, parameters, _plain)

    def row(self, sql: str, parameters: Parameters = ()) -> sqlite3.Row | None:
        """Give the first row, None where there is none."""
        return self._run(sql, parameters, _first)

    def is_alive(self) -> bool:
        """Tell whether a transaction can be begun: the heartbeat's proof, which writes nothing."""
        with self._lock:
            if self._depth:
                return True
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                return False
            return True

    def demand_own(self) -> None:
        """Raise StoreError where the store is another process's now, or not at its path any more.

        A state directory that was moved or removed takes the lock with it, so that a second daemon could begin beside this
        one. TransientError where it cannot be told now.
        """
        if _identity_of(self.path) != self._identity:
            raise StoreError(f"{readable(self.path)} was moved or removed while it was in use: start again")
        with self.transaction():
            pass

    def fence(self, generation: int) -> None:
        """Write from now on only while `standing` holds this generation: StoreError once another process took over."""
        self._generation = generation

    def close(self) -> None:
        """Move the WAL into the file and close it; nothing happens where it is closed already."""
        with self._lock, translated(self.path):
            try:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.ProgrammingError:
                return
            except sqlite3.OperationalError:
                # Read-only, or a reader elsewhere: the WAL is valid as it is, and the next open reads it.
                pass
            finally:
                self._connection.close()

    def _run(self, sql: str, parameters: Parameters, fetch: Callable[[sqlite3.Cursor], Fetched]) -> Fetched:
        with self._lock:
            if self._generation is not None and not self._depth and not sql.lstrip().startswith(_READING):
                with self.transaction():
                    return self._run(sql, parameters, fetch)
            if self._depth and not self._connection.in_transaction:
                raise StoreError("this transaction was rolled back; nothing more can be done in it") from self._failure
            try:
                return fetch(self._connection.execute(sql, parameters))
            except OverflowError as error:
                raise UsageError("the store takes no number beyond 64 bits") from error
            except sqlite3.Error as error:
                failure = translate(error, self.path)
                if self._depth and not self._connection.in_transaction:
                    self._failure = failure
                raise failure from error

    @contextmanager
    def _outermost(self, *, is_durable: bool) -> Iterator[None]:
        with translated(self.path):
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
        self._depth, self._failure, self._is_sync_owed = 1, None, False
        changes_before = self._connection.total_changes
        try:
            self._demand_generation()
            yield
            if self._failure is not None:
                raise self._failure
            with translated(self.path):
                self._connection.execute("COMMIT")
            self.transaction_count += self._connection.total_changes != changes_before
        finally:
            self._depth, self._failure = 0, None
            with translated(self.path):
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
        if self._is_sync_owed and not is_durable:
            self._sync()

    def _demand_generation(self) -> None:
        if self._generation is None:
            return
        row = self._run("SELECT value FROM standing WHERE name = 'generation'", (), _first)
        if row is None or row["value"] != self._generation:
            raise StoreError(f"another modelshelf has taken over {readable(self.path)}: this one writes no more")

    @contextmanager
    def _joined(self, *, is_durable: bool) -> Iterator[None]:
        self._depth += 1
        self._is_sync_owed |= is_durable
        try:
            yield
        except BaseException as error:
            self._failure = self._failure or error
            raise
        finally:
            self._depth -= 1

    def _sync(self) -> None:
        """Make a commit durable after the fact: `synchronous` cannot change inside a transaction that is open."""
        wal = self.path.with_name(f"{self.path.name}-wal")
        try:
            descriptor = os.open(wal, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise translate_os_error(error, wal, "sync") from error


def _itself(cursor: sqlite3.Cursor) -> sqlite3.Cursor:
    return cursor


def _plain(cursor: sqlite3.Cursor) -> list[Any]:
    cursor.row_factory = None
    return cursor.fetchall()


def _first(cursor: sqlite3.Cursor) -> sqlite3.Row | None:
    try:
        row: sqlite3.Row | None = cursor.fetchone()
        return row
    finally:
        cursor.close()


def _identity_of(path: Path) -> tuple[int, int] | None:
    """Give which file lies at the path, None for none."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise translate_os_error(error, path, "look at") from error
    return status.st_dev, status.st_ino
