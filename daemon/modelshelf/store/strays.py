"""Strays: JSON beside models that no model's name claims, with what each names, so that none is read twice to find out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.model_file import ScanPhase
from modelshelf.store.columns import big, from_big, id_list

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from modelshelf.store.database import Database

_IN_DIRECTORY = "SELECT name, size_bytes, mtime_ns FROM strays WHERE directory = ?"
_DROP = "DELETE FROM strays WHERE directory = ? AND name = ?"
_ADD = "INSERT INTO strays (directory, name, size_bytes, mtime_ns) VALUES (?, ?, ?, ?)"
_ADD_NAMED = "INSERT OR IGNORE INTO stray_names (named, stray_id) VALUES (?, ?)"
_NAMED_BY = """SELECT n.named FROM stray_names n JOIN strays s ON s.id = n.stray_id
    WHERE s.directory = ?1 AND s.name = ?2"""
_NAMING = """SELECT DISTINCT s.name FROM json_each(?2) j CROSS JOIN stray_names n ON n.named = j.value
    CROSS JOIN strays s ON s.id = n.stray_id WHERE s.directory = ?1 ORDER BY s.name"""
"""In this order: a directory may hold thousands of strays, of which one hash names few."""
_FILES = f"""SELECT f.id, f.content_id, c.version_id, c.sha256, c.blake3, c.autov2, c.autov3
    FROM files f JOIN contents c ON c.id = f.content_id
    WHERE f.folder_id = ?1 AND f.directory = ?2 AND f.missing_since IS NULL AND f.waiting_reason IS NULL
        AND f.scan_phase = {ScanPhase.DEEP}"""  # noqa: S608 - constants only
_WITH_VERSION = """SELECT count(DISTINCT f.content_id) AS contents FROM contents c CROSS JOIN files f ON f.content_id = c.id
    WHERE c.version_id = ? AND +f.folder_id = ? AND +f.directory = ? AND f.missing_since IS NULL"""
"""From the version to its files, which are few; not from all files of a directory to their versions."""


def named_version(version_id: int) -> str:
    """Give how a stray's naming of a version is kept, beside the hashes that it names."""
    return f"version {version_id}"


class Strays:
    """`directory` is an absolute path; `named` are hashes in upper case and `named_version`s."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def in_directory(self, directory: bytes) -> dict[bytes, tuple[int, int]]:
        """Give size and mtime, as they were when it was read, of every stray in a directory."""
        rows = self._database.rows(_IN_DIRECTORY, (directory,))
        return {row["name"]: (from_big(row["size_bytes"]), from_big(row["mtime_ns"])) for row in rows}

    def keep(self, directory: bytes, name: bytes, stats: tuple[int, int], named: Collection[str]) -> None:
        """Keep what a stray names; one that names nothing is kept too, so that it is not read again."""
        with self._database.transaction():
            self._database.execute(_DROP, (directory, name))
            stray_id = self._database.execute(_ADD, (directory, name, *map(big, stats))).lastrowid
            for each in sorted(named):
                self._database.execute(_ADD_NAMED, (each, stray_id))

    def forget(self, directory: bytes, name: bytes) -> None:
        """Forget a stray that is gone, or some model's own now."""
        self._database.execute(_DROP, (directory, name))

    def named_by(self, directory: bytes, name: bytes) -> set[str]:
        """Give what a stray names; empty where it is not known."""
        return {row["named"] for row in self._database.rows(_NAMED_BY, (directory, name))}

    def naming(self, directory: bytes, names: Iterable[str]) -> list[bytes]:
        """Give the strays of a directory that name one of these."""
        return [row["name"] for row in self._database.rows(_NAMING, (directory, id_list(names)))]

    def files_named(self, folder_id: str, directory: bytes, named: Collection[str]) -> list[int]:
        """Give the described files of a directory (relative to its folder) whose hashes or version are among the named."""
        rows = self._database.rows(_FILES, (folder_id, directory)) if named else []
        return [row["id"] for row in rows if not _names_of(row).isdisjoint(named)]

    def is_only_one(self, folder_id: str, directory: bytes, version_id: int) -> bool:
        """Tell whether a version's id names one content alone in a directory."""
        row = self._database.row(_WITH_VERSION, (version_id, folder_id, directory))
        return row is not None and row["contents"] == 1


def _names_of(row: object) -> set[str]:
    values = dict(row)  # type: ignore[call-overload]
    hashes = {values[key] for key in ("sha256", "blake3", "autov2", "autov3")}
    return {each for each in hashes if each} | {named_version(values["version_id"])}
