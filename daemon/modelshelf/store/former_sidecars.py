"""Former sidecars: what stood in files that we changed, for who wants it back; and the files that are to be left as they are."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.errors import StoreDamaged
from modelshelf.store.columns import from_epoch, to_epoch

if TYPE_CHECKING:
    from datetime import datetime

    from modelshelf.store.database import Database

KEPT = 3
"""Contents kept per file, newest first."""

_OF = "SELECT content, digest, replaced_at FROM former_sidecars WHERE path = ? ORDER BY id DESC"
_DROP_SAME = "DELETE FROM former_sidecars WHERE path = ? AND digest = ?"
_ADD = "INSERT INTO former_sidecars (path, content, digest, replaced_at) VALUES (?, ?, ?, ?)"
_DROP_OLD = """DELETE FROM former_sidecars
    WHERE path = ?1 AND id NOT IN (SELECT id FROM former_sidecars WHERE path = ?1 ORDER BY id DESC LIMIT ?2)"""
_PRUNE = "DELETE FROM former_sidecars WHERE replaced_at < ? AND path NOT IN (SELECT path FROM left_sidecars)"
_LEAVE = "INSERT OR REPLACE INTO left_sidecars (path, digest, put_aside, left_at) VALUES (?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class FormerSidecar:
    """What stood in a file until `replaced_at`; `digest` as `digest_of` gives it."""

    content: bytes
    digest: str
    replaced_at: datetime


@dataclass(frozen=True, slots=True)
class LeftSidecar:
    """A file that is to stay as a person has it, by the digests of what it holds and of ours that was put aside for that.

    Empty for no file, and where what was put aside was not ours alone.
    """

    digest: str
    put_aside: str = ""


def digest_of(content: bytes) -> str:
    """Give the SHA-256 of a file's content, by which it is known again."""
    return hashlib.sha256(content).hexdigest()


class FormerSidecars:
    """By absolute path, compressed; bounded per file and, unless a person wants the file left alone, in age."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, path: bytes, content: bytes, now: datetime) -> None:
        """Keep what is about to be replaced, as the newest; the same content is kept once."""
        digest = digest_of(content)
        with self._database.transaction():
            self._database.execute(_DROP_SAME, (path, digest))
            self._database.execute(_ADD, (path, zlib.compress(content), digest, to_epoch(now)))
            self._database.execute(_DROP_OLD, (path, KEPT))

    def of(self, path: bytes) -> list[FormerSidecar]:
        """Give what is kept of a file, newest first; StoreDamaged where it cannot be unpacked."""
        try:
            return [
                FormerSidecar(zlib.decompress(row["content"]), row["digest"], from_epoch(row["replaced_at"]))
                for row in self._database.rows(_OF, (path,))
            ]
        except zlib.error as error:
            raise StoreDamaged(f"a former sidecar in the store is damaged: {error}") from error

    def leave_alone(self, path: bytes, left: LeftSidecar, now: datetime) -> None:
        """Keep a person's wish that a file stays as they have it."""
        self._database.execute(_LEAVE, (path, left.digest, left.put_aside, to_epoch(now)))

    def lift(self, path: bytes) -> None:
        """Take the wish back."""
        self._database.execute("DELETE FROM left_sidecars WHERE path = ?", (path,))

    def left(self, path: bytes) -> LeftSidecar | None:
        """Give how a file is to be left, None where nobody has wished so."""
        row = self._database.row("SELECT digest, put_aside FROM left_sidecars WHERE path = ?", (path,))
        return None if row is None else LeftSidecar(row["digest"], row["put_aside"])

    def move(self, old: bytes, new: bytes) -> None:
        """Let all that is kept of a file, and the wish, follow it to its new path."""
        if old == new:
            return
        with self._database.transaction():
            self._database.execute("DELETE FROM left_sidecars WHERE path = ?", (new,))
            for table in ("former_sidecars", "left_sidecars"):
                self._database.execute(f"UPDATE {table} SET path = ? WHERE path = ?", (new, old))  # noqa: S608 - constants

    def prune(self, before: datetime) -> int:
        """Forget what was replaced earlier, and give how many; nothing of a file that is to be left alone."""
        return self._database.execute(_PRUNE, (to_epoch(before),)).rowcount
