"""Look at one file on disk beside its row in the catalog, and say what became of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from modelshelf.domain.model_file import ScanPhase
from modelshelf.errors import ModelshelfError
from modelshelf.formats.inspect import declared_size
from modelshelf.formats.probe import probe_file
from modelshelf.shelf.partial import partial_companions
from modelshelf.shelf.presence import check_presence
from modelshelf.shelf.spelling import is_respelled, is_spelled
from modelshelf.shelf.wholeness import Evidence, NotYet, WholenessGate
from modelshelf.steps.beside import stat_if_there
from modelshelf.steps.same_bytes import has_content

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

    from modelshelf.clock import Clock
    from modelshelf.domain.model_file import Fingerprint, ModelFile
    from modelshelf.steps.place import Place, Places
    from modelshelf.steps.step import Reins
    from modelshelf.store.store import Store


TICK_SECONDS = 0.01
"""The longest tick of Linux, at 100 Hz; file systems take their times from it."""

COARSE_TICK_SECONDS = 2.0
_TICKS_AND_A_BIT = 1.1


class Fate(StrEnum):
    """What a look at a file shows, compared with what was known."""

    NEW = "new"
    CHANGED = "changed"
    MOVED = "moved"
    RETURNED = "returned"
    RIPENED = "ripened"
    STILL_WAITING = "still waiting"
    SETTLED = "settled"
    TOUCHED = "touched"
    PROBED = "probed"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Look:
    """One file as it is now. `waiting_reason` says why it is not whole yet, None if it is."""

    fate: Fate
    path: bytes
    fingerprint: Fingerprint
    row: ModelFile | None
    waiting_reason: str | None = None
    again_in_seconds: float = 0.0
    moved_from: bytes | None = None


@dataclass(frozen=True, slots=True)
class Looker:
    """Looks at the files of one Place.

    `is_scan`: found by walking, so an old mtime already counts as quiet time. `is_elsewhere`: the folder lies on another file
    system than when it was last seen, whose inodes and ctimes are others for the same files.
    """

    store: Store
    places: Places
    place: Place
    clock: Clock
    is_scan: bool
    gate: WholenessGate
    reins: Reins
    is_elsewhere: bool = False

    @property
    def tick_seconds(self) -> float:
        """What lies closer together than this may bear the same time here: FAT counts in two seconds, Linux in its ticks."""
        return TICK_SECONDS if self.place.traits.is_honest else COARSE_TICK_SECONDS

    def compare(self, path: bytes, fingerprint: Fingerprint, row: ModelFile | None, names: Container[bytes]) -> Look:
        """Compare one model file with its row; `names` are the names beside it. FileGone if it vanishes meanwhile."""
        if row is None:
            return self._moved(path, fingerprint) or self._judged(Fate.NEW, path, fingerprint, None, names)
        if row.missing_since is not None:
            return self._come_back(row, path, fingerprint, names)
        suspect = self._suspected(row, path, fingerprint)
        if suspect is not None:
            return suspect
        if not row.fingerprint.is_same(fingerprint, is_honest=self.is_honest):
            return self._moved(path, fingerprint) or self._judged(Fate.CHANGED, path, fingerprint, row, names)
        if row.waiting_reason is not None:
            return self._judged(Fate.RIPENED, path, fingerprint, row, names)
        is_settled = self.place.traits.is_honest and row.fingerprint != fingerprint
        return Look(Fate.SETTLED if is_settled else Fate.SAME, path, fingerprint, row)

    def _come_back(self, row: ModelFile, path: bytes, fingerprint: Fingerprint, names: Container[bytes]) -> Look:
        """Tell what stands where a file went missing; its way back has changed its ctime, as every move does."""
        is_same = row.fingerprint.is_same(
            fingerprint._replace(ctime_ns=row.fingerprint.ctime_ns), is_honest=self.is_honest
        )
        if is_same and row.waiting_reason is None:
            return Look(Fate.RETURNED, path, fingerprint, row)
        return self._moved(path, fingerprint) or self._judged(Fate.CHANGED, path, fingerprint, row, names)

    def _suspected(self, row: ModelFile, path: bytes, fingerprint: Fingerprint) -> Look | None:
        """Look at a file that was read, and whose ctime or inode alone is another; None for any that is not, or was written.

        That is so after `chmod`, `chown`, a new hard link, a copy with its times, or a trick. A walk is content with the
        probe; an event may be all that there is to tell of a write, and after it the file is read. One that has another probe
        is read as well, and keeps its content until then: by size and mtime nobody wrote to it, so it may have rotted.
        """
        is_read = row.scan_phase is ScanPhase.DEEP and row.content_id is not None and row.waiting_reason is None
        known = row.fingerprint
        is_alike = known != fingerprint and (known.size_bytes, known.mtime_ns) == fingerprint[:2]
        if not (self.is_honest and is_read and is_alike):
            return None
        is_probed = self._has_its_probe(row, path) if self.is_scan else None
        if is_probed:
            return Look(Fate.PROBED, path, fingerprint, row)
        return Look(Fate.TOUCHED, path, fingerprint, row) if known.inode == fingerprint.inode else None

    def _has_its_probe(self, row: ModelFile, path: bytes) -> bool | None:
        """Tell whether the file still has the probe of its content, None where that cannot be told."""
        known = self.store.contents.probe_of(row.content_id) if row.content_id is not None else None
        if known is None or row.vouched_by is not None or self.store.rot.of(row.id) is not None:
            return None
        try:
            return self.reins.read(probe_file, self.place.root / os.fsdecode(path)) == known
        except ModelshelfError:
            return None  # budget: it went away or cannot be read now; who reads all of it will say so

    @property
    def is_honest(self) -> bool:
        """Whether inode and ctime mean something, here and beside what is known."""
        return self.place.traits.is_honest and not self.is_elsewhere

    def _judged(
        self, fate: Fate, path: bytes, fingerprint: Fingerprint, row: ModelFile | None, names: Container[bytes]
    ) -> Look:
        absolute = self.place.root / os.fsdecode(path)
        evidence = self._evidence(fate, absolute, fingerprint, row, names)
        verdict = self.gate.judge(absolute, fingerprint, evidence)
        not_yet = verdict if isinstance(verdict, NotYet) else self._fresh(fingerprint)
        if not_yet is None:
            return Look(fate, path, fingerprint, row)
        fate = Fate.STILL_WAITING if fate is Fate.RIPENED else fate
        return Look(fate, path, fingerprint, row, not_yet.reason, not_yet.again_in_seconds)

    def _fresh(self, fingerprint: Fingerprint) -> NotYet | None:
        """Hold a file back that could be written once more and bear the same times: that change would never be noticed."""
        times_ns = (fingerprint.mtime_ns, fingerprint.ctime_ns) if self.is_honest else (fingerprint.mtime_ns,)
        now = self.clock.now().timestamp()
        ages = [age for age in (now - each / 1e9 for each in times_ns) if abs(age) < self.tick_seconds]
        wait_seconds = _TICKS_AND_A_BIT * self.tick_seconds - min(ages, default=0.0)
        return NotYet("changed within the last tick of its clock", wait_seconds) if ages else None

    def _evidence(
        self, fate: Fate, absolute: Path, fingerprint: Fingerprint, row: ModelFile | None, names: Container[bytes]
    ) -> Evidence:
        quiet_seconds = self._quiet_seconds(fate, fingerprint, row)
        is_quiet = quiet_seconds >= self.place.stability_delay_seconds
        declared = None if is_quiet else self._declared(absolute)
        partial = next((each for each in partial_companions(os.fsencode(absolute.name)) if each in names), None)
        return Evidence(
            declared_size_bytes=declared,
            found_by_scan=self.is_scan,
            seen_unchanged_seconds=quiet_seconds,
            partial_companion=partial,
            stability_delay_seconds=self.place.stability_delay_seconds,
            is_local=self.place.traits.is_local,
            now=self.clock.now().timestamp(),
        )

    def _declared(self, path: Path) -> int | None:
        try:
            return self.reins.read(declared_size, path)
        except ModelshelfError:
            return None  # it went away or cannot be read yet: nothing is proven, so quiet time decides

    def _quiet_seconds(self, fate: Fate, fingerprint: Fingerprint, row: ModelFile | None) -> float:
        now = self.clock.now()
        if fate is Fate.RIPENED and row is not None:
            return (now - self.store.files.unchanged_since(row.id)).total_seconds()
        # A clock that was wrong, or a writer's, may put the mtime in the future: that is no quiet time, and no debt.
        return max(0.0, now.timestamp() - fingerprint.mtime_ns / 1e9) if self.is_scan else 0.0

    def _moved(self, path: bytes, fingerprint: Fingerprint) -> Look | None:
        """Find the row whose file this is, if its old place is certainly empty now.

        An inode that a file system makes up is as good here as any: it only points at the row, whose bytes then tell.
        """
        for twin in self.store.files.twins(fingerprint):
            place = self.places.get(twin.folder_id)
            if place is None or twin.waiting_reason is not None:
                continue
            is_elsewhere = (twin.folder_id, twin.path) != (self.place.folder.id, path)
            if is_elsewhere and self._has_left(place, twin, path) and self._holds(twin, path):
                moved_from = os.fsencode(place.locate(twin))
                return Look(Fate.MOVED, path, fingerprint, twin, moved_from=moved_from)
        return None

    def _has_left(self, place: Place, twin: ModelFile, path: bytes) -> bool:
        is_here = place.folder.id == self.place.folder.id
        try:
            if is_here and is_respelled(twin.path, path):
                return not is_spelled(os.fsencode(place.root), twin.path)
            if stat_if_there(os.fsencode(place.locate(twin))) is not None:
                return False
            check_presence(place.folder, 1)
        except ModelshelfError:
            return False  # budget: not an error of ours; a place that cannot be looked at proves nothing
        return True

    def _holds(self, row: ModelFile, path: bytes) -> bool:
        """Tell whether the file at `path` has the bytes of `row`, as far as those were ever read.

        One that has rotted has them no more: its row moves by inode, size and mtime, with all that is known of the rot.
        """
        if self.store.rot.of(row.id) is not None:
            return True
        content = self.store.contents.get(row.content_id) if row.content_id is not None else None
        try:
            return content is None or has_content(self.place.root / os.fsdecode(path), content)
        except ModelshelfError:
            return False  # budget: what cannot be read is not known to be the same, so it is judged as any other
