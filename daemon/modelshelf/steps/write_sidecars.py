"""Read what stands beside a model, and write the sidecars that are ours to write."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.civitai.payload import model_facts, parse_model, parse_version, version_facts
from modelshelf.domain.display import readable
from modelshelf.domain.fact import Field, Source
from modelshelf.domain.task import NewTask, TaskKind
from modelshelf.errors import CivitaiUnavailable, FileUnreadable, ModelshelfError, WriteRefused
from modelshelf.files import create_file, make_directory, replace_file
from modelshelf.logs import get_log
from modelshelf.sidecars.facts import found_facts
from modelshelf.sidecars.names import previews
from modelshelf.sidecars.plan import plan_sidecars, sidecar_paths
from modelshelf.sidecars.reading import read_beside, read_sidecar
from modelshelf.steps.beside import Surroundings, model_names, to_text
from modelshelf.steps.describe import describe, owner_of_stem
from modelshelf.steps.place import Place, present_file
from modelshelf.steps.step import Done, Failed, Outcome, Reins
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
    from modelshelf.sidecars.plan import Plan
    from modelshelf.sidecars.reading import FoundSidecar
    from modelshelf.steps.beside import Stats
    from modelshelf.steps.place import Places
    from modelshelf.store.store import Store

log = get_log(__name__)

WANTED = (Field.NAME, Field.MODEL_ID, Field.VERSION_ID, Field.BASE_MODEL, Field.MODEL_TYPE, Field.TAGS, Field.CREATOR)
"""While one of these is unknown, Civitai is asked; once all are known from elsewhere, it is left in peace."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What was found beside a file and what was written there."""

    file: ModelFile
    facts: list[Fact]
    stats: Stats
    preview: bytes | None
    refusals: tuple[str, ...]
    is_lookup_wanted: bool


@dataclass(frozen=True, slots=True)
class WriteSidecars:
    """Sidecar facts are read first: what a person wrote there decides what is still unknown."""

    store: Store
    places: Places
    clock: Clock
    kind: TaskKind = TaskKind.WRITE_SIDECARS

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[Beside]]:
        """Read, merge and write for each file; each directory is listed once per batch."""
        listed: dict[Path, Surroundings] = {}
        outcomes: list[Outcome[Beside]] = []
        for task in tasks:
            reins.check()
            try:
                outcomes.append(Done(task, self._describe(task, listed)))
            except ModelshelfError as error:
                outcomes.append(Failed(task, error))
        return outcomes

    def _describe(self, task: Task, listed: dict[Path, Surroundings]) -> Beside:
        file, place = present_file(self.store, self.places, task)
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
        shown = previews([os.fsencode(name) for name in stats], stem)
        return Beside(
            file,
            facts,
            stats,
            os.path.join(os.path.dirname(file.path), shown[0]) if shown else None,
            tuple(refusals),
            self._is_lookup_wanted(task, place, description),
        )

    def _write(self, description: Description, place: Place, found: Sequence[FoundSidecar], stats: Stats) -> list[str]:
        """Write what is ours to write, entering it in `stats`; gives the reasons for what was not written."""
        file = description.file
        owner = owner_of_stem(self.store, file)
        if owner.id != file.id:
            return [f"its sidecars have the same names as those of {readable(os.path.basename(owner.path))}"]
        if description.header is None or not description.header.is_readable:
            return []
        path = place.locate(file)
        beside = {each.path for each in found}
        targets = [each for each in sidecar_paths(place.spot(file), place.output) if each not in beside]
        elsewhere = [sidecar for target in targets if (sidecar := read_sidecar(target)) is not None]
        plans = plan_sidecars(description, place.spot(file), place.output, [*found, *elsewhere], self._ours_of)
        return [refusal for plan in plans if (refusal := self._carry_out(plan, file, path.parent, stats))]

    def _ours_of(self, path: Path) -> Mapping[str, Collection[str]]:
        return self.store.ledger.digests_ever(os.fsencode(path))

    def _civitai_facts(self, bodies: Sequence[JsonObject], file: ModelFile) -> list[Fact]:
        content = self.store.contents.get(file.content_id) if file.content_id is not None else None
        facts: dict[Field, Fact] = {}
        for body in bodies:
            for fact in read_civitai_json(body, content.hashes.sha256 if content else None):
                facts.setdefault(fact.field, fact)
        return list(facts.values())

    def _carry_out(self, plan: Plan, file: ModelFile, directory: Path, stats: Stats) -> str | None:
        if plan.content is None:
            return plan.refusal

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
            status = put_in_place(plan, plan.content, intend)
        except (WriteRefused, FileUnreadable) as error:
            return str(error)
        log.info("sidecar_written", path=readable(plan.path), dialect=str(plan.dialect))
        if plan.path.parent == directory:
            stats[plan.path.name] = (status.st_size, status.st_mtime_ns)
        return None

    def _is_lookup_wanted(self, task: Task, place: Place, description: Description) -> bool:
        if description.header is None or not description.header.is_readable:
            return False
        is_described = all(description.value(field) is not None for field in WANTED)
        return task.is_forced or not (is_described and place.is_described_skipped)

    def record(self, done: Sequence[Done[Beside]]) -> list[NewTask]:
        """Keep what the sidecars say, and owe a lookup where something is still unknown."""
        for each in done:
            self._record_one(each.task, each.result)
        self.store.entries.refresh([each.result.file.id for each in done])
        return []

    def _record_one(self, task: Task, beside: Beside) -> None:
        file = beside.file
        for source in (Source.FORGE, Source.CIVITAI_JSON):
            self.store.facts.replace_of_file(file.id, source, [fact for fact in beside.facts if fact.source is source])
        self.store.files.set_companions(file.id, to_text(beside.stats))
        self.store.entries.set_preview(file.id, beside.preview)
        for refusal in beside.refusals:
            log.warning("sidecar_not_written", path=readable(file.path), reason=refusal)
            self.store.events.add("sidecar_not_written", self.clock.now(), file_id=file.id, details={"reason": refusal})
        if beside.is_lookup_wanted and file.content_id is not None:
            self._owe_lookup(file.content_id, is_forced=task.is_forced)

    def _owe_lookup(self, content_id: int, *, is_forced: bool) -> None:
        content = self.store.contents.get(content_id)
        if content is None:
            return
        is_new = content.version_id is None and content.looked_up_at is None
        if is_new or is_forced:
            self.store.contents.owe_lookup(content_id, self.clock.now())


def put_in_place(plan: Plan, content: bytes, intend: Callable[[os.stat_result], None]) -> os.stat_result:
    """Write a planned sidecar: over the very file that was read, or where nothing is."""
    if plan.expected is not None:
        return replace_file(plan.path, content, on_ready=intend, expected=plan.expected)
    if not plan.path.parent.is_dir():
        make_directory(plan.path.parent)
    return create_file(plan.path, content, on_ready=intend)


def read_civitai_json(body: JsonObject, sha256: str | None) -> list[Fact]:
    """Give the facts of a Civitai JSON found beside a file; none if it names other hashes than the file's."""
    try:
        if "modelVersions" in body:
            return model_facts(parse_model(body), Source.CIVITAI_JSON)
        version = parse_version(body)
    except CivitaiUnavailable:
        return []
    listed = [each.hashes["SHA256"] for each in version.files if "SHA256" in each.hashes]
    if sha256 is not None and listed and sha256 not in listed:
        return []
    return version_facts(version, Source.CIVITAI_JSON)
