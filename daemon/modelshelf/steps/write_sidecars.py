"""Read what stands beside a model, and write the sidecars that are ours to write."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.fact import Field
from modelshelf.domain.failure import FailureKind
from modelshelf.domain.task import NewTask, Priority, TaskKind
from modelshelf.errors import FileChanged, FileGone, FileUnreadable, WriteRefused
from modelshelf.files import Ending, drafted, read_limited, remove_file
from modelshelf.logs import get_log
from modelshelf.sidecars.plan import plan_sidecars, sidecar_paths
from modelshelf.sidecars.reading import LARGEST_BYTES, read_beside, read_sidecar
from modelshelf.sidecars.witness import witnesses
from modelshelf.steps.beside import Surroundings, model_names, to_text
from modelshelf.steps.describe import describe
from modelshelf.steps.picturing import relative_to_folder, shown_pictures
from modelshelf.steps.place import Place, awaits_its_sidecars, demand_present, make_room, present_file
from modelshelf.steps.stems import is_foreign, owner_of_stem, sharing_stem
from modelshelf.steps.step import Done, Failed, Outcome, Reins, one_by_one
from modelshelf.steps.strays import strays_of
from modelshelf.steps.testimony import FROM_BESIDE, believed, listed_versions
from modelshelf.store.ledger import Writing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from modelshelf.clock import Clock
    from modelshelf.domain.content import Content
    from modelshelf.domain.description import Description
    from modelshelf.domain.fact import Fact
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.domain.task import Task
    from modelshelf.errors import ModelshelfError
    from modelshelf.files import Drafts
    from modelshelf.sidecars.plan import Plan
    from modelshelf.sidecars.reading import FoundSidecar
    from modelshelf.steps.beside import Stats
    from modelshelf.steps.place import Places
    from modelshelf.store.store import Store

log = get_log(__name__)

WANTED = (Field.NAME, Field.MODEL_ID, Field.VERSION_ID, Field.BASE_MODEL, Field.MODEL_TYPE, Field.TAGS, Field.CREATOR)
"""While one of these is unknown, Civitai is asked; once all are known from elsewhere, it is left in peace."""

EVENTS_LOOKED_AT = 20


BARRING = {errno.EACCES, errno.EPERM}
BARRED_DELAY = timedelta(minutes=10)
"""Where permission is missing it is tried again, ever more rarely, and `failures` shows it; a read-only mount is a choice."""

WRITTEN_AFTER = timedelta(seconds=30)
"""So long what nobody waits for waits for Civitai's first answer, where there is anything else to do meanwhile."""

LEFT_AS_IT_IS = "a person undid what was written here: it is left alone until undo-sidecar takes that back"
FRESH = timedelta(hours=1)
"""What we wrote within this time is a step on the way to a description, and not kept as what a file was before."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a sidecar was not written. `is_barred`: the directory may not be written now, which a person may mend."""

    reason: str
    is_barred: bool = False


@dataclass(slots=True)
class Written:
    """What comes of a file's sidecars when they are put in place, with those of the other files of the batch.

    `stats` are those of what stands beside the file then. `error` is why all is to be tried again.
    """

    stats: Stats
    refusals: list[Refusal] = field(default_factory=list)
    error: ModelshelfError | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """What was found beside a file and what was written there."""

    file: ModelFile
    facts: list[Fact]
    written: Written
    preview: bytes | None
    is_lookup_wanted: bool
    is_early: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """What the files of one batch share: each directory is listed once, and all is put in place together."""

    drafts: Drafts
    listed: dict[Path, Surroundings] = field(default_factory=dict)

    def around(self, store: Store, file: ModelFile, directory: Path) -> Surroundings:
        """Give what lies in the file's directory."""
        if directory not in self.listed:
            self.listed[directory] = Surroundings.of(directory, model_names(store, file))
        return self.listed[directory]


