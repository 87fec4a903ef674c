"""What `why` tells of one file, gathered from catalog, journal and the directory it lies in."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.cli.rotten import evidence_of
from modelshelf.clock import SystemClock
from modelshelf.domain.fact import Field, Source, choose
from modelshelf.domain.model_file import ScanPhase
from modelshelf.domain.task import TaskKind
from modelshelf.gallery.mark import MARK_REACH_BYTES, is_ours
from modelshelf.sidecars.mark import EXTENSIONS, without_ours
from modelshelf.sidecars.names import PREVIEW_SUFFIXES, companions
from modelshelf.sidecars.reading import is_sidecar_name, read_sidecar
from modelshelf.steps.picturing import ours_of_version
from modelshelf.store.reports import Reports
from modelshelf.store.schedule import Schedule, schedule_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from modelshelf.cli.rotten import Evidence
    from modelshelf.domain.civitai import Alternate
    from modelshelf.domain.content import Content
    from modelshelf.domain.decision import Decision
    from modelshelf.domain.fact import Fact
    from modelshelf.domain.header import Header
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.domain.task import Task
    from modelshelf.domain.update import Update
    from modelshelf.store.events import Event
    from modelshelf.store.folders import FolderState
    from modelshelf.store.former_files import FormerFile
    from modelshelf.store.ledger import Writing
    from modelshelf.store.reports import FileState
    from modelshelf.store.store import Store

EVENTS_SHOWN = 10
EVENTS_LOOKED_AT = 100
OURS, OURS_CHANGED, NOT_OURS = "ours", "ours, changed since by somebody else", "not ours"
BOTH_S = "ours and somebody else's"


@dataclass(frozen=True, slots=True)
class Beside:
    """A sidecar, picture or page beside the file, and whose it is.

    `dialect` is what we wrote it as, else the one in which it speaks, None where it is no JSON. `ours` and `others` are its
    keys, by who wrote their values; `problem` says why it cannot be read.
    """

    path: bytes
    owner: str
    dialect: str | None
    ours: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """Everything about one file.

    `facts` has for each field the effective fact first, then those that lost to it. `question` says why what Civitai answered
    was not believed. `rot` is what ever rotted of it, the latest first.
    """

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
    decisions: Sequence[Decision]
    alternates: Sequence[Alternate]
    updates: Sequence[Update]
    schedule: Schedule
    question: str | None
    last_used_at: datetime | None
    verified_at: datetime | None
    rot: Sequence[Evidence]

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
    schedule = schedule_of(store.database, content.id) if content else Schedule()
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
        decisions=store.decisions.of_content(content.id) if content else (),
        alternates=store.alternates.of_content(content.id) if content else (),
        updates=store.updates.all(schedule.model_id) if schedule.model_id is not None else (),
        schedule=schedule,
        question=_question(store, file, content),
        last_used_at=store.claims.last_used_at(file.id),
        verified_at=store.verifications.last_of(file.id),
        rot=[evidence_of(store, file, each) for each in store.rot.ever_of(file.id)],
    )


def _question(store: Store, file: ModelFile, content: Content | None) -> str | None:
    """Give why Civitai's answer was not believed, as it was told when it happened."""
    if content is None or content.questioned_version_id is None:
        return None
    events = store.events.of_file(file.id, EVENTS_LOOKED_AT)
    reasons = (str(event.details.get("reason")) for event in events if event.name == "match_questioned")
    return next(reasons, "its size is another")


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
    beside = _keyed(store, path) if is_sidecar_name(path) else Beside(path, NOT_OURS, None)
    writing, told = store.ledger.of(path), _told_by_itself(store, path)
    if beside.ours and beside.others:
        return replace(beside, owner=BOTH_S, dialect=writing.dialect if writing else beside.dialect)
    if writing is None:
        return replace(beside, owner=OURS, dialect=told) if told else beside
    is_ours = told is not None or bool(beside.ours) or _is_untouched(path, writing)
    return replace(beside, owner=OURS if is_ours else OURS_CHANGED, dialect=writing.dialect)


def _is_untouched(path: bytes, writing: Writing) -> bool:
    try:
        status = os.lstat(path)
    except OSError:
        return True  # budget: it went away since it was listed, and that it was ours is what we know of it
    return (status.st_size, status.st_mtime_ns) == (writing.size_bytes, writing.mtime_ns)


def _keyed(store: Store, path: bytes) -> Beside:
    """Tell whose the values in a JSON file are: by its mark and by the ledger."""
    found = read_sidecar(Path(os.fsdecode(path)), store.standing.own_id)
    if found is None:
        return Beside(path, NOT_OURS, None)
    others = without_ours(found.content, store.ledger.digests_ever(path))
    ours = tuple(key for key in found.content if key not in others and key != EXTENSIONS)
    owner = OURS if ours and not others else NOT_OURS
    return Beside(path, owner, found.dialect.value, ours, tuple(others), found.problem)


def _told_by_itself(store: Store, path: bytes) -> str | None:
    """Give what a page or picture is by its own mark, None where it bears none."""
    if _is_our_page(path):
        return "page"
    is_picture = path.lower().endswith(PREVIEW_SUFFIXES)
    return "preview" if is_picture and ours_of_version(store, Path(os.fsdecode(path))) else None


def _is_our_page(path: bytes) -> bool:
    """Pages are not in the ledger: they carry their mark."""
    if not path.endswith(b".html"):
        return False
    try:
        with Path(os.fsdecode(path)).open("rb") as page:
            return is_ours(page.read(MARK_REACH_BYTES))
    except OSError:
        return False
