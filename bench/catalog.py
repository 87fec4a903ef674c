"""A catalog of a million files: how long a person waits for status, a search and a page of the list, and what it weighs.

The rows are made by SQL in bulk, into the schema as migrations make it; read is by the functions that the commands use.
"""

from __future__ import annotations

import os
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, product
from typing import TYPE_CHECKING

from bench.stage import scratch
from bench.table import Row
from modelshelf.cli.list import Search, find
from modelshelf.cli.opening import Opening
from modelshelf.cli.shelf_report import gather
from modelshelf.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TITLE = "catalog: status, search and a page of the list"

FILES, QUICK_FILES = 1_000_000, 20_000
TARGET_SECONDS = 0.05
"""About this: half as much again is still reached."""

_BYTES_PER_FILE = 8_000
_FOLDERS = 4
_PAGE = 100
_ROUNDS = 5
_WORDS = [
    "".join(pair)
    for pair in product(
        ("am", "bel", "cor", "dus", "fen", "gal", "hol", "jun", "lim", "nor", "pex"),
        ("ara", "eth", "iko", "oul", "ume"),
        ("d", "x"),
    )
]

_NAME = """(SELECT word FROM words WHERE id = (n * 7919) % :words) || ' '
    || (SELECT word FROM words WHERE id = (n / 13) % :words) || ' ' || n"""
_NUMBERS = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :files)"
_HASH = "upper(printf('%08x%08x', (n * 2654435761) % 4294967296, (n * 40503) % 4294967291))"
_FILLING = (
    f"""INSERT INTO contents (id, size_bytes, sha256, blake3, autov1, autov2, autov3, crc32, hashed_at, version_id,
            next_lookup_at, looked_up_at, matched_by)
        SELECT n, 1000000 + n, {_HASH} || hex(randomblob(16)) || {_HASH}, hex(randomblob(32)), hex(randomblob(4)),
            hex(randomblob(5)), hex(randomblob(6)), hex(randomblob(4)), 1.7e9, iif(n % 4, n, NULL), 1.9e9, 1.7e9,
            iif(n % 4, 'file', NULL)
        FROM numbers""",
    """INSERT INTO files (id, folder_id, directory, name, size_bytes, mtime_ns, ctime_ns, inode, priority, first_seen_at,
            last_changed_at)
        SELECT n, 'f' || (n % :folders), CAST(printf('set-%03d/%04d', n % 500, n % 10000) AS BLOB),
            CAST(printf('model-%07d.safetensors', n) AS BLOB), 1000000 + n, 17e17 + n, 17e17 + n, n, 10, 1.7e9, 1.7e9
        FROM numbers""",
    """INSERT INTO headers (file_id, format, verdict, reason, body)
        SELECT n, 'safetensors', iif(n % 4999, 'sound', 'broken'), NULL, randomblob(700) FROM numbers WHERE n % 50""",
    f"""INSERT INTO entries (file_id, directory, filename, name, model_type, base_model, creator, search_text, effective, digest)
        SELECT n, printf('set-%03d/%04d', n % 500, n % 10000), printf('model-%07d.safetensors', n), {_NAME},
            iif(n % 3, 'LORA', 'Checkpoint'), iif(n % 5, 'SDXL 1.0', 'SD 1.5'), 'creator' || (n % 5000),
            printf('set-%03d/%04d/model-%07d.safetensors', n % 500, n % 10000, n) || char(10) || {_NAME} || char(10)
                || 'style, masterpiece, ' || {_NAME} || char(10) || 'creator' || (n % 5000),
            json_object('name', json_array('civitai_api', {_NAME}), 'model_type', json_array('civitai_api', 'LORA'),
                'base_model', json_array('civitai_api', 'SDXL 1.0'), 'version_id', json_array('civitai_api', n),
                'model_id', json_array('civitai_api', n / 2), 'tags', json_array('civitai_api', json_array('style', 'woman')),
                'description', json_array('civitai_api', hex(randomblob(200)))), randomblob(32)
        FROM numbers""",
    """INSERT INTO facts (owner, owner_id, source, field, value)
        SELECT 'content', n, 'civitai_api', value, '"' || value || n || '"' FROM numbers,
            json_each('["name","model_type","base_model","version_id","model_id","creator","tags","published_at"]')""",
    "INSERT INTO versions (id, model_id, body, received_at) SELECT n, n / 2, randomblob(1500), 1.7e9 FROM numbers WHERE n % 4",
    """INSERT INTO civitai_models (id, body, received_at, next_check_at)
        SELECT n, randomblob(1500), 1.7e9, 1.9e9 FROM numbers WHERE n <= :files / 2""",
)


