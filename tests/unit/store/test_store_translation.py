from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from modelshelf.errors import DiskFull, ModelshelfError, StoreDamaged, StoreError, TransientError
from modelshelf.store.translation import translate, translate_os_error, translated

PATH = Path("/state/modelshelf.db")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, DiskFull),
        (sqlite3.SQLITE_IOERR_SHMSIZE, DiskFull),
        (sqlite3.SQLITE_BUSY, TransientError),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, TransientError),
        (sqlite3.SQLITE_LOCKED, TransientError),
        (sqlite3.SQLITE_CORRUPT, StoreDamaged),
        (sqlite3.SQLITE_CORRUPT_INDEX, StoreDamaged),
        (sqlite3.SQLITE_NOTADB, StoreDamaged),
        (sqlite3.SQLITE_IOERR_READ, StoreError),
        (sqlite3.SQLITE_READONLY, StoreError),
        (sqlite3.SQLITE_ERROR, StoreError),
    ],
)
def test_each_error_of_sqlite_has_its_meaning(code: int, kind: type[ModelshelfError]) -> None:
    error = sqlite3.OperationalError("as sqlite says")
    error.sqlite_errorcode = code
    found = translate(error, PATH)
    assert type(found) is kind
    assert "/state/modelshelf.db" in str(found)
    assert "as sqlite says" in str(found)


def test_an_error_without_a_code_is_a_store_error() -> None:
    assert type(translate(sqlite3.ProgrammingError("closed"), PATH)) is StoreError


def test_the_block_lets_other_errors_pass() -> None:
    with pytest.raises(KeyError), translated(PATH):
        raise KeyError
    with pytest.raises(StoreError), translated(PATH):
        raise sqlite3.IntegrityError


def test_a_full_disk_is_told_from_a_missing_permission() -> None:
    assert type(translate_os_error(OSError(errno.ENOSPC, "full"), PATH, "write")) is DiskFull
    assert type(translate_os_error(OSError(errno.EACCES, "no"), PATH, "write")) is StoreError
