"""What is written for a dropped file: the output of the job that speaks for its folder."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from modelshelf.config.sections.output import Output, to_domain
from modelshelf.domain.job import JobKind
from modelshelf.domain.output import namesake

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelshelf.config.job import Action, Job
    from modelshelf.config.schema import ConfigFile
    from modelshelf.domain.output import Output as DomainOutput


def action_for(folder_id: str, jobs: Sequence[Job], default_job: str) -> Action | None:
    """Give the scan that speaks for a folder: of the default job if that names it, else of the first job that does."""
    in_order = sorted(jobs, key=lambda job: job.name != default_job)
    scans = (action for job in in_order for action in job.actions if action.kind is JobKind.SCAN_PATHS)
    return next((action for action in scans if folder_id in action.folder_ids), None)


def outputs_of(file: ConfigFile, jobs: Sequence[Job]) -> tuple[dict[str, DomainOutput], list[str]]:
    """Give the output of every folder, and a warning for each file that would have been shared: by folders, or by tools."""
    fallback = to_domain(file.output or Output())
    outputs: dict[str, DomainOutput] = {}
    for folder_id in file.input_paths:
        action = action_for(folder_id, jobs, file.default_job_name)
        outputs[folder_id] = action.output if action else fallback
    apart, warnings = _with_galleries_apart(outputs, file)
    return apart, warnings + _namesakes(outputs)


def _namesakes(outputs: Mapping[str, DomainOutput]) -> list[str]:
    found = {folder_id: namesake(output) for folder_id, output in outputs.items()}
    return [
        f"output.sidecars.{kind}: in {folder_id} CivitScraper's JSON has the same name, and is not written;"
        " give it another in output.metadata.filename"
        for folder_id, kind in found.items()
        if kind is not None
    ]


def _with_galleries_apart(
    outputs: Mapping[str, DomainOutput], file: ConfigFile
) -> tuple[dict[str, DomainOutput], list[str]]:
    """Two folders whose galleries are one file would overwrite each other for ever: the folder's id joins the name."""
    targets = {
        folder_id: os.path.normpath(file.input_paths[folder_id].path / output.html.gallery_path)
        for folder_id, output in outputs.items()
        if output.html.is_gallery_generated
    }
    shared = {target for target, count in Counter(targets.values()).items() if count > 1}
    apart, warnings = dict(outputs), []
    for folder_id, target in targets.items():
        if target in shared:
            stem, extension = os.path.splitext(outputs[folder_id].html.gallery_path)
            html = replace(outputs[folder_id].html, gallery_path=f"{stem}-{folder_id}{extension}")
            apart[folder_id] = replace(outputs[folder_id], html=html)
            warnings.append(
                f"gallery_path: other folders have it too; the gallery of {folder_id} is {html.gallery_path}"
            )
    return apart, warnings
