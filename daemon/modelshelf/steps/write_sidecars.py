"""Read what stands beside a model, and write the sidecars that are ours to write."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.civitai.lenient import as_list, as_object, integer
from modelshelf.civitai.payload import model_facts, parse_model, parse_version, version_facts
from modelshelf.domain.display import readable
from modelshelf.domain.fact import Field, Source
from modelshelf.domain.failure import FailureKind
from modelshelf.domain.task import NewTask, TaskKind
from modelshelf.errors import CivitaiUnavailable, FileGone, FileUnreadable, WriteRefused
from modelshelf.files import create_file, remove_file, replace_file
from modelshelf.logs import get_log
from modelshelf.sidecars.facts import found_facts
from modelshelf.sidecars.plan import plan_sidecars, sidecar_paths
from modelshelf.sidecars.reading import read_beside, read_sidecar
from modelshelf.steps.beside import Surroundings, model_names, to_text
from modelshelf.steps.describe import describe
from modelshelf.steps.picturing import relative_to_folder, shown_pictures
from modelshelf.steps.place import Place, awaits_its_sidecars, demand_present, make_room, present_file
from modelshelf.steps.stems import is_foreign, owner_of_stem, sharing_stem
from modelshelf.steps.step import Done, Outcome, Reins, one_by_one
from modelshelf.store.ledger import Writing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from modelshelf.clock import Clock
    from modelshelf.domain.description import Description
    from modelshelf.domain.fact import Fact
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.domain.task import Task
    from modelshelf.errors import ModelshelfError
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


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a sidecar was not written. `is_barred`: the directory may not be written now, which a person may mend."""

    reason: str
    is_barred: bool = False


@dataclass(frozen=True, slots=True)
class Beside:
    """What was found beside a file and what was written there."""

    file: ModelFile
    facts: list[Fact]
    stats: Stats
    preview: bytes | None
    refusals: tuple[Refusal, ...]
    is_lookup_wanted: bool


