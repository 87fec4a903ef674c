"""StableQueue's SQLite: its table `models`, read and never written.

Its columns are TEXT that holds what JavaScript made of a value (`651553.0` for an id). AutoV2 is the beginning of the
SHA256 as one of its versions has it, and of the SHA256 of the first MiB as another has it. It keeps neither size nor mtime of
a file: only when it last wrote the row, which it does at every scan that finds the file.
"""

from __future__ import annotations

import json
import math
import os
import re
import sqlite3
import stat
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.fact import Fact, Field, Source, is_known
from modelshelf.errors import UsageError, from_os_error

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from modelshelf.domain.jsontypes import JsonValue

PATIENCE_SECONDS = 60.0
_MOST_ROWS = 1_000_000
_LONGEST_VALUE_BYTES = 4 * 1024 * 1024
_STEPS_BETWEEN_LOOKS = 10_000
_BUSY_SECONDS = 10.0
_WANTED = (
    "local_path",
    "filename",
    "hash_autov2",
    "hash_sha256",
    "civitai_id",
    "civitai_version_id",
    "civitai_model_name",
    "civitai_model_base",
    "civitai_model_type",
    "civitai_model_version_name",
    "civitai_model_version_desc",
    "civitai_model_version_date",
    "civitai_download_url",
    "civitai_trained_words",
    "civitai_file_size_kb",
    "metadata_source",
    "last_used",
    "created_at",
)
_SHA256, _AUTOV2 = re.compile(r"[0-9A-F]{64}"), re.compile(r"[0-9A-F]{10}")
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ].{1,30})?")
_LONGEST_TEXT = 100_000
_LARGEST_ID = 2**53
_SD_VERSIONS = frozenset({"SD1", "SD2", "SD3", "SDXL", "FLUX", "OTHER", "UNKNOWN"})
"""Forge's words for its own drop-down; StableQueue keeps them where Civitai's base model would stand."""


@dataclass(frozen=True, slots=True)
class ToldModel:
    """One row: a file by its path, and what is said of it; hashes are uppercase, and None where they are no hash.

    `told_at` is when the row was last written, None where it has no date. `civitai_size_bytes` may be any number at all: one
    of its versions kept the preferred weight there.
    """

    path: bytes | None
    sha256: str | None
    autov2: str | None
    told_at: datetime | None
    created_at: datetime | None
    last_used_at: datetime | None
    civitai_size_bytes: int | None
    facts: tuple[Fact, ...]


def read_models(path: Path) -> list[ToldModel]:
    """Give every row; UsageError, with what is wrong, where it is not such a database or cannot be read to its end."""
    _demand_regular(path)
    try:
        with closing(_connect(path)) as connection:
            columns = _columns(connection, path)
            found = connection.execute(f"SELECT {columns} FROM models ORDER BY id LIMIT {_MOST_ROWS + 1}").fetchall()  # noqa: S608 - constants only
    except (sqlite3.Error, OverflowError) as error:
        raise UsageError(f"{readable(path)} cannot be read: {error}") from error
    if len(found) > _MOST_ROWS:
        raise UsageError(f"{readable(path)} has more than {_MOST_ROWS} models")
    return [_told(row) for row in found]


def _demand_regular(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise UsageError(str(from_os_error(error, os.fsencode(path), "read"))) from error
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{readable(path)} is no file")


def _connect(path: Path) -> sqlite3.Connection:
    """Open it so that nothing is written, not even beside it, unless another program has left its journal there.

    What a stranger wrote into the schema may do nothing, and no question may take for ever.
    """
    beside = [path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-journal")]
    mode = "ro" if any(each.exists() for each in beside) else "ro&immutable=1"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=_BUSY_SECONDS)
    connection.row_factory = sqlite3.Row
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE_BYTES)
    until = time.monotonic() + PATIENCE_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS_BETWEEN_LOOKS)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _columns(connection: sqlite3.Connection, path: Path) -> str:
    """Give the columns to ask for, NULL for those that an older version does not have."""
    kind = connection.execute("SELECT type FROM sqlite_master WHERE name = 'models'").fetchone()
    there = {row["name"] for row in connection.execute("PRAGMA table_info(models)")}
    if kind is None or kind["type"] != "table" or not {"id", "local_path", "filename"} <= there:
        raise UsageError(f"{readable(path)} is not StableQueue's: it has no table models with local_path and filename")
    return ", ".join(name if name in there else f"NULL AS {name}" for name in _WANTED)


