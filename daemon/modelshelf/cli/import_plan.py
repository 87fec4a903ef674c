"""What of StableQueue's rows is believed of the files on the shelf, and what follows for each."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.cli.finding import spot_at
from modelshelf.domain.claim import Claim
from modelshelf.domain.display import readable
from modelshelf.domain.model_file import ScanPhase
from modelshelf.errors import FileGone, ModelshelfError
from modelshelf.formats.glimpse import HEAD_BYTES, Glimpse, glimpse
from modelshelf.importing.evidence import OTHER_BYTES, doubt
from modelshelf.shelf.intake import Intake
from modelshelf.shelf.patience import Patience
from modelshelf.shelf.presence import check_presence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from modelshelf.cli.finding import Spot
    from modelshelf.domain.content import Content
    from modelshelf.domain.folder import Folder
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.importing.stablequeue import ToldModel
    from modelshelf.store.store import Store


class Fate(StrEnum):
    """What becomes of a row.

    `taken`: it hangs on a file that is known. `noted`: its file is not read yet; the row waits for it, and where it has a
    SHA256 nothing will be hashed. `unchanged`: that is so already.
    """

    TAKEN = "taken"
    NOTED = "noted"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Plan:
    """One row: which file it is about (None: no path at all), its fate, and why where it is skipped."""

    path: bytes | None
    fate: Fate
    reason: str | None = None
    spot: Spot | None = None
    file_id: int | None = None
    claim: Claim | None = None

    @property
    def is_vouched(self) -> bool:
        """Whether the file needs no hashing for it."""
        return self.claim is not None and self.claim.sha256 is not None


class _Skip(Exception):
    """Why a row is not taken."""


@dataclass(slots=True)
class Planner:
    """Looks at each row, at its file and at what is known of that; nothing is written. `moved`: (where it was, where it is)."""

    store: Store | None
    folders: Sequence[Folder]
    moved: Sequence[tuple[bytes, bytes]]
    now: datetime
    _away: dict[str, str | None] = field(default_factory=dict)

    def plans(self, rows: Iterable[ToldModel]) -> Iterator[Plan]:
        """Give a plan for each row; of two rows about one file the later is heeded."""
        listed = [(self._absolute(row.path), row) for row in rows]
        times = Counter(path for path, _ in listed)
        for path, row in listed:
            times[path] -= 1
            try:
                yield self._plan(path, row, is_last=times[path] == 0)
            except _Skip as reason:
                yield Plan(path, Fate.SKIPPED, str(reason))

    def _absolute(self, path: bytes | None) -> bytes | None:
        if path is None:
            return None
        for before, now in self.moved:
            if path == before or path.startswith(before.rstrip(b"/") + b"/"):
                return os.path.normpath(os.path.join(now, os.path.relpath(path, before)))
        if path.startswith(b"/"):
            return path
        tried = [os.path.normpath(os.path.join(os.fsencode(folder.path), path)) for folder in self.folders]
        return next((each for each in tried if os.path.lexists(each)), path)

    def _plan(self, path: bytes | None, row: ToldModel, *, is_last: bool) -> Plan:
        if path is None:
            raise _Skip("the row names no file")
        if not is_last:
            raise _Skip("a later row tells of the same file")
        spot = self._spot(path)
        file = self.store.files.at(spot.folder.id, spot.path) if self.store else None
        seen = self._glimpse(spot)
        is_read = _is_read(file, seen)
        content = self._content(file) if is_read else None
        claim = Claim(
            size_bytes=seen.fingerprint.size_bytes,
            mtime_ns=seen.fingerprint.mtime_ns,
            sha256=row.sha256,
            autov1=seen.autov1,
            first_seen_at=row.created_at,
            last_used_at=row.last_used_at,
            facts=row.facts,
        )
        reason = self._doubt(row, seen, content)
        if reason is not None:
            raise _Skip(reason)
        if file is not None and is_read:
            is_news = self.store is None or not self.store.claims.is_taken_over(file.id, claim)
            return Plan(path, Fate.TAKEN if is_news else Fate.UNCHANGED, spot=spot, file_id=file.id, claim=claim)
        is_news = self.store is None or self.store.claims.at(spot.folder.id, spot.path) != claim
        return Plan(path, Fate.NOTED if is_news else Fate.UNCHANGED, spot=spot, claim=claim)

    def _spot(self, path: bytes) -> Spot:
        spot = spot_at(self.folders, path)
        if spot is None or not spot.path:
            raise _Skip("it is in none of the folders")
        if not Intake(spot.folder).is_model(spot.path):
            raise _Skip(f"the patterns of {spot.folder.id} leave it out")
        if spot.folder.id not in self._away:
            self._away[spot.folder.id] = self._reason_away(spot.folder)
        away = self._away[spot.folder.id]
        if away is not None:
            raise _Skip(f"{spot.folder.id} is offline: {away}")
        return spot

    def _reason_away(self, folder: Folder) -> str | None:
        try:
            Patience().ask(folder.id, lambda: check_presence(folder, 0))
        except ModelshelfError as error:
            return str(error)
        return None

    def _glimpse(self, spot: Spot) -> Glimpse:
        try:
            return glimpse(Path(os.fsdecode(spot.absolute)))
        except FileGone as error:
            raise _Skip("there is no such file") from error
        except ModelshelfError as error:
            raise _Skip(str(error)) from error

    def _content(self, file: ModelFile | None) -> Content | None:
        """Give what a file is known to hold; None where it was looked at, but is not to be hashed."""
        if self.store is None or file is None or file.content_id is None:
            return None
        return self.store.contents.get(file.content_id)

    def _doubt(self, row: ToldModel, seen: Glimpse, content: Content | None) -> str | None:
        if content is None or (row.sha256 is None and row.autov2 is None):
            return doubt(row, seen.fingerprint, seen.head_sha256, HEAD_BYTES, self.now)
        known = content.hashes
        if row.sha256 is not None:
            return None if row.sha256 == known.sha256 else OTHER_BYTES
        return None if row.autov2 in {known.autov2, seen.head_sha256[: len(known.autov2)]} else OTHER_BYTES


def _is_read(file: ModelFile | None, seen: Glimpse) -> bool:
    """Tell whether a file is known as it is now, so that nothing more will be read of it."""
    if file is None or file.scan_phase is not ScanPhase.DEEP or file.missing_since is not None:
        return False
    look = (file.fingerprint.size_bytes, file.fingerprint.mtime_ns)
    return look == (seen.fingerprint.size_bytes, seen.fingerprint.mtime_ns)


def shown(plan: Plan) -> str:
    """Give the file of a plan for eyes."""
    return readable(plan.path) if plan.path is not None else "?"
