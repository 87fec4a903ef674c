"""Reading a store and leaving no trace: no file beside it, no page moved, whoever runs it or whether anybody does.

SQLite makes `-shm` and `-wal` for every reader of a database in WAL mode, also for one that opens it read-only. Beside a
daemon both are there. Without one nobody writes, so the file is read as if it could not change; and what a crash left
in its WAL is looked at in a copy.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import StoreError
from modelshelf.store.connecting import connect
from modelshelf.store.database import Database
from modelshelf.store.migrations import APPLICATION_ID, MIGRATIONS
from modelshelf.store.store import Store
from modelshelf.store.translation import translate_os_error, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_COPIED_BYTES = 2 * 1024**3
"""A store that crashed and is larger is not copied: the next start of the daemon looks at it anyway."""

_BESIDE_A_DAEMON = "ro"
_AT_REST = "ro&immutable=1"
_STEPS_PER_LOOK = 100_000


@dataclass(frozen=True, slots=True)
class Still:
    """A database that can be read. `path` is a copy of `original` where a crash left one that only writing could open."""

    original: Path
    path: Path
    mode: str

    @property
    def is_copy(self) -> bool:
        """Whether the daemon ended without closing it."""
        return self.path != self.original

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that cannot write; errors of sqlite3 are translated."""
        with translated(self.original), closing(connect(self.path, self.mode)) as connection:
            yield connection

    def schema_version(self) -> int:
        """Give the schema of it; StoreError where it is not a store of ours, StoreDamaged where it is no database."""
        with self.connection() as connection:
            application_id, version = (
                int(connection.execute(question).fetchone()[0])
                for question in ("PRAGMA application_id", "PRAGMA user_version")
            )
        if application_id != APPLICATION_ID:
            raise StoreError(f"{readable(self.original)} is no store of modelshelf")
        return version

    def is_readable(self) -> bool:
        """Whether it is of the very schema that this program knows."""
        return self.schema_version() == len(MIGRATIONS)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Open it as a Store on a connection of its own; every attempt to write raises StoreError."""
        with translated(self.original):
            connection = connect(self.path, self.mode)
        try:
            yield Store.over(Database(connection, self.path))
        finally:
            connection.close()

    def flaws(self, is_over: Callable[[], bool], most: int = 5) -> list[str]:
        """Read every page and say what is wrong, none where it is sound; TimeoutError where `is_over` says so meanwhile."""
        with self.connection() as connection:
            connection.set_progress_handler(is_over, _STEPS_PER_LOOK)
            try:
                verdicts = [str(row[0]) for row in connection.execute(f"PRAGMA quick_check({most})")]
                strays = connection.execute("PRAGMA foreign_key_check").fetchmany(most)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                    raise TimeoutError from error
                raise
        flaws = [" ".join(verdict.split()) for verdict in verdicts if verdict != "ok"]
        return flaws + [f"a row of {row[0]} belongs to a row of {row[2]} that is not there" for row in strays]


@contextmanager
def still(path: Path, *, is_in_use: bool) -> Iterator[Still]:
    """Give a way to read the store at `path`; `is_in_use`: a daemon has it open. StoreError where it cannot be read so."""
    with ExitStack() as held:
        try:
            found = _found(path, held, is_in_use=is_in_use)
        except OSError as error:
            raise translate_os_error(error, path, "read") from error
        yield found


def _found(path: Path, held: ExitStack, *, is_in_use: bool) -> Still:
    wal = path.with_name(f"{path.name}-wal")
    left_bytes = _size_of(wal)
    if is_in_use or not left_bytes:
        return Still(path, path, _BESIDE_A_DAEMON if is_in_use else _AT_REST)
    if left_bytes + _size_of(path) > MOST_COPIED_BYTES:
        raise StoreError(
            f"{readable(path)} was left by a crash and is too large to be looked at in a copy: start the daemon, which checks it"
        )
    copy = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="modelshelf-"))) / path.name
    for source in (path, wal):
        shutil.copyfile(source, copy.with_name(source.name))
    return Still(path, copy, _BESIDE_A_DAEMON)


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
