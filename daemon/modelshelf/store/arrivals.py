"""Files seen for the first time, many at once: a shelf of half a million stands in the catalog before anybody has read one."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

from modelshelf.errors import UsageError
from modelshelf.store.columns import big, to_epoch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from modelshelf.domain.model_file import Stamp
    from modelshelf.store.database import Database
    from modelshelf.store.entries import Entries

_ROWS_PER_STATEMENT = 100
"""A statement by itself costs three times what its row does."""

_ADD = """INSERT INTO files (folder_id, directory, priority, run_id, first_seen_at, last_changed_at,
        name, size_bytes, mtime_ns, ctime_ns, inode)
    VALUES {} ON CONFLICT (folder_id, directory, name) DO NOTHING"""
_COLUMNS_PER_ROW = 5
_COUNT = """UPDATE folders SET file_count = file_count + ?2, owed_files = owed_files + ?3, owed_bytes = owed_bytes + ?4
    WHERE id = ?1"""
_COUNT_SINCE = "SELECT count(*) AS files, total(size_bytes) AS bytes FROM files WHERE id > ?"
_LAST_ID = "SELECT coalesce(max(seq), 0) AS id FROM sqlite_sequence WHERE name = 'files'"
_IDS = "SELECT id FROM files WHERE id > ?"
_DESCRIBE = """INSERT INTO entries (file_id, directory, filename, name, search_text, effective, digest)
    SELECT id, :directory, filename, substr(filename, 1, length(filename) - :extension), '', '{}', x''
    FROM (SELECT id, CAST(name AS TEXT) AS filename FROM files WHERE id > :last)"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Files of one directory that nobody knew, all of them whole."""

    folder_id: str
    directory: bytes
    stamps: Sequence[Stamp]
    priority: int
    run_id: int | None = None


class Arrivals:
    """Writes in bulk what `Files.add` and `Entries.refresh` write for a file that nothing is known of."""

    def __init__(self, database: Database, entries: Entries) -> None:
        self._database = database
        self._entries = entries

    def add(self, arrival: Arrival, now: datetime) -> int:
        """Begin to know these files, each with its entry; gives how many were new. One that is known meanwhile stays as it is."""
        with self._database.transaction():
            return sum(
                self._add(replace(arrival, stamps=stamps), extension, now)
                for extension, stamps in _by_extension(arrival.stamps).items()
            )

    def _add(self, arrival: Arrival, extension: int, now: datetime) -> int:
        last_id = int(self._database.rows(_LAST_ID)[0]["id"])
        self._add_rows(arrival, to_epoch(now))
        found = self._database.rows(_COUNT_SINCE, (last_id,))[0]
        added = int(found["files"])
        count_in(self._database, arrival.folder_id, added, added, int(found["bytes"]))
        self._describe(arrival, last_id, extension)
        return added

    def _add_rows(self, arrival: Arrival, moment: float) -> None:
        shared = (arrival.folder_id, arrival.directory, arrival.priority, arrival.run_id, moment)
        for first in range(0, len(arrival.stamps), _ROWS_PER_STATEMENT):
            some = arrival.stamps[first : first + _ROWS_PER_STATEMENT]
            sql, columns = _insertion_of(len(some)), chain.from_iterable(some)
            try:
                self._database.execute(sql, (*shared, *columns))
            except UsageError:  # a number beyond 64 bits, which hardly any file has: nobody is to pay for asking
                fitting = [big(each) if isinstance(each, int) else each for each in chain.from_iterable(some)]
                self._database.execute(sql, (*shared, *fitting))

    def _describe(self, arrival: Arrival, last_id: int, extension: int) -> None:
        """Write the entries; where paths are ASCII and fit for eyes, all at once, and to be searched by their paths."""
        if not _is_plain(b"".join([arrival.directory, *[stamp[0] for stamp in arrival.stamps]])):
            self._entries.refresh([row["id"] for row in self._database.rows(_IDS, (last_id,))])
            return
        directory = arrival.directory.decode("ascii")
        self._database.execute(_DESCRIBE, {"last": last_id, "directory": directory, "extension": extension})


def count_in(database: Database, folder_id: str, files: int, owed_files: int, owed_bytes: int) -> None:
    """Count files that were just added to a folder; whatever becomes of them later is counted by triggers."""
    database.execute(_COUNT, (folder_id, files, owed_files, big(owed_bytes)))


@cache
def _insertion_of(rows: int) -> str:
    first = 6
    places = (range(first + row * _COLUMNS_PER_ROW, first + (row + 1) * _COLUMNS_PER_ROW) for row in range(rows))
    return _ADD.format(",".join(f"(?1,?2,?3,?4,?5,?5,{','.join(f'?{place}' for place in each)})" for each in places))


def _by_extension(stamps: Sequence[Stamp]) -> dict[int, Sequence[Stamp]]:
    """Give the stamps by how long the last extension of the name is, with its dot; mostly it is the same for all."""
    ending = os.path.splitext(stamps[0][0])[1]
    if ending and b"".join([stamp[0] + b"/" for stamp in stamps]).count(ending + b"/") == len(stamps):
        return {len(ending): stamps}
    groups: dict[int, list[Stamp]] = {}
    for stamp in stamps:
        groups.setdefault(len(os.path.splitext(stamp[0])[1]), []).append(stamp)
    return dict(groups)


def _is_plain(text: bytes) -> bool:
    return text.isascii() and text.decode("ascii").isprintable()