_SETTLING = (
    """UPDATE folders SET file_count = (SELECT count(*) FROM files WHERE folder_id = folders.id)""",
    "UPDATE files SET scan_phase = 1, is_inspected = 1, content_id = id WHERE id % 50",
    "UPDATE files SET missing_since = 1.71e9 WHERE id % 97 = 0",
    "UPDATE files SET waiting_reason = 'still written' WHERE id % 9973 = 0",
    "INSERT INTO entry_trigrams (entry_trigrams) VALUES ('rebuild')",
)


@dataclass(frozen=True, slots=True)
class Question:
    """What a person asks, and how it is answered."""

    subject: str
    ask: Callable[[], object]


def compare(directory: Path | None, *, is_quick: bool) -> list[Row]:
    """Fill a catalog with a million files (20,000 where `is_quick`), and ask each question some times, warm."""
    files = QUICK_FILES if is_quick else FILES
    with (
        scratch(directory, files * _BYTES_PER_FILE) as here,
        _catalog(here, files) as (store, opening, filling_seconds),
    ):
        rows = [_measured(question) for question in _questions(store, opening, files)]
        size_bytes = opening.store_path.stat().st_size
        parts = _parts(store)
    return [
        Row("files", f"{files:,}"),
        Row("filled in", f"{filling_seconds:.0f} s"),
        *rows,
        Row("database per file", f"{size_bytes / files:,.0f} B"),
        *[Row(f"  {name}", f"{part / files:,.0f} B") for name, part in parts],
    ]


def _questions(store: Store, opening: Opening, files: int) -> list[Question]:
    rare = str(files - 17)
    return [
        Question("status", lambda: gather(opening)),
        Question("list: the first page", lambda: _page(store)),
        Question("list: one folder", lambda: _page(store, folder_id="f1")),
        Question("search: a word of one file", lambda: _page(store, f"model-{int(rare):07}")),
        Question("search: part of a number", lambda: _page(store, rare[1:])),
        Question("search: a word of every file", lambda: _page(store, "style")),
        Question("search: a word of one file in fifty", lambda: _page(store, "belikod")),
        Question("search: two words", lambda: _page(store, "belikod", "noroulx")),
        Question("search: nothing like it", lambda: _page(store, "qqqqq")),
    ]


def _page(store: Store, *words: str, folder_id: str | None = None) -> object:
    search = Search(words, folder_id, None, None, None, _PAGE, 0)
    return list(islice(find(store, search), _PAGE + 1))


def _measured(question: Question) -> Row:
    seconds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        question.ask()
        seconds.append(time.perf_counter() - started)
    best = min(seconds)
    return Row(question.subject, f"{1000 * best:.1f} ms", "about 50 ms", best <= 1.5 * TARGET_SECONDS)


def _parts(store: Store) -> list[tuple[str, int]]:
    """Give the ten largest tables and indices with their bytes; none where SQLite was built without dbstat."""
    if not store.database.row("SELECT 1 FROM pragma_module_list WHERE name = 'dbstat'"):
        return []
    found = store.database.rows(
        "SELECT name, sum(pgsize) AS size FROM dbstat GROUP BY name ORDER BY size DESC LIMIT 10"
    )
    return [(row["name"], row["size"]) for row in found]


@contextmanager
def _catalog(directory: Path, files: int) -> Iterator[tuple[Store, Opening, float]]:
    """Give a store with so many files, as a command opens it, and how long it took to fill it."""
    opening = Opening(_configuration(directory))
    started = time.perf_counter()
    with closing(Store.open(opening.store_path)) as store:
        store.folders.sync(opening.config.folders())
        _fill(store, files)
    with closing(Store.open_readonly(opening.store_path)) as store:
        yield store, opening, time.perf_counter() - started


def _configuration(directory: Path) -> Path:
    folders = [directory / f"f{number}" for number in range(_FOLDERS)]
    for folder in folders:
        folder.mkdir()
    paths = "".join(f"  {folder.name}: {{path: {folder}, type: LORA}}\n" for folder in folders)
    path = directory / "modelshelf.yaml"
    path.write_text(f"input_paths:\n{paths}store: {{directory: {directory / 'state'}}}\n")
    return path


def _fill(store: Store, files: int) -> None:
    database = store.database
    for pragma in ("synchronous = OFF", "cache_size = -1000000"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("CREATE TEMP TABLE words (id INTEGER PRIMARY KEY, word TEXT)")
    database.execute("INSERT INTO words SELECT key, value FROM json_each(?)", ('["' + '","'.join(_WORDS) + '"]',))
    for statement in _FILLING:
        with database.transaction():
            head, _, rest = statement.partition("SELECT")
            sql = f"{head} {_NUMBERS} SELECT{rest}"
            database.execute(sql, {"files": files, "folders": _FOLDERS, "words": len(_WORDS)})
    for statement in _SETTLING:
        database.execute(statement)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    now = datetime.now(UTC)
    store.runs.end(store.runs.start(None, now), now)
    os.sync()
