"""Jobs as the rest of modelshelf sees them: the flat form and the list form are the same here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from modelshelf.config.schedule import Schedule, parse_schedule
from modelshelf.config.sections.deep_scan import Missed
from modelshelf.config.sections.jobs import JobEntry
from modelshelf.config.sections.output import Output, to_domain
from modelshelf.config.sections.section import overlay
from modelshelf.domain.job import Deed, JobKind

if TYPE_CHECKING:
    from modelshelf.config.schema import ConfigFile
    from modelshelf.config.sections.jobs import ActionEntry
    from modelshelf.domain.output import Output as DomainOutput

ALL_FOLDERS = "all"
NIGHTLY = "nightly-verification"
"""Nobody has to ask for it: a shelf that is never read again decays unseen. A job of one's own takes its place."""

NIGHTLY_AT = "0 3 * * *"

CIVITSCRAPERS = {JobKind.SCAN_PATHS, JobKind.SYNC_LORA_TRIGGERS}


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a job does. `is_recursive` None: as each folder says. `output` is for dropped files as well."""

    kind: JobKind
    folder_ids: tuple[str, ...]
    is_recursive: bool | None
    is_described_skipped: bool
    is_refresh_forced: bool
    is_lookup_skipped: bool
    is_organizing: bool
    output: DomainOutput


@dataclass(frozen=True, slots=True)
class Job:
    """A named entry of `jobs`. `schedule` None: it runs when a person says so."""

    name: str
    description: str | None
    schedule: Schedule | None
    actions: tuple[Action, ...]
    is_missed_run: bool = True

    @property
    def deeds(self) -> tuple[Deed, ...]:
        """What a run of it does, of all that this version does."""
        able = [action for action in self.actions if action.kind is not JobKind.SYNC_LORA_TRIGGERS]
        return tuple(Deed(action.kind, action.folder_ids, action.is_refresh_forced) for action in able)

    @property
    def folder_ids(self) -> tuple[str, ...]:
        """The folders that its deeds name, each once."""
        return tuple(dict.fromkeys(folder_id for deed in self.deeds for folder_id in deed.folder_ids))


def jobs_of(file: ConfigFile) -> tuple[Job, ...]:
    """Give every job, in the order of the file; where none of them verifies, one that does comes last."""
    jobs = tuple(_job(name, entry, file) for name, entry in file.jobs.items())
    if NIGHTLY in file.jobs or any(action.kind is JobKind.VERIFY for job in jobs for action in job.actions):
        return jobs
    words = "Read again what was read longest ago"
    return (
        *jobs,
        _job(NIGHTLY, JobEntry(type=JobKind.VERIFY, schedule=NIGHTLY_AT, missed=Missed.SKIP, description=words), file),
    )


def entries_of(job: JobEntry) -> tuple[ActionEntry, ...]:
    """Give a job's actions, each with what the job says for all of them; the flat form is one action."""
    return tuple(overlay(job, action) for action in job.actions) or (job,)


def folder_ids_of(entry: ActionEntry, file: ConfigFile) -> tuple[str, ...]:
    """Give the folders that an action names: its `paths`, or without them all; CivitScraper's own actions those of type LORA."""
    if ALL_FOLDERS in entry.paths or (not entry.paths and entry.type not in CIVITSCRAPERS):
        return tuple(file.input_paths)
    if entry.paths:
        return entry.paths
    return tuple(folder_id for folder_id, each in file.input_paths.items() if (each.type or "").upper() == "LORA")


def _job(name: str, entry: JobEntry, file: ConfigFile) -> Job:
    return Job(
        name=name,
        description=entry.description,
        schedule=parse_schedule(entry.schedule) if entry.schedule else None,
        actions=tuple(_action(each, file) for each in entries_of(entry)),
        is_missed_run=entry.missed is Missed.RUN,
    )


def _action(entry: ActionEntry, file: ConfigFile) -> Action:
    scanner = file.scanner
    organization = entry.organization or file.organization
    return Action(
        kind=entry.type,
        folder_ids=folder_ids_of(entry, file),
        is_recursive=entry.recursive,
        is_described_skipped=_first(entry.skip_existing, scanner.skip_existing),
        is_refresh_forced=_first(entry.force_refresh, scanner.force_refresh),
        is_lookup_skipped=entry.use_cached_metadata,
        is_organizing=entry.organize or (organization is not None and organization.enabled),
        output=_output(entry, file),
    )


def _first(own: bool | None, general: bool) -> bool:  # noqa: FBT001 -- a choice between two values, not a switch
    return general if own is None else own


def _output(entry: ActionEntry, file: ConfigFile) -> DomainOutput:
    output = to_domain(overlay(file.output or Output(), entry.output or Output()))
    written = _html_keys(entry.output) | _html_keys(file.output)
    html = output.html
    if entry.generate_gallery is not None and "generate_gallery" not in written:
        html = replace(html, is_gallery_generated=entry.generate_gallery)
    if entry.gallery_path is not None and "gallery_path" not in written:
        html = replace(html, gallery_path=entry.gallery_path)
    if entry.gallery_title is not None and "gallery_title" not in written:
        html = replace(html, gallery_title=entry.gallery_title)
    return replace(output, html=html)


def _html_keys(output: Output | None) -> set[str]:
    return output.metadata.html.model_fields_set if output is not None and output.metadata is not None else set()
