"""What planning reads: the files that are owed and in no chunk yet, in pages, so that nobody waits and little is held."""

from __future__ import annotations

import json
import os
from array import array
from typing import TYPE_CHECKING

from modelshelf.domain.chunking import ChunkPlan, OwedFile, worth_of
from modelshelf.domain.task import Priority
from modelshelf.store.columns import from_big, id_list

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterator

    from modelshelf.domain.chunk import ChunkLimits
    from modelshelf.store.database import Database, Parameters

OWED = f"""scan_phase = 0 AND missing_since IS NULL AND waiting_reason IS NULL AND has_task = 0
    AND priority < {int(Priority.DROP)}"""
"""What chunks may hold: derived work, and none that somebody waits for."""

PAGE = 10_000
"""So many files are read at once: some hundredths of a second for which others wait."""

_COLUMNS = """folder_id, directory, id, size_bytes, priority,
    content_id IS NOT NULL OR former_content_id IS NOT NULL AS is_known"""
_ALL = f"""SELECT json_group_array(id) FROM files INDEXED BY files_to_read
    WHERE folder_id = ? AND is_inspected IN (0, 1) AND {OWED}"""  # noqa: S608 - constants only
_ABOVE = f"{_ALL} AND priority > ?"
_SINCE = f"SELECT json_group_array(id) FROM files NOT INDEXED WHERE id > ?2 AND folder_id = ?1 AND {OWED}"  # noqa: S608 - likewise
_PAGE = f"SELECT {_COLUMNS} FROM files WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608 - likewise
_FIRST = f"""SELECT {_COLUMNS} FROM files INDEXED BY sqlite_autoindex_files_1
    WHERE folder_id = ? AND {OWED} AND id NOT IN (SELECT value FROM json_each(?))
    ORDER BY directory, name LIMIT ?"""  # noqa: S608 - likewise


def all_owed(database: Database, folder_id: str) -> list[int]:
    """Give the ids of all files of a folder that chunks may hold."""
    return _ids(database, _ALL, (folder_id,))


def newcomers(database: Database, folder_id: str, newest_id: int, priority: int) -> set[int]:
    """Give the ids of those that came later than the file `newest_id`, or are of a higher priority; neither reads past others."""
    return {*_ids(database, _SINCE, (folder_id, newest_id)), *_ids(database, _ABOVE, (folder_id, priority))}


def owed_files(database: Database, ids: Collection[int], is_over: Callable[[], bool]) -> Iterator[OwedFile]:
    """Give files page by page, by id, until `is_over`; at least a page."""
    left = array("q", sorted(ids))
    for place in range(0, len(left), PAGE):
        if place and is_over():
            return
        for row in database.rows(_PAGE, (id_list(left[place : place + PAGE]),)):
            yield _owed_from(row)


def first_chunk(
    database: Database, folder_id: str, taken_ids: Collection[int], limits: ChunkLimits
) -> ChunkPlan | None:
    """Give the files that come first by path as one chunk, up to the count or the bytes; None where nothing is owed."""
    rows = database.rows(_FIRST, (folder_id, id_list(taken_ids), limits.files))
    chosen: list[OwedFile] = []
    size_bytes = 0
    for file in map(_owed_from, rows):
        size_bytes += file.size_bytes
        if chosen and size_bytes > limits.size_bytes:
            size_bytes -= file.size_bytes
            break
        chosen.append(file)
    if not chosen:
        return None
    directory = os.path.commonpath({file.directory for file in chosen})
    worth = max(file.worth for file in chosen)
    return ChunkPlan(folder_id, directory, tuple(file.id for file in chosen), size_bytes, worth)


def _ids(database: Database, sql: str, parameters: Parameters) -> list[int]:
    ids: list[int] = json.loads(database.rows(sql, parameters)[0][0])
    return ids


def _owed_from(row: sqlite3.Row) -> OwedFile:
    folder_id, directory, file_id, size, priority, is_known = row
    size_bytes = from_big(size)
    return OwedFile(folder_id, directory, file_id, size_bytes, worth_of(priority, size_bytes, is_known=is_known))
