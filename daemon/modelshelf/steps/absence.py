"""Write down what is not there: a folder as offline, files as missing or, where too much vanished at once, as held back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.task import NewTask, TaskKind
from modelshelf.logs import get_log
from modelshelf.steps.stems import heirs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from modelshelf.domain.model_file import ModelFile
    from modelshelf.steps.sweep import Sweep
    from modelshelf.store.store import Store

log = get_log(__name__)

BRAKE_FILES = 50
BRAKE_SHARE = 0.1
"""More files than this of a folder, and more than this share of it, vanish by mistake rather than by wish."""

SAMPLE_FILES = 16
SECOND_SIGHT = timedelta(seconds=10)
"""Where a look at a part finds too much gone, the whole folder is looked at first: the files may only have moved."""


def note_offline(store: Store, folder_id: str, reason: str, now: datetime) -> None:
    """Record that a folder is away; it is told only where that is news."""
    with store.database.transaction():
        if not store.folders.set_offline(folder_id, reason, now):
            return
        store.events.add("folder_went_offline", now, folder_id=folder_id, details={"reason": reason})
    log.warning("folder_went_offline", folder=folder_id, reason=reason)


@dataclass(frozen=True, slots=True)
class Absences:
    """Judges what is gone, inside the caller's transaction, and asks no disk: a scan has done so just before."""

    store: Store

    def record(self, sweep: Sweep, now: datetime) -> list[NewTask]:
        """Record a sweep's gone files and lost mounts; gives what follows."""
        gone = [row for row in sweep.gone if self._is_still_known(row)]
        if gone and not sweep.footing.has_same_mounts():
            return [self._look_again(sweep, sweep.task.path, now)]
        is_whole = not sweep.task.path
        follows = self._judge_whole(sweep, gone, now) if is_whole else self._judge_part(sweep, gone, now)
        if is_whole:
            self._record_mount_points(sweep, now)
            if sweep.footing.is_confirmed:
                self.store.holds.settle(sweep.place.folder.id, now)
        return follows

    def _is_still_known(self, row: ModelFile) -> bool:
        """Tell whether the row is the one that was looked for: not moved since, and not seen again with other bytes."""
        now = self.store.files.get(row.id)
        return now is not None and (now.folder_id, now.path, now.fingerprint) == (
            row.folder_id,
            row.path,
            row.fingerprint,
        )

    def _look_again(self, sweep: Sweep, path: bytes, now: datetime) -> NewTask:
        """Owe another scan: soon, or at once where a person may wait for what comes of it."""
        return NewTask(
            TaskKind.SCAN_FOLDER,
            sweep.place.folder.id,
            path=path,
            priority=sweep.task.priority,
            due_at=now + SECOND_SIGHT if sweep.task.run_id is None else None,
            run_id=sweep.task.run_id,
        )

    def _judge_part(self, sweep: Sweep, gone: Sequence[ModelFile], now: datetime) -> list[NewTask]:
        if not gone or self.store.holds.of(sweep.place.folder.id) is not None:
            return []
        if self._is_too_much(sweep, gone, now):
            return [self._look_again(sweep, b"", now)]
        return self._mark_missing(sweep, gone, now)

    def _judge_whole(self, sweep: Sweep, gone: Sequence[ModelFile], now: datetime) -> list[NewTask]:
        if not sweep.footing.is_confirmed and gone and self._is_too_much(sweep, gone, now):
            self._hold_back(sweep, gone, now)
            return []
        self._end_hold(sweep, now)
        return self._mark_missing(sweep, gone, now) if gone else []

    def _is_too_much(self, sweep: Sweep, gone: Sequence[ModelFile], now: datetime) -> bool:
        folder_id = sweep.place.folder.id
        recent = self.store.holds.recent_count(folder_id, now)
        limit = max(BRAKE_FILES, BRAKE_SHARE * (self.store.folders.state(folder_id).file_count + recent))
        if len(gone) + recent <= limit:
            return False
        return self.store.holds.unexplained_count(row.id for row in gone) + recent > limit

    def _hold_back(self, sweep: Sweep, gone: Sequence[ModelFile], now: datetime) -> None:
        folder_id, known = sweep.place.folder.id, self.store.folders.state(sweep.place.folder.id).file_count
        if self.store.holds.of(folder_id) is None:
            log.warning("files_held_back", folder=folder_id, files=len(gone), known=known)
            self.store.events.add(
                "files_held_back", now, folder_id=folder_id, details={"files": len(gone), "known": known}
            )
        step = max(1, len(gone) // SAMPLE_FILES)
        self.store.holds.keep(folder_id, len(gone), [row.id for row in gone[::step][:SAMPLE_FILES]], now)

    def _end_hold(self, sweep: Sweep, now: datetime) -> None:
        folder_id, is_confirmed = sweep.place.folder.id, sweep.footing.is_confirmed
        if self.store.holds.of(folder_id) is None:
            return
        self.store.holds.release(folder_id)
        log.info("hold_ended", folder=folder_id, is_confirmed=is_confirmed)
        self.store.events.add("hold_ended", now, folder_id=folder_id, details={"is_confirmed": is_confirmed})

    def _mark_missing(self, sweep: Sweep, gone: Sequence[ModelFile], now: datetime) -> list[NewTask]:
        ids = [row.id for row in gone]
        self.store.files.mark_missing(ids, now)
        self.store.entries.refresh(ids)
        new = [NewTask(TaskKind.RENDER_GALLERY, sweep.place.folder.id)]
        for row in gone:
            log.info("file_went_missing", path=readable(row.path), folder=row.folder_id)
            self.store.events.add("file_went_missing", now, file_id=row.id, folder_id=row.folder_id)
            new += heirs(self.store, row)
        sweep.notes.missing += len(gone)
        return new

    def _record_mount_points(self, sweep: Sweep, now: datetime) -> None:
        folder_id, grounds = sweep.place.folder.id, self.store.grounds
        known, below = grounds.mount_points(folder_id), sweep.footing.mounts.below
        for path in sorted(below - known.keys()):
            if grounds.sample(folder_id, 1, below=path):
                grounds.keep_mount_point(folder_id, path, None)
        for path, point in known.items():
            if path in below and point.lost_since is not None:
                grounds.keep_mount_point(folder_id, path, None)
                log.info("mount_point_came_back", folder=folder_id, path=readable(path))
                self._note("mount_point_came_back", folder_id, path, now)
            elif path in sweep.footing.lost and point.lost_since is None:
                grounds.keep_mount_point(folder_id, path, now)
                log.warning("mount_point_lost", folder=folder_id, path=readable(path))
                self._note("mount_point_lost", folder_id, path, now)
            elif path not in below and path not in sweep.footing.lost:
                grounds.forget_mount_point(folder_id, path)

    def _note(self, event: str, folder_id: str, path: bytes, now: datetime) -> None:
        self.store.events.add(event, now, folder_id=folder_id, details={"path": readable(path)})
