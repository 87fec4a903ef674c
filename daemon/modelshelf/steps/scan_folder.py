"""Compare a folder, or one path of it, with the catalog: the scan is the truth, events only say where to look."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.model_file import Fingerprint
from modelshelf.domain.task import NewTask, Priority, TaskKind, reading_priority
from modelshelf.errors import FileUnreadable, FolderOffline, ModelshelfError
from modelshelf.files import is_leftover, remove_leftovers
from modelshelf.logs import get_log
from modelshelf.shelf.spelling import is_misspelled
from modelshelf.shelf.walk import walk
from modelshelf.shelf.wholeness import WholenessGate
from modelshelf.sidecars.names import possible_stems
from modelshelf.steps.absence import Absences, note_offline
from modelshelf.steps.arriving import in_batches
from modelshelf.steps.beside import PAGE_SUFFIX, NamesBeside, from_text, stat_if_there
from modelshelf.steps.comparing import compare, look
from modelshelf.steps.footing import check_footing, check_witness, find_footing, is_within
from modelshelf.steps.looking import Looker
from modelshelf.steps.place import place_named
from modelshelf.steps.preflight import demand_store
from modelshelf.steps.step import Done, Outcome, Reins, one_by_one
from modelshelf.steps.strays import notice_one, record_noticed
from modelshelf.steps.sweep import Away, Sweep, is_described
from modelshelf.steps.taking_note import take_arrivals, take_note

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from modelshelf.clock import Clock
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.domain.task import Task
    from modelshelf.shelf.walk import Listing
    from modelshelf.steps.place import Place, Places
    from modelshelf.store.store import Store

log = get_log(__name__)

FLUSH_LOOKS = 2000
GALLERY_LINGER = timedelta(seconds=10)

FLUSH_ARRIVALS = 5000
"""After so many changes, and new files, they are recorded: a first scan of 500,000 files neither fills memory nor waits, and
nobody else waits for more than a moment to write.
"""


@dataclass(frozen=True, slots=True)
class ScanFolder:
    """A task's `path` narrows the scan to one file or directory; empty means the whole folder.

    A forced one has every file that it passes described anew, for which Civitai is asked again.
    """

    store: Store
    places: Places
    clock: Clock
    started_at: datetime
    gate: WholenessGate = field(default_factory=WholenessGate)
    kind: TaskKind = TaskKind.SCAN_FOLDER

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[Sweep | Away]]:
        """Walk and compare. Changes are recorded in batches as they are found; only "gone" waits for the end.

        A whole folder ends the batch, so that what it found gone is recorded at once.
        """
        return one_by_one(_up_to_a_whole_folder(tasks), reins, lambda task: Done(task, self._scan(task, reins)))

    def _scan(self, task: Task, reins: Reins) -> Sweep | Away:
        place = place_named(self.places, task)
        try:
            return self._sweep(task, place, reins)
        except FolderOffline as error:
            return Away(place.folder.id, str(error))

    def _sweep(self, task: Task, place: Place, reins: Reins) -> Sweep:
        if not task.path:
            demand_store(self.store, place.folder)
        footing = find_footing(self.store, place.folder, self.clock.now())
        looker = Looker(
            self.store,
            self.places,
            place,
            self.clock,
            is_scan=task.path == b"",
            gate=self.gate,
            reins=reins,
            is_elsewhere=footing.is_elsewhere,
        )
        sweep = Sweep(task, place, footing, looker)
        if footing.is_lost(task.path) and task.path:
            return sweep
        self._look_around(sweep, reins)
        self._flush(sweep)
        sweep.gone = self._certainly_gone(sweep, reins)
        check_footing(self.store, place.folder, footing)
        if sweep.gone and not (footing.is_known and (place.traits.is_honest or sweep.has_life)):
            check_witness(self.store, place.folder, footing, sweep.gone)
        return sweep

    def _certainly_gone(self, sweep: Sweep, reins: Reins) -> list[ModelFile]:
        """Look once more at what was not found: any error but "no such file" means unknown, never gone."""
        root = os.fsencode(sweep.place.root)
        gone: list[ModelFile] = []
        for row in sweep.gone:
            reins.check()
            try:
                if stat_if_there(os.path.join(root, row.path)) is None or is_misspelled(root, row.path):
                    gone.append(row)
            except ModelshelfError as error:
                log.warning("file_not_judged", path=readable(row.path), reason=str(error))
        return gone

    def _look_around(self, sweep: Sweep, reins: Reins) -> None:
        root, path = os.fsencode(sweep.place.root), sweep.task.path
        status = stat_if_there(os.path.join(root, path)) if path else None
        if status is not None and is_misspelled(root, path):
            status = None
        if not path or (status is not None and stat.S_ISDIR(status.st_mode)):
            self._walk(sweep, reins)
        elif sweep.place.intake.is_model(path):
            self._look_at_model(sweep, status)
        else:
            self._look_at_companion(sweep, status)
        if path and status is None:
            self._find_gone_directories(sweep)

    def _look_at_model(self, sweep: Sweep, status: os.stat_result | None) -> None:
        path = sweep.task.path
        row = self.store.files.at(sweep.place.folder.id, path)
        if status is not None and stat.S_ISREG(status.st_mode):
            directory = os.path.join(os.fsencode(sweep.place.root), os.path.dirname(path))
            look(sweep, path, Fingerprint.of(status), row, NamesBeside(directory))
        elif row is not None and row.missing_since is None:
            sweep.gone.append(row)

    def _look_at_companion(self, sweep: Sweep, status: os.stat_result | None) -> None:
        """A sidecar or preview changed: its model reads what stands beside it again, unless the change was our own."""
        path = sweep.task.path
        directory, name = os.path.split(path)
        if name.endswith(PAGE_SUFFIX):
            return
        stats = None if status is None else (status.st_size, status.st_mtime_ns)
        for stem in possible_stems(name):
            owners = self.store.files.with_stem(sweep.place.folder.id, directory, stem)
            for row in owners:
                if is_described(row) and from_text(row.companions).get(os.fsdecode(name)) != stats:
                    sweep.touched.append(row.id)
            if owners:
                return
        sweep.note_strays(notice_one(self.store, sweep.place, path, stats, sweep.looker.reins))

    def _walk(self, sweep: Sweep, reins: Reins) -> None:
        folder = sweep.place.folder
        sweep.unseen |= {
            path: reason for path, reason in sweep.footing.lost.items() if is_within(path, sweep.task.path)
        }
        for listing in walk(sweep.place.root, sweep.place.intake, sweep.task.path, is_recursive=folder.is_recursive):
            reins.advance(sweep.task, sweep.notes.total)
            if not sweep.footing.is_lost(listing.directory):
                self._compare(sweep, listing)
            if len(sweep.looks) >= FLUSH_LOOKS or sweep.arrival_count >= FLUSH_ARRIVALS:
                self._flush(sweep)
            if not sweep.looks and not sweep.arrivals:
                reins.pause()
        self._find_gone_directories(sweep)

    def _compare(self, sweep: Sweep, listing: Listing) -> None:
        sweep.visited.add(listing.directory)
        if listing.error is not None:
            sweep.unseen[listing.directory] = str(listing.error)
            log.warning("directory_not_read", path=readable(listing.directory), reason=str(listing.error))
            return
        self._clear(sweep.place, listing)
        compare(self.store, sweep, listing)

    def _clear(self, place: Place, listing: Listing) -> None:
        """Remove our own unfinished files of before this daemon's start: a kill left them."""
        if not any(is_leftover(name) for name in listing.companions):
            return
        age_seconds = (self.clock.now() - self.started_at).total_seconds()
        try:
            remove_leftovers(place.root / os.fsdecode(listing.directory), older_than_seconds=age_seconds)
        except FileUnreadable as error:
            log.warning("leftover_not_removed", directory=readable(listing.directory), reason=str(error))

    def _find_gone_directories(self, sweep: Sweep) -> None:
        folder_id = sweep.place.folder.id
        for directory in self.store.files.directories_below(folder_id, sweep.task.path):
            is_unknown = any(is_within(directory, blind) for blind in sweep.unseen)
            if directory in sweep.visited or is_unknown:
                continue
            rows = self.store.files.in_directory(folder_id, directory).values()
            sweep.gone += [row for row in rows if row.missing_since is None]

    def _flush(self, sweep: Sweep) -> None:
        """Record what was seen so far, unless it was seen on a mount that came or went meanwhile."""
        if not sweep.looks and not sweep.arrivals:
            return
        check_footing(self.store, sweep.place.folder, sweep.footing)
        looks, sweep.looks = sweep.looks, []
        now = self.clock.now()
        if looks:
            with self.store.database.transaction():
                take_note(self.store, sweep.place, sweep.task, looks, sweep.notes, now)
                new, sweep.notes.new = sweep.notes.new, []
                self.store.journal.add(new, now)
        for arrivals in in_batches(sweep.take_arrivals(), FLUSH_ARRIVALS):
            with self.store.database.transaction():
                take_arrivals(self.store, sweep.place, sweep.task, arrivals, sweep.notes, now)

    def record(self, done: Sequence[Done[Sweep | Away]]) -> list[NewTask]:
        """Record what is gone and what follows; no disk is asked here."""
        new: list[NewTask] = []
        for each in done:
            if isinstance(each.result, Away):
                note_offline(self.store, each.result.folder_id, each.result.reason, self.clock.now())
            else:
                new += self._record_sweep(each.result)
        return new

    def _record_sweep(self, sweep: Sweep) -> list[NewTask]:
        task, folder_id, now = sweep.task, sweep.place.folder.id, self.clock.now()
        self.store.failures.settle(folder_id, task.path, sweep.unseen, now)
        sweep.notes.new += Absences(self.store).record(sweep, now)
        if sweep.has_life and (not task.path or self.store.grounds.of(folder_id) is None):
            self.store.grounds.keep(folder_id, sweep.footing.ground)
        if not task.path:
            self.store.folders.record_scan(folder_id, now)
            if sweep.notes.added:
                # Each draws the gallery once it is read, which may be nights from now.
                sweep.notes.new.append(NewTask(TaskKind.RENDER_GALLERY, folder_id, due_at=now + GALLERY_LINGER))
            log.info("folder_scanned", folder=folder_id, **sweep.notes.counts())
        self.store.runs.count(task.run_id, **sweep.notes.counts())
        for noticed in sweep.strays:
            sweep.touched += record_noticed(self.store, sweep.place, noticed)
        urgency = reading_priority(task.priority, Priority.REST)
        if urgency >= (Priority.DROP if task.path else Priority.PERSON):
            self.store.reading.raise_to(folder_id, task.path, urgency)
        touched = [
            NewTask(
                TaskKind.WRITE_SIDECARS,
                str(file_id),
                priority=task.priority,
                run_id=task.run_id,
                is_forced=task.is_forced,
            )
            for file_id in dict.fromkeys(sweep.touched)
        ]
        self.store.runs.count(task.run_id, described=0 if task.is_forced else len(touched))
        return sweep.notes.new + touched


def _up_to_a_whole_folder(tasks: Sequence[Task]) -> Sequence[Task]:
    first = next((place for place, task in enumerate(tasks) if not task.path), len(tasks))
    return tasks[: first + 1]
