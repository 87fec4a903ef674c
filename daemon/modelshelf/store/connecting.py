"""How a connection to a database file is made, and how a database comes to stand under its name: whole or not at all."""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, closing, contextmanager, suppress
from glob import escape
from typing import TYPE_CHECKING

from modelshelf.store.translation import translate_os_error, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BUSY_TIMEOUT_SECONDS = 10.0
_PAGES_PER_STEP = 1000


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Connect to the file that is there; `mode` is SQLite's own, `ro` or `rw`.

    Who writes sorts in memory: a confined service has no directory for temporary files, and SQLite then gives up with
    SQLITE_IOERR_GETTEMPPATH.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.row_factory = sqlite3.Row
    if mode == "rw":
        connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def copy(source: Path, target: Path, go_on: Callable[[], object] = lambda: None) -> None:
    """Copy a database as it is at this moment over the empty file `target`, by SQLite's backup API.

    Copying the file would miss what is in the WAL. Nobody who writes is held up: it is read as one reader reads. `go_on` is
    called every few megabytes, and ends the copying by an error.
    """
    with ExitStack() as opened:
        opened.enter_context(translated(source))
        reader, writer = (opened.enter_context(closing(connect(*each))) for each in ((source, "ro"), (target, "rw")))
        # Without a transaction of its own the copying begins again whenever somebody has written meanwhile.
        reader.execute("BEGIN")
        reader.execute("SELECT 1 FROM sqlite_master").fetchone()
        reader.backup(writer, pages=_PAGES_PER_STEP, progress=lambda *_: go_on())
        # One plain file, which may be read where nothing can be written beside it.
        writer.execute("PRAGMA journal_mode = DELETE")


@contextmanager
def draft_of(destination: Path, name: str) -> Iterator[Path]:
    """Give an empty private file beside `destination` that takes its place when the block ends well.

    The drafts of this `name` that a killed process left are removed: one process at a time makes them.
    """
    directory = destination.parent
    draft = directory / f"{name}.new-{os.getpid()}"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_drafts(directory, name)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield draft
        draft.replace(destination)
        sync_directory(directory)
    except OSError as error:
        raise translate_os_error(error, destination, "write") from error
    finally:
        with suppress(OSError):  # the next one removes what is left, or says why it cannot
            _remove_drafts(directory, name)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_drafts(directory: Path, name: str) -> None:
    for draft in directory.glob(f"{escape(name)}.new-*"):
        draft.unlink(missing_ok=True)
