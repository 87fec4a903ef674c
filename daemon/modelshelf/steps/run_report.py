"""What a run reports at its end, gathered from the catalog; no disk is looked at."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from modelshelf.domain.display import readable
from modelshelf.domain.duplicate import group_copies, remembered
from modelshelf.domain.progress import Tally
from modelshelf.domain.run_report import Alike, Damage, RunReport, Trouble
from modelshelf.domain.task import ORDER, Subject
from modelshelf.steps.rescuing import rescue_lines, rescue_of
from modelshelf.store.duplicates import copies_alike

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from modelshelf.domain.duplicate import DuplicateGroup
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.domain.rot import Rot
    from modelshelf.domain.run import Run
    from modelshelf.store.store import Store

MOST_DUPLICATES = 50
MOST_TROUBLES = 50


def compose(store: Store, run: Run) -> RunReport:
    """Gather what a run reports. Where its folders were not kept, all of the configuration are meant."""
    states = {state.id: state for state in store.folders.states() if state.is_configured}
    folder_ids = [each for each in run.folder_ids or states if each in states]
    owed = sum((store.reading.tallies()[each] for each in folder_ids), start=Tally())
    groups = _duplicates(store, folder_ids)
    troubles = list(_troubles(store, folder_ids))
    return RunReport(
        run=run,
        files=sum(states[each].file_count for each in folder_ids),
        size_bytes=owed.read_bytes + owed.owed_bytes,
        owed_files=owed.owed_files,
        owed_bytes=owed.owed_bytes,
        duplicate_count=len(groups),
        duplicates=tuple(_alike(store, each) for each in groups[:MOST_DUPLICATES]),
        damage=tuple(_damage(store, each) for each in store.rot.standing() if each.is_told),
        trouble_count=len(troubles),
        troubles=tuple(troubles[:MOST_TROUBLES]),
    )


def _damage(store: Store, rot: Rot) -> Damage:
    file, content = store.files.get(rot.file_id), store.contents.get(rot.content_id)
    path = _shown(store, file.folder_id, file.path) if file else ""
    sha256 = content.hashes.sha256 if content else None
    return Damage.of(path, sha256, rot, rescue_lines(rescue_of(store, file)) if file else ())


def _duplicates(store: Store, folder_ids: Collection[str]) -> list[DuplicateGroup]:
    groups = group_copies(copies_alike(store.database), remembered)
    return [group for group in groups if any(copy.folder_id in folder_ids for names in group.files for copy in names)]


def _alike(store: Store, group: DuplicateGroup) -> Alike:
    paths = (_shown(store, copy.folder_id, copy.path) for names in group.files for copy in names)
    return Alike(group.likeness.value, group.hash, group.freed_bytes, tuple(paths))


def _troubles(store: Store, folder_ids: Collection[str]) -> Iterator[Trouble]:
    for unseen in store.failures.all():
        if unseen.folder_id in folder_ids:
            yield Trouble(_shown(store, unseen.folder_id, unseen.path), unseen.reason)
    for task in store.journal.failures():
        if ORDER[task.kind].subject is Subject.FILE:
            file = store.files.get(int(task.subject))
            if file is not None and file.folder_id in folder_ids:
                yield Trouble(_shown(store, file.folder_id, file.path), task.last_error or "unknown")


def _shown(store: Store, folder_id: str, path: bytes) -> str:
    root = store.folders.state(folder_id).path
    return readable(root / readable(path)) if path else readable(root)


def to_body(report: RunReport) -> JsonObject:
    """Give a report as it is kept beside its run."""
    body = asdict(report)
    del body["run"]
    return cast("JsonObject", body)


def from_body(run: Run, body: JsonObject) -> RunReport:
    """Give the report that `to_body` kept."""
    kept: dict[str, Any] = dict(body)
    return RunReport(
        **{
            **kept,
            "run": run,
            "duplicates": tuple(Alike(**{**each, "paths": tuple(each["paths"])}) for each in kept["duplicates"]),
            "damage": tuple(Damage(**each) for each in kept["damage"]),
            "troubles": tuple(Trouble(**each) for each in kept["troubles"]),
        }
    )


def report_of(store: Store, run: Run) -> RunReport:
    """Give what a run reported at its end, or what it would report now."""
    body = store.runs.report(run.id)
    return compose(store, run) if body is None else from_body(run, body)
