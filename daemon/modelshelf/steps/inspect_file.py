"""Read a file's header: what it really is, whether it can be right, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.fact import Source
from modelshelf.domain.header import Format, PickleVerdict, Verdict
from modelshelf.domain.model_file import NOT_A_MODEL, TOO_LARGE
from modelshelf.domain.task import NewTask, Priority, TaskKind
from modelshelf.errors import ReaderDied, ReaderLost
from modelshelf.formats.embedded import embedded_facts
from modelshelf.formats.inspect import read_header
from modelshelf.formats.pickle_scan import foresee_scan, not_scanned, scan_pickles
from modelshelf.logs import get_log
from modelshelf.steps.place import is_as_it_was, present_file
from modelshelf.steps.stems import heirs
from modelshelf.steps.step import Done, Outcome, Reins, one_by_one

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from modelshelf.clock import Clock
    from modelshelf.domain.fact import Fact
    from modelshelf.domain.header import Header
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.domain.task import Task
    from modelshelf.steps.place import Places
    from modelshelf.store.store import Store

log = get_log(__name__)

DESCRIBED_FIRST_BYTES = 1024**3
"""From here on hashing takes seconds: the file gets sidecars and page from its header before, and again after."""

_HASHABLE = {
    Format.SAFETENSORS,
    Format.GGUF,
    Format.TORCH_ZIP,
    Format.PICKLE,
    Format.ONNX,
    Format.UNKNOWN,
    Format.ARCHIVE,
}


@dataclass(frozen=True, slots=True)
class Inspection:
    """One file, its header and what the header says."""

    file: ModelFile
    header: Header
    facts: list[Fact]
    skip_reason: str | None


@dataclass(frozen=True, slots=True)
class InspectFile:
    """`size_limit_bytes`: larger files are indexed but never hashed; None hashes everything."""

    store: Store
    places: Places
    clock: Clock
    size_limit_bytes: int | None = None
    kind: TaskKind = TaskKind.INSPECT_FILE

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[Inspection]]:
        """Read the headers; a file that went away in between is forgotten here and found missing by its scan."""
        return one_by_one(tasks, reins, lambda task: self._inspect(task, reins))

    def _inspect(self, task: Task, reins: Reins) -> Outcome[Inspection]:
        file, place = present_file(self.store, self.places, task)
        path = place.locate(file)
        header = _with_pickles_scanned(reins.read(read_header, path), path, task, reins)
        return Done(task, Inspection(file, header, embedded_facts(header), self._skip_reason(file, header)))

    def _skip_reason(self, file: ModelFile, header: Header) -> str | None:
        if file.content_id is not None:
            return None  # it was read before and no change was noticed: only its hash tells whether it rotted
        if header.format is Format.UNKNOWN and file.path.lower().endswith(b".bin"):
            return NOT_A_MODEL
        if header.verdict is Verdict.INCOMPLETE or header.format not in _HASHABLE:
            return header.reason or header.format.value
        size_bytes = file.fingerprint.size_bytes
        if self.size_limit_bytes is not None and size_bytes > self.size_limit_bytes:
            return f"{size_bytes} bytes is {TOO_LARGE} ({self.size_limit_bytes} bytes)"
        return None

    def record(self, done: Sequence[Done[Inspection]]) -> list[NewTask]:
        """Keep the headers. Files that will not be hashed are finished here; a sound one is still described."""
        new: list[NewTask] = []
        for each in done:
            if is_as_it_was(self.store, each.result.file):
                new += self._record_one(each.task, each.result)
        self.store.entries.refresh([each.result.file.id for each in done])
        return new

    def _record_one(self, task: Task, seen: Inspection) -> list[NewTask]:
        file, header = seen.file, seen.header
        before = self.store.files.header(file.id)
        self.store.files.record_header(file.id, header)
        self.store.facts.replace_of_file(file.id, Source.EMBEDDED, seen.facts)
        log.info("file_inspected", path=readable(file.path), format=header.format, verdict=header.verdict)
        new = [] if header.is_readable else self._report_broken(task, seen)
        new += self._report_pickles(task, seen, before)
        if seen.skip_reason is None:
            return new + self._described_first(task, seen)
        self.store.files.record_unhashed(file.id, seen.skip_reason)
        if seen.skip_reason == NOT_A_MODEL:
            return heirs(self.store, file)
        if header.is_readable:
            self.store.runs.count(task.run_id, hashes_skipped=1)
            new.append(NewTask(TaskKind.WRITE_SIDECARS, task.subject, priority=task.priority, run_id=task.run_id))
        return new

    def _described_first(self, task: Task, seen: Inspection) -> list[NewTask]:
        """A file whose hash takes long is described by its header meanwhile."""
        if not seen.header.is_readable or seen.file.fingerprint.size_bytes < DESCRIBED_FIRST_BYTES:
            return []
        return [NewTask(TaskKind.WRITE_SIDECARS, task.subject, priority=task.priority, run_id=task.run_id)]

    def _report_pickles(self, task: Task, seen: Inspection, before: Header | None) -> list[NewTask]:
        """Say once that loading it may run anything; where the verdict is another than before, the page tells it."""
        header = seen.header
        known = before.pickle_verdict if before is not None else None
        if header.pickle_verdict is known:
            return []
        if header.pickle_verdict is PickleVerdict.DANGEROUS:
            reason = f"it imports {', '.join(header.pickle_findings)}"
            log.warning("pickle_found_dangerous", path=readable(seen.file.path), reason=reason)
            details: JsonObject = {"reason": reason}
            self.store.events.add("pickle_found_dangerous", self.clock.now(), file_id=seen.file.id, details=details)
        return [NewTask(TaskKind.RENDER_PAGE, task.subject, priority=task.priority)] if before is not None else []

    def _report_broken(self, task: Task, seen: Inspection) -> list[NewTask]:
        """Say so at once: in the log, in the failures, in the gallery, and on the page if the file had one."""
        reason = seen.header.reason or seen.header.verdict.value
        log.warning("file_found_broken", path=readable(seen.file.path), verdict=seen.header.verdict, reason=reason)
        self.store.runs.count(task.run_id, errors=1)
        details: JsonObject = {"verdict": seen.header.verdict.value, "reason": reason}
        event = "file_found_incomplete" if seen.header.verdict is Verdict.INCOMPLETE else "file_found_broken"
        self.store.events.add(event, self.clock.now(), file_id=seen.file.id, details=details)
        page = NewTask(TaskKind.RENDER_PAGE, task.subject, priority=task.priority)
        return [page, *heirs(self.store, seen.file)]


def _with_pickles_scanned(header: Header, path: Path, task: Task, reins: Reins) -> Header:
    """Add what the scan of its pickles shows. A scan that fails costs this verdict alone; one that was cut off is tried again."""
    scan = foresee_scan(path, header)
    if scan is None:
        try:
            scan = reins.read_narrowly(scan_pickles, path, header.format)
        except ReaderDied as error:
            scan = not_scanned(str(error))
        except ReaderLost as error:
            if not task.attempts:
                raise
            scan = not_scanned(str(error))
    known = replace(header, pickle_verdict=scan.verdict, pickle_findings=scan.findings)
    if not scan.tensor_count:
        return known
    return replace(known, tensor_count=scan.tensor_count, kind=scan.kind, architecture=scan.architecture)


def owe_pickle_scans(store: Store, now: datetime) -> None:
    """Have the pickles scanned that another version of the scanner judged, or none, when there is nothing else to do."""
    scanner = f"picklescan {version('picklescan')}"
    with store.database.transaction():
        file_ids = store.files.pickles_not_scanned_by(scanner)
        tasks = [NewTask(TaskKind.INSPECT_FILE, str(each), priority=Priority.VERIFY) for each in file_ids]
        store.journal.add(tasks, now)
