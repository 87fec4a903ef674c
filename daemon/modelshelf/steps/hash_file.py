"""Read a file once and know it by its six hashes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.fact import Source
from modelshelf.domain.model_file import ScanPhase
from modelshelf.domain.task import NewTask, Priority, TaskKind
from modelshelf.errors import FileChanged
from modelshelf.formats.hashes import hash_file
from modelshelf.logs import get_log
from modelshelf.steps.inheriting import inherit
from modelshelf.steps.place import is_as_it_was, present_file
from modelshelf.steps.same_bytes import is_one_file
from modelshelf.steps.step import Done, Outcome, Reins, one_by_one
from modelshelf.steps.verifying import demand_steady, is_of_one_tick, record_rot, record_sound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.clock import Clock
    from modelshelf.domain.content import Content
    from modelshelf.domain.hashes import Hashes
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.domain.task import Task
    from modelshelf.formats.hashes import HashedFile as ReadFile
    from modelshelf.steps.place import Place, Places
    from modelshelf.store.store import Store

log = get_log(__name__)

BATCH_BYTES = 512 * 1024 * 1024
"""So much is read before a batch is recorded."""


@dataclass(frozen=True, slots=True)
class HashedFile:
    """A file with the hashes of its bytes and the seconds that took, or with those that another program vouches for.

    `is_rotten`: it was read before with other bytes, and has the size and mtime that it had then.
    """

    file: ModelFile
    hashes: Hashes
    seconds: float
    vouched_by: str | None = None
    is_rotten: bool = False
    probe: bytes = b""


@dataclass(frozen=True, slots=True)
class HashFile:
    """Hashes what was inspected. A fresh drop stays in the page cache; what is read in bulk, asked for or not, does not."""

    store: Store
    places: Places
    clock: Clock
    kind: TaskKind = TaskKind.HASH_FILE

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[HashedFile]]:
        """Hash file after file, small ones first; what goes beyond `BATCH_BYTES` is given back."""
        return one_by_one(self._within_batch(tasks), reins, lambda task: self._hash(task, reins))

    def _within_batch(self, tasks: Sequence[Task]) -> list[Task]:
        """Choose what is read in one go; a file larger than that is read alone, so that no small one waits for it."""
        sizes = {task.id: self._size_bytes(task) for task in tasks}
        chosen: list[Task] = []
        total_bytes = 0
        for task in sorted(tasks, key=lambda each: (-each.priority, sizes[each.id])):
            total_bytes += sizes[task.id]
            if chosen and total_bytes > BATCH_BYTES:
                break
            chosen.append(task)
        return chosen

    def _size_bytes(self, task: Task) -> int:
        file = self.store.files.get(int(task.subject))
        return file.fingerprint.size_bytes if file else 0

    def _hash(self, task: Task, reins: Reins) -> Done[HashedFile]:
        file, place = present_file(self.store, self.places, task)
        told = self._told(file, place)
        if told is not None:
            return Done(task, told)
        started = self.clock.monotonic()
        read, own = self._read(task, file, place, reins), self._own_content(file)
        hashes = read.hashes
        is_rotten = own is not None and own.hashes.sha256 != hashes.sha256
        is_rotten = is_rotten and not is_of_one_tick(
            self.store, file, self.clock.now(), is_honest=place.traits.is_honest
        )
        if is_rotten:
            demand_steady(file, hashes.sha256, self._read(task, file, place, reins).hashes.sha256)
        seconds = self.clock.monotonic() - started
        return Done(task, HashedFile(file, hashes, seconds, is_rotten=is_rotten, probe=read.probe))

    def _told(self, file: ModelFile, place: Place) -> HashedFile | None:
        """Give hashes for which nothing is read. Of a file that was read before, or ever rotted, its bytes alone are believed."""
        if file.content_id is not None or self.store.rot.ever_of(file.id):
            return None
        known = self._known_as_a_hard_link(file, place)
        if known is not None:
            return HashedFile(file, known, 0.0)
        claimed = self.store.claims.hashes_of(file)
        return None if claimed is None else HashedFile(file, claimed, 0.0, Source.STABLEQUEUE)

    def _read(self, task: Task, file: ModelFile, place: Place, reins: Reins) -> ReadFile:
        hashed = reins.read(
            hash_file,
            place.locate(file),
            on_progress=lambda done_bytes: reins.advance(task, done_bytes),
            is_dropped_behind=task.priority != Priority.DROP,
            is_honest=place.traits.is_honest,
        )
        if not hashed.fingerprint.is_same(file.fingerprint, is_honest=place.traits.is_honest):
            raise FileChanged(f"{readable(file.path)} changed since it was noticed; it is looked at again")
        return hashed

    def _own_content(self, file: ModelFile) -> Content | None:
        """Give what the file held when it was last read, where no change of it was noticed since."""
        is_read = file.content_id is not None and file.vouched_by is None
        return self.store.contents.get(file.content_id) if is_read and file.content_id is not None else None

    def _known_as_a_hard_link(self, file: ModelFile, place: Place) -> Hashes | None:
        """Give the hashes of the very same file where it was read under another name since anything changed in it."""
        for twin in self.store.files.twins(file.fingerprint) if place.traits.is_honest else []:
            other = self.places.get(twin.folder_id)
            is_read = twin.scan_phase is ScanPhase.DEEP and twin.vouched_by is None
            is_read = is_read and twin.fingerprint == file.fingerprint
            if other is None or twin.content_id is None or not is_read or twin.missing_since is not None:
                continue
            if self.store.rot.of(twin.id) is None and is_one_file(
                place.locate(file), other.locate(twin), file.fingerprint
            ):
                content = self.store.contents.get(twin.content_id)
                return content.hashes if content is not None else None
        return None

    def record(self, done: Sequence[Done[HashedFile]]) -> list[NewTask]:
        """Bind each file to its content; one that Civitai is known to know gets its picture as the first copy did."""
        new: list[NewTask] = []
        for each in done:
            file, hashes = each.result.file, each.result.hashes
            if not is_as_it_was(self.store, file):
                continue
            if each.result.is_rotten and file.content_id is not None:
                self.store.files.record_content(file.id, file.content_id)
                new += record_rot(self.store, each.task, file, hashes, self.clock.now())
                continue
            content = self._bind(each)
            if content is not None and content.id == file.content_id:
                new += record_sound(self.store, file, self.clock.now())
            self.store.claims.settle(file, hashes.sha256)
            if content is not None and content.version_id is not None:
                new.append(NewTask(TaskKind.FETCH_PREVIEWS, str(file.id), priority=each.task.priority))
        self.store.entries.refresh([each.result.file.id for each in done])
        return new

    def _bind(self, done: Done[HashedFile]) -> Content | None:
        """Keep what a file holds: what was read, or what another program says that it is."""
        file, hashes, now = done.result.file, done.result.hashes, self.clock.now()
        path, vouched_by = readable(file.path), done.result.vouched_by
        if vouched_by is not None:
            content_id = self.store.claims.vouch(file, hashes, now)
            self.store.files.record_content(file.id, content_id, vouched_by)
            log.info("file_vouched_for", path=path, sha256=hashes.sha256, by=vouched_by)
            return self.store.contents.get(content_id)
        content = self.store.contents.upsert(file.fingerprint.size_bytes, hashes, now)
        if done.result.probe:
            self.store.contents.keep_probe(content.id, done.result.probe)
        self.store.files.record_content(file.id, content.id, read_at=now)
        if file.vouched_by is not None and file.content_id != content.id:
            self.store.facts.replace_of_file(file.id, Source.STABLEQUEUE, [])
        self.store.runs.count(done.task.run_id, hashes_calculated=1)
        log.info("file_hashed", path=path, sha256=hashes.sha256, seconds=round(done.result.seconds, 3))
        return inherit(self.store, file.id, content, now)
