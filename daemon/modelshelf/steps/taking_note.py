"""Write down what a scan saw: new, changed, moved, returned and waiting files, and the work that follows from each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.model_file import ScanPhase
from modelshelf.domain.task import NewTask, Priority, TaskKind, reading_priority
from modelshelf.logs import get_log
from modelshelf.steps.arriving import tell_arrived, tell_noticed
from modelshelf.steps.looking import Fate, Look
from modelshelf.steps.stems import heirs
from modelshelf.store.arrivals import Arrival
from modelshelf.store.files import NewFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.domain.task import Task
    from modelshelf.steps.arriving import Arrivals
    from modelshelf.steps.place import Place
    from modelshelf.store.store import Store

log = get_log(__name__)


@dataclass(slots=True)
class Notes:
    """The counts of one scan, and the work that it found."""

    total: int = 0
    added: int = 0
    updated: int = 0
    moved: int = 0
    missing: int = 0
    new: list[NewTask] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Give the counts by their names in `RunStatistics`."""
        return {name: getattr(self, name) for name in ("total", "added", "updated", "moved", "missing")}


def take_note(store: Store, place: Place, task: Task, looks: Sequence[Look], notes: Notes, now: datetime) -> None:
    """Record `looks` inside the caller's transaction and add to `notes` what follows."""
    writer = _Writer(store, place, task, notes, now)
    touched = [file_id for look in looks if (file_id := writer.write(look)) is not None]
    store.entries.refresh(touched)
    probed = sum(look.fate is Fate.PROBED for look in looks)
    if probed:
        log.info("files_probed", folder=place.folder.id, files=probed)
    tell_noticed(place.folder.id, [(look.path, look.fingerprint.size_bytes) for look in looks if look.fate is Fate.NEW])


def take_arrivals(
    store: Store, place: Place, task: Task, arrivals: Sequence[Arrivals], notes: Notes, now: datetime
) -> None:
    """Record new files by the directory: each stands in lists and on pages from now on, though nobody has read it."""
    priority = reading_priority(task.priority, Priority.REST)
    for directory, stamps in arrivals:
        notes.added += store.arrivals.add(Arrival(place.folder.id, directory, stamps, priority, task.run_id), now)
    tell_arrived(place.folder.id, arrivals)


@dataclass(frozen=True, slots=True)
class _Writer:
    store: Store
    place: Place
    task: Task
    notes: Notes
    now: datetime

    def write(self, look: Look) -> int | None:
        """Record one look; gives the row it concerns."""
        if look.waiting_reason is not None:
            self._look_again(look)
        writers: dict[Fate, Callable[[Look], int | None]] = {
            Fate.NEW: self._add,
            Fate.CHANGED: self._change,
            Fate.MOVED: self._move,
            Fate.RETURNED: self._restore,
            Fate.TOUCHED: self._read_again,
            Fate.SETTLED: self._settle,
            Fate.PROBED: self._doubt,
        }
        return writers.get(look.fate, self._set_waiting)(look)

    def _priority(self, otherwise: Priority) -> int:
        return reading_priority(self.task.priority, otherwise)

    def _add(self, look: Look) -> int:
        self.notes.added += 1
        return self.store.files.add(
            NewFile(
                folder_id=self.place.folder.id,
                path=look.path,
                fingerprint=look.fingerprint,
                now=self.now,
                priority=self._priority(Priority.REST),
                waiting_reason=look.waiting_reason,
                run_id=self.task.run_id,
            )
        )

    def _change(self, look: Look) -> int | None:
        if look.row is None:
            return None
        is_growing = look.row.waiting_reason is not None and look.waiting_reason is not None
        self.notes.updated += not is_growing
        if is_growing:
            log.debug("file_changed", path=readable(look.path), size_bytes=look.fingerprint.size_bytes)
        else:
            log.info("file_changed", path=readable(look.path), size_bytes=look.fingerprint.size_bytes)
        self.store.files.change(
            look.row.id,
            look.fingerprint,
            self.now,
            priority=self._priority(Priority.CHANGED),
            waiting_reason=look.waiting_reason,
            run_id=self.task.run_id,
        )
        return look.row.id

    def _move(self, look: Look) -> int | None:
        row = look.row
        if row is None or look.moved_from is None:
            return None
        current = self.store.files.get(row.id)
        if current is None or (current.folder_id, current.path) != (row.folder_id, row.path):
            return self._add(look)  # a hard link of it has just taken the place of the row
        self.notes.moved += 1
        folder_id = self.place.folder.id
        self.store.files.move(row.id, folder_id, look.path, look.fingerprint, self.now)
        log.info("file_moved", path=readable(look.path), before=readable(look.moved_from))
        details: JsonObject = {"before": readable(look.moved_from), "now": readable(look.path)}
        self.store.events.add("file_moved", self.now, file_id=row.id, folder_id=folder_id, details=details)
        # The person may be moving the sidecars too: ours to take is only what still lies there after the quiet time.
        due_at = self.now + timedelta(seconds=self.place.stability_delay_seconds)
        self.notes.new += [
            NewTask(TaskKind.CARRY_SIDECARS, str(row.id), path=look.moved_from, priority=Priority.DROP, due_at=due_at),
            NewTask(TaskKind.RENDER_GALLERY, row.folder_id),
            NewTask(TaskKind.RENDER_GALLERY, folder_id),
            *heirs(self.store, row),
        ]
        return row.id

    def _read_again(self, look: Look) -> int | None:
        """The bytes are most likely the same: what is known of them stays until they were read once more."""
        if look.row is None:
            return None
        self.notes.updated += 1
        log.info("file_changed", path=readable(look.path), size_bytes=look.fingerprint.size_bytes)
        self.store.files.settle_fingerprint(look.row.id, look.fingerprint)
        self.store.files.reset_deep([look.row.id], self._priority(Priority.REST))
        return look.row.id

    def _doubt(self, look: Look) -> None:
        """Nothing tells of other bytes: it is enough that the file is among the next to be verified."""
        if look.row is not None:
            self.store.files.settle_fingerprint(look.row.id, look.fingerprint)
            self.store.verifications.doubt(look.row.id)

    def _restore(self, look: Look) -> int | None:
        if look.row is None:
            return None
        self.store.files.settle_fingerprint(look.row.id, look.fingerprint)
        log.info("file_returned", path=readable(look.path))
        self.store.events.add("file_returned", self.now, file_id=look.row.id, folder_id=self.place.folder.id)
        self.notes.new.append(NewTask(TaskKind.RENDER_GALLERY, self.place.folder.id))
        if look.row.scan_phase is ScanPhase.DEEP:
            # What was owed of it while it was away was forgotten; this makes up for all of it.
            self.notes.new.append(NewTask(TaskKind.WRITE_SIDECARS, str(look.row.id)))
        return look.row.id

    def _settle(self, look: Look) -> None:
        """The same file on another file system: it has another inode and ctime there, and no page or card shows those."""
        if look.row is not None:
            self.store.files.settle_fingerprint(look.row.id, look.fingerprint)

    def _set_waiting(self, look: Look) -> int | None:
        if look.row is None:
            return None
        self.store.files.set_waiting(look.row.id, look.waiting_reason)
        return look.row.id

    def _look_again(self, look: Look) -> None:
        due_at = self.now + timedelta(seconds=look.again_in_seconds)
        priority = Priority.DEEP if self.task.priority >= Priority.DEEP else Priority.DROP
        self.notes.new.append(
            NewTask(TaskKind.SCAN_FOLDER, self.place.folder.id, path=look.path, priority=priority, due_at=due_at)
        )