def _told(row: sqlite3.Row) -> ToldModel:
    values: Mapping[str, object] = dict(row)
    created_at, last_used_at = _moment(values["created_at"]), _moment(values["last_used"])
    sha256 = _hash(values["hash_sha256"], _SHA256)
    return ToldModel(
        path=_path(values["local_path"], values["filename"]),
        sha256=sha256,
        autov2=_hash(values["hash_autov2"], _AUTOV2),
        told_at=max((each for each in (created_at, last_used_at) if each is not None), default=None),
        created_at=created_at,
        last_used_at=last_used_at,
        civitai_size_bytes=_size(values["civitai_file_size_kb"]),
        facts=tuple(_facts(values)),
    )


def _path(directory: object, name: object) -> bytes | None:
    if not isinstance(directory, str) or not isinstance(name, str) or not name or "\0" in directory + name:
        return None
    if os.path.basename(name) != name or name in {".", ".."}:
        return None
    return os.path.normpath(os.path.join(os.fsencode(directory), os.fsencode(name)))


def _hash(value: object, pattern: re.Pattern[str]) -> str | None:
    upper = value.strip().upper() if isinstance(value, str) else ""
    return upper if pattern.fullmatch(upper) else None


def _moment(value: object) -> datetime | None:
    """Give a time as SQLite's CURRENT_TIMESTAMP or JavaScript writes it: both are UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return aware if aware.year > 1970 else None  # noqa: PLR2004 - before it, SQLite and file systems go wrong


def _number(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _size(value: object) -> int | None:
    size_kb = _number(value)
    return None if size_kb is None else round(size_kb * 1024)


def _facts(values: Mapping[str, object]) -> list[Fact]:
    base = _text(values["civitai_model_base"])
    is_from_forge = base is not None and base.upper() in _SD_VERSIONS
    published_at = _text(values["civitai_model_version_date"])
    url = _text(values["civitai_download_url"])
    told: dict[Field, JsonValue] = {
        Field.NAME: _text(values["civitai_model_name"]),
        Field.VERSION_NAME: _text(values["civitai_model_version_name"]),
        Field.MODEL_ID: _id(values["civitai_id"]),
        Field.VERSION_ID: _id(values["civitai_version_id"]),
        Field.MODEL_TYPE: _text(values["civitai_model_type"]),
        Field.BASE_MODEL: None if is_from_forge else base,
        Field.FORGE_SD_VERSION: base if is_from_forge else None,
        Field.VERSION_DESCRIPTION: _text(values["civitai_model_version_desc"]),
        Field.PUBLISHED_AT: published_at if _ISO_DATE.fullmatch(published_at or "") else None,
        Field.DOWNLOAD_URL: url if (url or "").startswith(("https://", "http://")) else None,
        Field.TRAINED_WORDS: _words(values),
    }
    return [Fact(field, Source.STABLEQUEUE, value) for field, value in told.items() if is_known(value)]


def _text(value: object) -> str | None:
    """Give a text worth keeping; what JavaScript made of nothing is nothing."""
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        return None
    text = value.encode("utf-8", "replace").decode("utf-8").strip()
    return None if text in {"", "null", "undefined", "None", "[object Object]"} else text


def _id(value: object) -> int | None:
    number = _number(value)
    if number is None or not number.is_integer() or not 0 < number < _LARGEST_ID:
        return None
    return int(number)


def _words(values: Mapping[str, object]) -> list[JsonValue]:
    """Give the trained words; of a file known by its header alone they are guessed from its tags, which we read ourselves."""
    text = _text(values["civitai_trained_words"])
    if text is None or (values["metadata_source"] == "embedded" and _id(values["civitai_version_id"]) is None):
        return []
    try:
        told = json.loads(text) if text.startswith("[") else text.split(",")
    except (ValueError, RecursionError):
        told = text.split(",")
    words = [word.strip() for word in told if isinstance(word, str)]
    return [*dict.fromkeys(word for word in words if word)]
