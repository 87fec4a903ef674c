"""Read a file again and see that it still holds the bytes it held."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.model_file import Fingerprint, ScanPhase
from modelshelf.domain.task import NewTask, Priority, TaskKind
from modelshelf.errors import FileChanged
from modelshelf.formats.hashes import blake3_file, hash_file
from modelshelf.logs import get_log
from modelshelf.steps.beside import stat_if_there
from modelshelf.steps.place import is_as_it_was, present_file
from modelshelf.steps.step import Done, Outcome, Reins, one_by_one
from modelshelf.steps.verifying import demand_steady, is_same_file, note_rates, record_rot, record_sound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.clock import Clock
    from modelshelf.domain.content import Content
    from modelshelf.domain.hashes import Hashes
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.domain.task import Task
    from modelshelf.steps.place import Place, Places
    from modelshelf.store.store import Store

log = get_log(__name__)


class Verdict(StrEnum):
    """What a second reading shows."""

    SOUND = "sound"
    ROTTEN = "rotten"
    CHANGED = "changed"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class Verified:
    """One file and what became of it; `fingerprint` is what it has now that it was read, `hashes` what it holds instead."""

    verdict: Verdict
    file: ModelFile | None = None
    fingerprint: Fingerprint | None = None
    hashes: Hashes | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class VerifyFile:
    """BLAKE3 alone is read, behind the page cache. Other bytes are read once more, all six hashes, before that is believed."""

    store: Store
    places: Places
    clock: Clock
    kind: TaskKind = TaskKind.VERIFY_FILE

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[Verified]]:
        """Read file after file; what is not to be verified any more counts as done."""
        return one_by_one(tasks, reins, lambda task: Done(task, self._verify(task, reins)))

    def _verify(self, task: Task, reins: Reins) -> Verified:
        file, place = present_file(self.store, self.places, task)
        content = self.store.contents.get(file.content_id) if file.content_id is not None else None
        is_read = file.scan_phase is ScanPhase.DEEP and file.vouched_by is None and file.waiting_reason is None
        if content is None or not is_read:
            return Verified(Verdict.UNREAD)
        status = stat_if_there(os.fsencode(place.locate(file)))
        if status is None or not is_same_file(file, Fingerprint.of(status), is_honest=place.traits.is_honest):
            return Verified(Verdict.CHANGED, file)
        return self._read(task, file, place, content, reins)

    def _read(self, task: Task, file: ModelFile, place: Place, content: Content, reins: Reins) -> Verified:
        started = self.clock.monotonic()
        digest, seen = reins.read(
            blake3_file,
            place.locate(file),
            on_progress=lambda done_bytes: reins.advance(task, done_bytes),
            is_dropped_behind=True,
            is_honest=place.traits.is_honest,
        )
        self._demand_same(file, seen, place)
        seconds = self.clock.monotonic() - started
        if digest == content.hashes.blake3:
            return Verified(Verdict.SOUND, file, seen, seconds=seconds)
        again = reins.read(
            hash_file,
            place.locate(file),
            on_progress=lambda done_bytes: reins.advance(task, done_bytes),
            is_dropped_behind=True,
            is_honest=place.traits.is_honest,
        )
        self._demand_same(file, again.fingerprint, place)
        demand_steady(file, digest, again.hashes.blake3)
        return Verified(Verdict.ROTTEN, file, again.fingerprint, again.hashes)

    def _demand_same(self, file: ModelFile, seen: Fingerprint, place: Place) -> None:
        if not is_same_file(file, seen, is_honest=place.traits.is_honest):
            raise FileChanged(f"{readable(file.path)} changed while it was verified; it is looked at again")

    def record(self, done: Sequence[Done[Verified]]) -> list[NewTask]:
        """Keep what was found. A file that changed meanwhile is looked at as any that did, and nothing is said of its bytes."""
        new: list[NewTask] = []
        readings: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for each in done:
            file = each.result.file
            if file is None or not is_as_it_was(self.store, file):
                continue
            new += self._record_one(each.task, file, each.result)
            if each.result.verdict is Verdict.SOUND:
                readings[file.folder_id].append((file.fingerprint.size_bytes, each.result.seconds))
        if readings:
            note_rates(self.store, readings)
        return new

    def _record_one(self, task: Task, file: ModelFile, found: Verified) -> list[NewTask]:
        now = self.clock.now()
        if found.fingerprint is None:
            return [NewTask(TaskKind.SCAN_FOLDER, file.folder_id, path=file.path, priority=Priority.CHANGED)]
        self.store.runs.count(task.run_id, verified=1, verified_bytes=file.fingerprint.size_bytes)
        if found.fingerprint != file.fingerprint:
            self.store.files.settle_fingerprint(file.id, found.fingerprint)
        if found.hashes is not None:
            return record_rot(self.store, task, file, found.hashes, now)
        log.debug("file_verified", path=readable(file.path), seconds=round(found.seconds, 3))
        return record_sound(self.store, file, now)