@dataclass(frozen=True, slots=True)
class WriteSidecars:
    """Sidecar facts are read first: what a person wrote there decides what is still unknown."""

    store: Store
    places: Places
    clock: Clock
    kind: TaskKind = TaskKind.WRITE_SIDECARS

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[Beside | None]]:
        """Read and merge for each file, then write for all of them."""
        with drafted(partial(self.store.database.transaction, is_durable=True)) as drafts:
            batch = Batch(drafts)
            outcomes = one_by_one(tasks, reins, lambda task: self._outcome(task, batch))
        return [_as_written(outcome) for outcome in outcomes]

    def _outcome(self, task: Task, batch: Batch) -> Outcome[Beside | None]:
        file, place = present_file(self.store, self.places, task)
        if is_foreign(file) or awaits_its_sidecars(self.store, file):
            return Done(task, None, is_followed=False)
        beside = self._describe(task, file, place, batch)
        return Done(task, beside, is_followed=not beside.is_early)

    def _describe(self, task: Task, file: ModelFile, place: Place, batch: Batch) -> Beside:
        path = place.locate(file)
        around = batch.around(self.store, file, path.parent)
        stem = os.path.splitext(os.path.basename(file.path))[0]
        written = Written(around.stats_of(stem))
        names = [os.fsencode(name) for name in written.stats]
        found = read_beside(path.parent, names, self.store.standing.own_id)
        pictures = shown_pictures(place, file, [os.fsencode(name) for name in written.stats])
        content = self.store.contents.get(file.content_id) if file.content_id is not None else None
        facts = self._facts(file, content, place, found)
        description = describe(self.store, file, facts)
        is_lookup_wanted = self._is_lookup_wanted(task, place, description)
        is_early = is_lookup_wanted and self._is_early(task, content)
        if not is_early:
            self._write(description, place, found, _Desk(batch.drafts, around, written))
        return Beside(
            file,
            facts,
            written,
            relative_to_folder(place, pictures[0]) if pictures else None,
            is_lookup_wanted,
            is_early,
        )

    def _write(self, description: Description, place: Place, found: Sequence[FoundSidecar], desk: _Desk) -> None:
        """Draft what is ours to write; the reasons for what is not written are kept."""
        file = description.file
        owner = owner_of_stem(self.store, file)
        if owner.id != file.id:
            whose = readable(os.path.basename(owner.path))
            desk.written.refusals.append(Refusal(f"its sidecars have the same names as those of {whose}"))
            return
        is_ignored = self.store.decisions.is_ignored(file.content_id)
        if is_ignored or description.header is None or not description.header.is_readable:
            return
        if self.store.files.is_of_other_bytes(file.id):
            return  # the sidecar names the weights that it is about, and nobody knows yet whether these are the same
        beside = {each.path for each in found}
        targets = [each for each in sidecar_paths(place.spot(file), place.output) if each not in beside]
        elsewhere = [sidecar for target in targets if (sidecar := read_sidecar(target)) is not None]
        for plan in plan_sidecars(description, place.spot(file), place.output, [*found, *elsewhere], self._ours_of):
            refusal = self._carry_out(plan, file, place, desk)
            desk.written.refusals += [refusal] if refusal is not None else []

    def _ours_of(self, path: Path) -> Mapping[str, Collection[str]]:
        return self.store.ledger.digests_ever(os.fsencode(path))

    def _facts(
        self, file: ModelFile, content: Content | None, place: Place, found: Sequence[FoundSidecar]
    ) -> list[Fact]:
        strays = strays_of(self.store, place, file, content, self._ours_of)
        pinned = content.pinned_version_id if content else None
        of_stem = [each for each in witnesses(found, self._ours_of) if not each.contradicts(pinned)]
        taken = {each.path for each in of_stem}
        strays = [each for each in strays if each.path not in taken and not each.contradicts(pinned)]
        hashes = content.hashes if content else None
        return believed(of_stem, strays, hashes, listed_versions(self.store, content))

    def _carry_out(self, plan: Plan, file: ModelFile, place: Place, desk: _Desk) -> Refusal | None:
        if plan.content is None and not plan.is_removed:
            return Refusal(plan.refusal) if plan.refusal else None
        if self.store.formers.left(os.fsencode(plan.path)) is not None:
            return Refusal(LEFT_AS_IT_IS)
        if plan.content is None:
            return self._remove(plan, file, place, desk.written.stats)
        return self._draft(plan, plan.content, file, place, desk)

    def _draft(self, plan: Plan, content: bytes, file: ModelFile, place: Place, desk: _Desk) -> Refusal | None:
        demand_present(self.store, place, file)
        is_beside = plan.path.parent == place.locate(file).parent
        try:
            make_room(place, plan.path)
            ending = desk.ending(plan, self._intention(plan, file, self._former(plan, file)), is_beside=is_beside)
            desk.drafts.add(plan.path, content, ending, expected=plan.expected, within=place.border(plan.path))
        except (WriteRefused, FileUnreadable, FileGone) as error:
            return refusal_of(error)
        if is_beside:
            desk.around.note([plan.path.name])
        return None

    def _intention(self, plan: Plan, file: ModelFile, former: bytes | None) -> Callable[[os.stat_result], None]:
        def intend(status: os.stat_result) -> None:
            writing = Writing(
                path=os.fsencode(plan.path),
                file_id=file.id,
                dialect=str(plan.dialect),
                size_bytes=status.st_size,
                mtime_ns=status.st_mtime_ns,
                digests=plan.digests,
            )
            if former is not None:
                self.store.formers.keep(writing.path, former, self.clock.now())
            self.store.ledger.intend(writing)

        return intend

    def _remove(self, plan: Plan, file: ModelFile, place: Place, stats: Stats) -> Refusal | None:
        try:
            former = self._former(plan, file)
        except (FileUnreadable, FileGone) as error:
            return refusal_of(error)
        if former is not None:
            self.store.formers.keep(os.fsencode(plan.path), former, self.clock.now())
        return remove_stale(plan, stats, place.border(plan.path))

    def _former(self, plan: Plan, file: ModelFile) -> bytes | None:
        """Give what stands in a file that is about to be changed, where it is to be kept: always if somebody else wrote it.

        Of what we wrote only a file that is all ours is kept, and not the steps by which one description comes about: else
        they would push out what a person had there. What a person said of bytes that are no more is kept in any case.
        """
        if plan.expected is None:
            return None
        last = self.store.ledger.of(os.fsencode(plan.path))
        stands = (plan.expected.st_size, plan.expected.st_mtime_ns)
        if last is not None and stands == (last.size_bytes, last.mtime_ns):
            written_at = datetime.fromtimestamp(plan.expected.st_mtime, UTC)
            is_step = not plan.is_all_ours or self.clock.now() - written_at < FRESH
            if is_step and not self._is_word_ending(file, written_at):
                return None
        return read_limited(plan.path, LARGEST_BYTES)[0]

    def _is_word_ending(self, file: ModelFile, written_at: datetime) -> bool:
        """Tell whether what was written then has a person's word about other bytes than those that are there now."""
        is_of_other_bytes = written_at <= self.store.files.unchanged_since(file.id)
        return is_of_other_bytes and self.store.decisions.is_left_behind(file.id)

    def _is_early(self, task: Task, content: Content | None) -> bool:
        """Tell whether a first look-up will be owed, and nobody waits: then all is written at once, after the answer."""
        if content is None or task.is_forced or task.priority >= Priority.DROP:
            return False
        is_owed_already = content.next_lookup_at is not None
        return not is_owed_already and self._is_unasked(content)

    def _is_unasked(self, content: Content) -> bool:
        is_unknown = content.version_id is None and content.looked_up_at is None
        return is_unknown and not self.store.decisions.is_ignored(content.id)

    def _is_lookup_wanted(self, task: Task, place: Place, description: Description) -> bool:
        if description.header is None or not description.header.is_readable:
            return False
        is_described = all(description.value(field) is not None for field in WANTED)
        return task.is_forced or not (is_described and place.is_described_skipped)

    def record(self, done: Sequence[Done[Beside | None]]) -> list[NewTask]:
        """Keep what the sidecars say, and owe a lookup where something is still unknown."""
        found = [(each.task, each.result) for each in done if each.result is not None]
        for task, beside in found:
            self._record_one(task, beside)
        self.store.entries.refresh([beside.file.id for _, beside in found])
        due_at = self.clock.now() + WRITTEN_AFTER
        return [
            NewTask(self.kind, task.subject, priority=task.priority, due_at=due_at, run_id=task.run_id)
            for task, beside in found
            if beside.is_early
        ]

    def _record_one(self, task: Task, beside: Beside) -> None:
        file = beside.file
        for source in FROM_BESIDE:
            self.store.facts.replace_of_file(file.id, source, [fact for fact in beside.facts if fact.source is source])
        for sharer in sharing_stem(self.store, file):
            self.store.files.set_companions(sharer.id, to_text(beside.written.stats))
            self.store.entries.set_preview(sharer.id, beside.preview)
        self._tell_refusals(file, beside.written.refusals)
        barred = next((each for each in beside.written.refusals if each.is_barred), None)
        if barred is not None:
            delay = min(BARRED_DELAY * 2 ** min(task.attempts, 8), timedelta(days=1))
            due_at = self.clock.now() + delay
            self.store.journal.retry_at(task, due_at, barred.reason, FailureKind.ACCESS, self.clock.now())
        if beside.is_lookup_wanted and file.content_id is not None:
            self._owe_lookup(file.content_id, task)

    def _tell_refusals(self, file: ModelFile, refusals: Sequence[Refusal]) -> None:
        """Tell each reason once, not again at every look: what stands in the way mostly stands there for good."""
        if not refusals:
            return
        events = self.store.events.of_file(file.id, EVENTS_LOOKED_AT)
        told = {event.details.get("reason") for event in events if event.name == "sidecar_not_written"}
        for refusal in (each.reason for each in refusals if each.reason not in told):
            log.warning("sidecar_not_written", path=readable(file.path), reason=refusal)
            self.store.events.add("sidecar_not_written", self.clock.now(), file_id=file.id, details={"reason": refusal})

    def _owe_lookup(self, content_id: int, task: Task) -> None:
        content = self.store.contents.get(content_id)
        if content is None:
            return
        if task.is_forced and not self.store.decisions.is_ignored(content_id):
            lookup = NewTask(TaskKind.IDENTIFY_CONTENT, str(content_id), priority=task.priority, is_forced=True)
            self.store.journal.add([lookup], self.clock.now())
        elif self._is_unasked(content):
            self.store.contents.owe_lookup(content_id, self.clock.now())