@dataclass(frozen=True, slots=True)
class WriteSidecars:
    """Sidecar facts are read first: what a person wrote there decides what is still unknown."""

    store: Store
    places: Places
    clock: Clock
    kind: TaskKind = TaskKind.WRITE_SIDECARS

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[Beside | None]]:
        """Read, merge and write for each file; each directory is listed once per batch."""
        listed: dict[Path, Surroundings] = {}
        return one_by_one(tasks, reins, lambda task: self._outcome(task, listed))

    def _outcome(self, task: Task, listed: dict[Path, Surroundings]) -> Outcome[Beside | None]:
        file, place = present_file(self.store, self.places, task)
        if is_foreign(file) or awaits_its_sidecars(self.store, file):
            return Done(task, None, is_followed=False)
        return Done(task, self._describe(task, file, place, listed))

    def _describe(self, task: Task, file: ModelFile, place: Place, listed: dict[Path, Surroundings]) -> Beside:
        path = place.locate(file)
        around = listed.get(path.parent) or Surroundings.of(path.parent, model_names(self.store, file))
        listed[path.parent] = around
        stem = os.path.splitext(os.path.basename(file.path))[0]
        stats = around.stats_of(stem)
        found = read_beside(path.parent, [os.fsencode(name) for name in stats])
        forge, civitai = found_facts(found, self._ours_of)
        facts = forge + self._civitai_facts(civitai, file)
        description = describe(self.store, file, facts)
        refusals = self._write(description, place, found, stats)
        listed[path.parent] = around.with_names(stats)
        pictures = shown_pictures(place, file, [os.fsencode(name) for name in stats])
        return Beside(
            file,
            facts,
            stats,
            relative_to_folder(place, pictures[0]) if pictures else None,
            tuple(refusals),
            self._is_lookup_wanted(task, place, description),
        )

    def _write(
        self, description: Description, place: Place, found: Sequence[FoundSidecar], stats: Stats
    ) -> list[Refusal]:
        """Write what is ours to write, entering it in `stats`; gives the reasons for what was not written."""
        file = description.file
        owner = owner_of_stem(self.store, file)
        if owner.id != file.id:
            return [Refusal(f"its sidecars have the same names as those of {readable(os.path.basename(owner.path))}")]
        if description.header is None or not description.header.is_readable:
            return []
        beside = {each.path for each in found}
        targets = [each for each in sidecar_paths(place.spot(file), place.output) if each not in beside]
        elsewhere = [sidecar for target in targets if (sidecar := read_sidecar(target)) is not None]
        plans = plan_sidecars(description, place.spot(file), place.output, [*found, *elsewhere], self._ours_of)
        return [refusal for plan in plans if (refusal := self._carry_out(plan, file, place, stats))]

    def _ours_of(self, path: Path) -> Mapping[str, Collection[str]]:
        return self.store.ledger.digests_ever(os.fsencode(path))

    def _civitai_facts(self, bodies: Sequence[JsonObject], file: ModelFile) -> list[Fact]:
        content = self.store.contents.get(file.content_id) if file.content_id is not None else None
        facts: dict[Field, Fact] = {}
        for body in bodies:
            for fact in read_civitai_json(body, content.hashes.sha256 if content else None):
                facts.setdefault(fact.field, fact)
        return list(facts.values())

    def _carry_out(self, plan: Plan, file: ModelFile, place: Place, stats: Stats) -> Refusal | None:
        if plan.is_removed:
            return remove_stale(plan, stats, place.border(plan.path))
        if plan.content is None:
            return Refusal(plan.refusal) if plan.refusal else None
        demand_present(self.store, place, file)

        def intend(status: os.stat_result) -> None:
            self.store.ledger.intend(
                Writing(
                    path=os.fsencode(plan.path),
                    file_id=file.id,
                    dialect=str(plan.dialect),
                    size_bytes=status.st_size,
                    mtime_ns=status.st_mtime_ns,
                    digests=plan.digests,
                )
            )

        try:
            make_room(place, plan.path)
            status = put_in_place(plan, plan.content, intend, place.border(plan.path))
        except (WriteRefused, FileUnreadable, FileGone) as error:
            return refusal_of(error)
        log.info("sidecar_written", path=readable(plan.path), dialect=str(plan.dialect))
        if plan.path.parent == place.locate(file).parent:
            stats[plan.path.name] = (status.st_size, status.st_mtime_ns)
        return None

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
        return []

    def _record_one(self, task: Task, beside: Beside) -> None:
        file = beside.file
        for source in (Source.FORGE, Source.CIVITAI_JSON):
            self.store.facts.replace_of_file(file.id, source, [fact for fact in beside.facts if fact.source is source])
        for sharer in sharing_stem(self.store, file):
            self.store.files.set_companions(sharer.id, to_text(beside.stats))
            self.store.entries.set_preview(sharer.id, beside.preview)
        self._tell_refusals(file, beside.refusals)
        barred = next((each for each in beside.refusals if each.is_barred), None)
        if barred is not None:
            delay = min(BARRED_DELAY * 2 ** min(task.attempts, 8), timedelta(days=1))
            due_at = self.clock.now() + delay
            self.store.journal.retry_at(task, due_at, barred.reason, FailureKind.ACCESS, self.clock.now())
        if beside.is_lookup_wanted and file.content_id is not None:
            self._owe_lookup(file.content_id, is_forced=task.is_forced)

    def _tell_refusals(self, file: ModelFile, refusals: Sequence[Refusal]) -> None:
        """Tell each reason once, not again at every look: what stands in the way mostly stands there for good."""
        if not refusals:
            return
        events = self.store.events.of_file(file.id, EVENTS_LOOKED_AT)
        told = {event.details.get("reason") for event in events if event.name == "sidecar_not_written"}
        for refusal in (each.reason for each in refusals if each.reason not in told):
            log.warning("sidecar_not_written", path=readable(file.path), reason=refusal)
            self.store.events.add("sidecar_not_written", self.clock.now(), file_id=file.id, details={"reason": refusal})

    def _owe_lookup(self, content_id: int, *, is_forced: bool) -> None:
        content = self.store.contents.get(content_id)
        if content is None:
            return
        is_new = content.version_id is None and content.looked_up_at is None
        if is_new or is_forced:
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


def put_in_place(
    plan: Plan, content: bytes, intend: Callable[[os.stat_result], None], border: Path | None
) -> os.stat_result:
    """Write a planned sidecar: over the very file that was read, or where nothing is."""
    if plan.expected is not None:
        return replace_file(plan.path, content, on_ready=intend, expected=plan.expected, within=border)
    return create_file(plan.path, content, on_ready=intend, within=border)


def read_civitai_json(body: JsonObject, sha256: str | None) -> list[Fact]:
    """Give the facts of a Civitai JSON found beside a file; none if it names other hashes than the file's."""
    try:
        if "modelVersions" in body:
            bodies = [each for each in as_list(body["modelVersions"]) if integer(as_object(each).get("id")) is not None]
            facts, versions = (
                model_facts(parse_model(body), Source.CIVITAI_JSON),
                [parse_version(each) for each in bodies],
            )
        else:
            versions = [parse_version(body)]
            facts = version_facts(versions[0], Source.CIVITAI_JSON)
    except CivitaiUnavailable:
        return []
    listed = {file.hashes["SHA256"] for version in versions for file in version.files if "SHA256" in file.hashes}
    return [] if sha256 is not None and listed and sha256 not in listed else facts
