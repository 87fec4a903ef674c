"""What `why` tells of one file, gathered from catalog, journal and the directory it lies in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.clock import SystemClock
from modelshelf.domain.fact import Field, Source, choose
from modelshelf.domain.model_file import ScanPhase
from modelshelf.domain.task import TaskKind
from modelshelf.gallery.mark import MARK_REACH_BYTES, is_ours
from modelshelf.sidecars.names import companions
from modelshelf.store.reports import Reports

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelshelf.domain.content import Content
    from modelshelf.domain.fact import Fact
    from modelshelf.domain.header import Header
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.domain.task import Task
    from modelshelf.store.events import Event
    from modelshelf.store.folders import FolderState
    from modelshelf.store.former_files import FormerFile
    from modelshelf.store.reports import FileState
    from modelshelf.store.store import Store

EVENTS_SHOWN = 10
OURS, OURS_CHANGED, NOT_OURS = "ours", "ours, changed since by somebody else", "not ours"


@dataclass(frozen=True, slots=True)
class Beside:
    """A sidecar, picture or page beside the file, and whose it is. `dialect` is what we wrote it as, None where we did not."""

    path: bytes
    owner: str
    dialect: str | None


@dataclass(frozen=True, slots=True)
class Known:
    """Everything about one file. `facts` has for each field the effective fact first, then those that lost to it."""

    file: ModelFile
    folder: FolderState
    state: FileState
    header: Header | None
    content: Content | None
    facts: Mapping[Field, Sequence[Fact]]
    beside: Sequence[Beside]
    tasks: Sequence[Task]
    derived: TaskKind | None
    events: Sequence[Event]
    duplicates: Sequence[ModelFile]
    former: Sequence[FormerFile]

    @property
    def absolute(self) -> bytes:
        """Where the file is, or was."""
        return os.path.join(os.fsencode(self.folder.path), self.file.path)


def know(store: Store, file: ModelFile) -> Known:
    """Gather all about a file; what cannot be listed beside it is left out."""
    reports = Reports(store.database)
    content = store.contents.get(file.content_id) if file.content_id is not None else None
    twins = store.files.of_content(content.id) if content else []
    folder = store.folders.state(file.folder_id)
    tasks = store.journal.of_file(file.id)
    return Known(
        file=file,
        folder=folder,
        state=reports.states([file.id])[file.id],
        header=store.files.header(file.id),
        content=content,
        facts=_by_field(store.facts.of_file(file.id)),
        beside=_beside(store, folder, file),
        tasks=tasks,
        derived=_derived(file, content, tasks),
        events=store.events.of_file(file.id, EVENTS_SHOWN),
        duplicates=[each for each in twins if each.id != file.id],
        former=store.files.former(file.folder_id, file.path),
    )


def _by_field(facts: Sequence[Fact]) -> dict[Field, list[Fact]]:
    ranks = {source: rank for rank, source in enumerate(Source)}
    chosen = choose(facts)
    ordered = sorted(facts, key=lambda fact: ranks[fact.source])
    return {
        field: [chosen[field], *(fact for fact in ordered if fact.field is field and fact is not chosen[field])]
        for field in Field
        if field in chosen
    }


def _derived(file: ModelFile, content: Content | None, tasks: Sequence[Task]) -> TaskKind | None:
    """Give what is owed though no task stands for it; nothing is of what is missing or not whole."""
    if file.missing_since is not None or file.waiting_reason is not None:
        return None
    if file.scan_phase is ScanPhase.DEEP:
        return _derived_lookup(content, tasks)
    if any(task.kind in {TaskKind.INSPECT_FILE, TaskKind.HASH_FILE} for task in tasks):
        return None
    return TaskKind.HASH_FILE if file.is_inspected else TaskKind.INSPECT_FILE


def _derived_lookup(content: Content | None, tasks: Sequence[Task]) -> TaskKind | None:
    if content is None or content.next_lookup_at is None or content.next_lookup_at > SystemClock().now():
        return None
    return None if any(task.kind is TaskKind.IDENTIFY_CONTENT for task in tasks) else TaskKind.IDENTIFY_CONTENT


def _beside(store: Store, folder: FolderState, file: ModelFile) -> list[Beside]:
    directory, name = os.path.split(os.path.join(os.fsencode(folder.path), file.path))
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []  # the file's state and the folder's standing say that it is away
    models = store.files.in_directory(file.folder_id, os.path.dirname(file.path))
    stems = {os.path.splitext(os.path.basename(path))[0] for path, row in models.items() if row.missing_since is None}
    stem = os.path.splitext(name)[0]
    return [_owned(store, os.path.join(directory, each)) for each in companions(names, stem, stems - {stem})]


def _owned(store: Store, path: bytes) -> Beside:
    writing = store.ledger.of(path)
    if writing is None:
        return Beside(path, OURS, "page") if _is_our_page(path) else Beside(path, NOT_OURS, None)
    try:
        status = os.lstat(path)
    except OSError:
        return Beside(path, OURS, writing.dialect)  # it went away since it was listed
    is_untouched = (status.st_size, status.st_mtime_ns) == (writing.size_bytes, writing.mtime_ns)
    return Beside(path, OURS if is_untouched else OURS_CHANGED, writing.dialect)


def _is_our_page(path: bytes) -> bool:
    """Pages are not in the ledger: they carry their mark."""
    if not path.endswith(b".html"):
        return False
    try:
        with Path(os.fsdecode(path)).open("rb") as page:
            return is_ours(page.read(MARK_REACH_BYTES))
    except OSError:
        return False