def refusal_of(error: ModelshelfError) -> Refusal:
    """Say why a file could not be written."""
    return Refusal(str(error), is_barred=isinstance(error, FileUnreadable) and error.errno in BARRING)


def remove_stale(plan: Plan, stats: Stats, border: Path | None) -> Refusal | None:
    """Remove a sidecar that is all ours and describes the bytes that stood here before; gives why that failed."""
    if plan.expected is None:
        return None
    try:
        remove_file(plan.path, expected=plan.expected, within=border)
    except (WriteRefused, FileUnreadable, FileGone) as error:
        return refusal_of(error)
    stats.pop(plan.path.name, None)
    log.info("sidecar_removed", path=readable(plan.path), dialect=str(plan.dialect))
    return None


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where one file's sidecars are written: among the batch's drafts, in its directory, and what becomes of them."""

    drafts: Drafts
    around: Surroundings
    written: Written

    def ending(self, plan: Plan, intend: Callable[[os.stat_result], None], *, is_beside: bool) -> Ending:
        """Give what is done when a planned sidecar comes into place, or does not."""

        def keep(status: os.stat_result) -> None:
            log.info("sidecar_written", path=readable(plan.path), dialect=str(plan.dialect))
            if is_beside:
                self.written.stats[plan.path.name] = (status.st_size, status.st_mtime_ns)

        def refuse(error: ModelshelfError) -> None:
            has_appeared = isinstance(error, FileChanged) and plan.expected is None
            if has_appeared or isinstance(error, (WriteRefused, FileUnreadable, FileGone)):
                self.written.refusals.append(refusal_of(error))
            else:
                self.written.error = error

        return Ending(intend, keep, refuse)


def _as_written(outcome: Outcome[Beside | None]) -> Outcome[Beside | None]:
    """Give what came of a task, now that what it drafted was put in place."""
    beside = outcome.result if isinstance(outcome, Done) else None
    error = beside.written.error if beside is not None else None
    return Failed(outcome.task, error) if error is not None else outcome
