"""What folders stood on when their files were last seen, and which directories in them were mounts of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.ground import Ground
from modelshelf.store.columns import from_epoch_or_none, to_epoch
from modelshelf.store.file_rows import file_from

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from modelshelf.domain.model_file import ModelFile
    from modelshelf.store.database import Database

_KEEP = """INSERT INTO grounds (folder_id, ground) VALUES (?, ?)
    ON CONFLICT (folder_id) DO UPDATE SET ground = excluded.ground"""
_WITHIN = "(directory = ? OR directory >= ? AND directory < ?)"
_SAMPLE = """SELECT * FROM files WHERE id IN (
    SELECT id FROM files INDEXED BY files_present WHERE folder_id = ? AND missing_since IS NULL {} ORDER BY random() LIMIT ?)"""


@dataclass(frozen=True, slots=True)
class MountPoint:
    """A directory in a folder that was a mount of its own; `lost_since` is None while it is one."""

    folder_id: str
    path: bytes
    lost_since: datetime | None


class Grounds:
    """A folder whose Ground changed, or a mount point that is none any more, may only be unmounted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, folder_id: str) -> Ground | None:
        """Give what the folder stood on when its files were last seen, None where that was never kept."""
        row = self._database.row("SELECT ground FROM grounds WHERE folder_id = ?", (folder_id,))
        return None if row is None else Ground.from_text(row["ground"])

    def keep(self, folder_id: str, ground: Ground) -> None:
        """Keep what the folder stands on, for its files were seen there; writes only what is news."""
        if self.of(folder_id) != ground:
            self._database.execute(_KEEP, (folder_id, ground.text))

    def sample(self, folder_id: str, limit: int, *, below: bytes = b"", apart: Iterable[bytes] = ()) -> list[ModelFile]:
        """Draw files that are there as far as is known: below a directory, and in none of those that stand `apart`."""
        limits = [_limits(each) for each in apart]
        sql = "".join([*([f" AND {_WITHIN}"] if below else []), *(f" AND NOT {_WITHIN}" for _ in limits)])
        bounds = [bound for each in ([_limits(below)] if below else []) + limits for bound in each]
        rows = self._database.rows(_SAMPLE.format(sql), (folder_id, *bounds, limit))
        return [file_from(row) for row in rows]

    def mount_points(self, folder_id: str) -> dict[bytes, MountPoint]:
        """Give the directories of a folder that were mounts of their own, by path."""
        return {each.path: each for each in self.all_mount_points() if each.folder_id == folder_id}

    def all_mount_points(self) -> list[MountPoint]:
        """Give them for all configured folders, by folder and path."""
        rows = self._database.rows(
            """SELECT m.* FROM mount_points m JOIN folders f ON f.id = m.folder_id AND f.is_configured = 1
                ORDER BY m.folder_id, m.path"""
        )
        return [MountPoint(row["folder_id"], row["path"], from_epoch_or_none(row["lost_since"])) for row in rows]

    def keep_mount_point(self, folder_id: str, path: bytes, lost_since: datetime | None) -> None:
        """Keep that a directory is a mount of its own, or since when it is none any more."""
        self._database.execute(
            "INSERT OR REPLACE INTO mount_points (folder_id, path, lost_since) VALUES (?, ?, ?)",
            (folder_id, path, None if lost_since is None else to_epoch(lost_since)),
        )

    def forget_mount_point(self, folder_id: str, path: bytes) -> None:
        """Let a directory be one like any other."""
        self._database.execute("DELETE FROM mount_points WHERE folder_id = ? AND path = ?", (folder_id, path))


def _limits(directory: bytes) -> tuple[bytes, bytes, bytes]:
    return directory, directory + b"/", directory + b"0"
