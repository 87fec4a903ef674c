"""The files of all folders: where they are, how far they were read, what became of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from modelshelf.clock import SystemClock
from modelshelf.domain.model_file import ScanPhase
from modelshelf.domain.rot import RotEnd
from modelshelf.store.arrivals import count_in
from modelshelf.store.columns import big, from_epoch, id_list, text, to_epoch, to_epoch_or_none
from modelshelf.store.file_rows import columns_of, file_from, split
from modelshelf.store.former_files import former_at, keep_former
from modelshelf.store.headers import header_of, pickles_not_scanned_by, put_header
from modelshelf.store.rot_table import END_ROT
from modelshelf.store.task_rows import KINDS_OF_FILES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from modelshelf.domain.header import Header
    from modelshelf.domain.model_file import Fingerprint, ModelFile, Stamp
    from modelshelf.store.database import Database, Parameters
    from modelshelf.store.former_files import FormerFile

_ADD = """INSERT INTO files (folder_id, directory, name, size_bytes, mtime_ns, ctime_ns, inode,
        priority, waiting_reason, run_id, first_seen_at, last_changed_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (folder_id, directory, name) DO NOTHING RETURNING id"""
_STAMPS = """SELECT name, size_bytes, mtime_ns, ctime_ns, iif(waiting_reason IS NULL, inode, NULL) FROM files
    WHERE folder_id = ? AND directory = ? AND missing_since IS NULL"""
_NAMED = "SELECT * FROM files WHERE folder_id = ? AND directory = ? AND name IN ({})"
_NAMES_AT_ONCE = 500
_WITH_COMPANIONS = """SELECT name FROM files INDEXED BY files_with_companions
    WHERE folder_id = ? AND directory = ? AND missing_since IS NULL AND companions <> ''"""
_INODES = """SELECT DISTINCT f.inode FROM json_each(?) j CROSS JOIN files f ON f.inode = j.value"""
_CHANGE = """UPDATE files SET size_bytes = ?, mtime_ns = ?, ctime_ns = ?, inode = ?, scan_phase = 0, is_inspected = 0,
        former_content_id = coalesce(content_id, former_content_id), content_id = NULL,
        missing_since = NULL, hash_skipped_reason = NULL,
        priority = ?, waiting_reason = ?, run_id = ?, last_changed_at = ? WHERE id = ?"""
_RECORD_READING = """UPDATE files SET scan_phase = ?, content_id = ?, hash_skipped_reason = ?, vouched_by = ?,
        verified_at = coalesce(?, verified_at) WHERE id = ?"""
_SETTLE = "UPDATE files SET size_bytes = ?, mtime_ns = ?, ctime_ns = ?, inode = ?, missing_since = NULL WHERE id = ?"
_MOVE = """UPDATE files SET folder_id = ?, directory = ?, name = ?,
        size_bytes = ?, mtime_ns = ?, ctime_ns = ?, inode = ?, missing_since = NULL WHERE id = ?"""
_FORGET_READING = """DELETE FROM tasks
    WHERE kind IN ('inspect_file', 'hash_file') AND subject = CAST(? AS TEXT) AND state != 'running'"""
_FORGET_TASKS = f"""DELETE FROM tasks
    WHERE kind IN ({KINDS_OF_FILES}) AND subject = CAST(? AS TEXT) AND state != 'running'"""  # noqa: S608 - constants only
_MOVE_TASKS = f"""UPDATE tasks SET folder_id = ?
    WHERE kind IN ({KINDS_OF_FILES}) AND subject = CAST(? AS TEXT)"""  # noqa: S608 - constants only
_AT = "SELECT * FROM files WHERE folder_id = ? AND directory = ? AND name = ?"
_OF_OTHER_BYTES = (
    "SELECT 1 FROM files WHERE id = ? AND scan_phase = 0 AND content_id IS NULL AND former_content_id IS NOT NULL"
)
_DIRECTORIES = """SELECT DISTINCT directory FROM files
    WHERE folder_id = :folder AND missing_since IS NULL
        AND (:top = x'' OR directory = :top OR directory >= :first AND directory < :beyond)
    ORDER BY directory"""
_WITH_STEM = """SELECT * FROM files
    WHERE folder_id = ? AND directory = ? AND name >= ? AND name < ? AND +missing_since IS NULL ORDER BY name"""
"""By the names' own index, and not through a whole directory by that of the files that are there."""
_OF_MODEL = """SELECT f.* FROM versions v JOIN contents c ON c.version_id = v.id JOIN files f ON f.content_id = c.id
    WHERE v.model_id = ? AND f.missing_since IS NULL ORDER BY f.id"""


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file seen for the first time. `path` is relative to its folder."""

    folder_id: str
    path: bytes
    fingerprint: Fingerprint
    now: datetime
    priority: int
    waiting_reason: str | None = None
    run_id: int | None = None


class Files:
    """The catalog's files. A missing file keeps its row, so that all is still known when it comes back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, file_id: int) -> ModelFile | None:
        """Give a file by its id, also a missing one."""
        return self._one("SELECT * FROM files WHERE id = ?", (file_id,))

    def at(self, folder_id: str, path: bytes) -> ModelFile | None:
        """Give the file known at this path, also a missing one."""
        return self._one(_AT, (folder_id, *split(path)))

    def in_directory(self, folder_id: str, directory: bytes) -> dict[bytes, ModelFile]:
        """Give the files directly in a directory by their paths, missing ones too."""
        found = self._all("SELECT * FROM files WHERE folder_id = ? AND directory = ?", (folder_id, directory))
        return {file.path: file for file in found}

    def named(self, folder_id: str, directory: bytes, names: Iterable[bytes]) -> dict[bytes, ModelFile]:
        """Give those with these names of the files directly in a directory by their paths, missing ones too."""
        left, found = iter(sorted(names)), {}
        while some := list(islice(left, _NAMES_AT_ONCE)):
            sql = _NAMED.format(",".join("?" * len(some)))
            found.update({file.path: file for file in self._all(sql, (folder_id, directory, *some))})
        return found

    def stamps_in(self, folder_id: str, directory: bytes) -> list[Stamp]:
        """Give the files that are there, directly in a directory, as a walk sees them; one that waits equals none of those."""
        return self._database.tuples(_STAMPS, (folder_id, directory))

    def names_with_companions(self, folder_id: str, directory: bytes) -> list[bytes]:
        """Give the names of the files in a directory beside which something stood when they were last read."""
        return [name for (name,) in self._database.tuples(_WITH_COMPANIONS, (folder_id, directory))]

    def inodes_known(self, asked: Collection[int]) -> set[int]:
        """Give those of these inodes that some file has, there or missing; all beyond 64 bits, where only `twins` can tell."""
        known = {inode for (inode,) in self._database.tuples(_INODES, (id_list(asked),))}
        return known if max(asked, default=0) < 2**63 else known | {each for each in asked if each >= 2**63}

    def names_in_directory(self, folder_id: str, directory: bytes) -> list[bytes]:
        """Give the names of the files that are there, directly in a directory."""
        found = "SELECT name FROM files WHERE folder_id = ? AND directory = ? AND missing_since IS NULL"
        return [row["name"] for row in self._database.rows(found, (folder_id, directory))]

    def directories_below(self, folder_id: str, directory: bytes) -> list[bytes]:
        """Give the directories that hold a file which is there: this one and all below; the folder itself is empty."""
        limits = {"first": directory + b"/", "beyond": directory + b"0"}
        found = self._database.rows(_DIRECTORIES, {"folder": folder_id, "top": directory, **limits})
        return [row["directory"] for row in found]

    def with_stem(self, folder_id: str, directory: bytes, stem_name: bytes) -> list[ModelFile]:
        """Give the files that are there, in this directory, whose name without its last extension is `stem_name`."""
        found = self._all(_WITH_STEM, (folder_id, directory, stem_name, stem_name + b"/"))
        return [file for file in found if os.path.splitext(split(file.path)[1])[0] == stem_name]

    def of_content(self, content_id: int) -> list[ModelFile]:
        """Give the files that are there and hold this content."""
        return self._all(
            "SELECT * FROM files WHERE content_id = ? AND missing_since IS NULL ORDER BY id", (content_id,)
        )

    def of_model(self, model_id: int) -> list[ModelFile]:
        """Give the files that are there and whose content is a version of this model."""
        return self._all(_OF_MODEL, (model_id,))

    def twins(self, fingerprint: Fingerprint) -> list[ModelFile]:
        """Give the files, there or missing, with the same inode, size and mtime: where this one was before, or a hard link."""
        return self._all(
            "SELECT * FROM files WHERE inode = ? AND size_bytes = ? AND mtime_ns = ? ORDER BY id",
            (big(fingerprint.inode), big(fingerprint.size_bytes), big(fingerprint.mtime_ns)),
        )

    def missing_with_content(self, content_id: int) -> list[ModelFile]:
        """Give the missing files that held this content."""
        return self._all(
            "SELECT * FROM files WHERE content_id = ? AND missing_since IS NOT NULL ORDER BY id", (content_id,)
        )

    def unchanged_since(self, file_id: int) -> datetime:
        """Give when the file was first seen with the bytes that it has now."""
        return from_epoch(self._database.rows("SELECT last_changed_at FROM files WHERE id = ?", (file_id,))[0][0])

    def is_of_other_bytes(self, file_id: int) -> bool:
        """Tell whether what was said of a file was said of other bytes: those that it has now are still to be hashed."""
        return self._database.row(_OF_OTHER_BYTES, (file_id,)) is not None

    def add(self, file: NewFile) -> int:
        """Begin to know a file; gives its id. One that is known at this path already takes the new bytes instead."""
        moment = to_epoch(file.now)
        reason = _text_or_none(file.waiting_reason)
        row = (file.folder_id, *split(file.path), *columns_of(file.fingerprint), file.priority, reason, file.run_id)
        with self._database.transaction():
            added = self._database.rows(_ADD, (*row, moment, moment))
            if added:
                is_owed = file.waiting_reason is None
                count_in(self._database, file.folder_id, 1, is_owed, is_owed * file.fingerprint.size_bytes)
                if not is_owed:
                    self._database.execute("UPDATE files SET state = 'waiting' WHERE id = ?", (added[0]["id"],))
                return int(added[0]["id"])
            known = self._database.rows(_AT, (file.folder_id, *split(file.path)))[0]["id"]
            self.change(
                known,
                file.fingerprint,
                file.now,
                priority=file.priority,
                waiting_reason=file.waiting_reason,
                run_id=file.run_id,
            )
            return int(known)

    def change(
        self,
        file_id: int,
        fingerprint: Fingerprint,
        now: datetime,
        *,
        priority: int,
        waiting_reason: str | None,
        run_id: int | None,
    ) -> None:
        """Take other bytes at the same path: all that was read from the old ones is dropped, and it is to be read again.

        What sidecars told stays until they are read again. A reading of the old bytes that failed or waits is forgotten.
        """
        columns = (priority, _text_or_none(waiting_reason), run_id, to_epoch(now), file_id)
        with self._database.transaction():
            self._database.execute(_CHANGE, (*columns_of(fingerprint), *columns))
            self._database.execute("DELETE FROM headers WHERE file_id = ?", (file_id,))
            self._database.execute(
                "DELETE FROM facts WHERE owner = 'file' AND owner_id = ? AND source IN ('embedded', 'stablequeue')",
                (file_id,),
            )
            self._database.execute(_FORGET_READING, (file_id,))
            self._database.execute(END_ROT, (to_epoch(now), RotEnd.CHANGED, file_id))

    def settle_fingerprint(self, file_id: int, fingerprint: Fingerprint) -> None:
        """Take a new ctime or inode of the same bytes; a missing file is there again."""
        self._database.execute(_SETTLE, (*columns_of(fingerprint), file_id))

    def set_waiting(self, file_id: int, reason: str | None) -> None:
        """Keep why the file is not whole yet, None once it is; nothing is read of it while it waits."""
        self._database.execute("UPDATE files SET waiting_reason = ? WHERE id = ?", (_text_or_none(reason), file_id))

    def move(
        self, file_id: int, folder_id: str, path: bytes, fingerprint: Fingerprint, now: datetime | None = None
    ) -> None:
        """Keep that the file lies elsewhere now, with all that is known of it; it is there again if it was missing.

        A path holds one file: the one that was known at the new path owes nothing any more, and its record is kept as a
        FormerFile, superseded at `now` or by the machine's clock.
        """
        with self._database.transaction():
            known = self.at(folder_id, path)
            if known is not None and known.id != file_id:
                self._supersede(known, SystemClock().now() if now is None else now)
            self._database.execute(_MOVE, (folder_id, *split(path), *columns_of(fingerprint), file_id))
            self._database.execute(_MOVE_TASKS, (folder_id, file_id))

    def _supersede(self, old: ModelFile, now: datetime) -> None:
        keep_former(self._database, old.id, now)
        self._database.execute(_FORGET_TASKS, (old.id,))
        self._database.execute(_MOVE_TASKS, ("", old.id))
        self._database.execute("DELETE FROM files WHERE id = ?", (old.id,))

    def former(self, folder_id: str, path: bytes) -> list[FormerFile]:
        """Give what lay at this path before another known file was moved there, the latest first."""
        return former_at(self._database, folder_id, path)

    def mark_missing(self, file_ids: Iterable[int], now: datetime) -> None:
        """Keep that these files are gone; those that are missing already keep their time."""
        self._database.execute(
            """UPDATE files SET missing_since = ?
                WHERE id IN (SELECT value FROM json_each(?)) AND missing_since IS NULL""",
            (to_epoch(now), id_list(file_ids)),
        )

    def record_header(self, file_id: int, header: Header) -> None:
        """Keep what the file says of itself; it is inspected now."""
        with self._database.transaction():
            put_header(self._database, file_id, header)
            self._database.execute("UPDATE files SET is_inspected = 1 WHERE id = ?", (file_id,))

    def header(self, file_id: int) -> Header | None:
        """Give what the file says of itself, None where it was not inspected since its bytes changed."""
        return header_of(self._database, file_id)

    def pickles_not_scanned_by(self, scanner: str) -> list[int]:
        """Give the files whose pickles another scanner judged, or none; `scanner` is taken for theirs from now on."""
        return pickles_not_scanned_by(self._database, scanner)

    def record_content(
        self, file_id: int, content_id: int, vouched_by: str | None = None, read_at: datetime | None = None
    ) -> None:
        """Keep what the file holds; it was read in full at `read_at`, or another program vouches for it."""
        self._record_reading(file_id, content_id, None, vouched_by, read_at)

    def record_unhashed(self, file_id: int, reason: str) -> None:
        """Keep why the file is not to be hashed; nothing more is owed of it."""
        self._record_reading(file_id, None, text(reason))

    def set_companions(self, file_id: int, signature: str) -> None:
        """Keep what the files beside it looked like when they were last read."""
        self._database.execute("UPDATE files SET companions = ? WHERE id = ?", (text(signature), file_id))

    def reset_deep(self, file_ids: Iterable[int], priority: int) -> None:
        """Owe header and hashes of these files once more, though nothing changed; what is known stays until then."""
        with self._database.transaction():
            for file_id in file_ids:
                self._database.execute(
                    "UPDATE files SET scan_phase = 0, is_inspected = 0, priority = ? WHERE id = ?", (priority, file_id)
                )
                self._database.execute(_FORGET_READING, (file_id,))

    def reset_too_large(self, limit_bytes: int | None, reason: str, priority: int) -> None:
        """Owe the hashes of files that were skipped for `reason` and are not above the limit any more (None: no limit)."""
        found = self._database.rows(
            "SELECT id FROM files WHERE instr(hash_skipped_reason, ?) AND (?2 IS NULL OR size_bytes <= ?2)",
            (reason, None if limit_bytes is None else big(limit_bytes)),
        )
        self.reset_deep([row["id"] for row in found], priority)

    def _record_reading(
        self,
        file_id: int,
        content_id: int | None,
        reason: str | None,
        vouched_by: str | None = None,
        read_at: datetime | None = None,
    ) -> None:
        columns = (ScanPhase.DEEP, content_id, reason, vouched_by, to_epoch_or_none(read_at), file_id)
        self._database.execute(_RECORD_READING, columns)

    def _one(self, sql: str, parameters: Parameters) -> ModelFile | None:
        row = self._database.row(sql, parameters)
        return None if row is None else file_from(row)

    def _all(self, sql: str, parameters: Parameters) -> list[ModelFile]:
        return [file_from(row) for row in self._database.rows(sql, parameters)]


def _text_or_none(value: str | None) -> str | None:
    return None if value is None else text(value)
