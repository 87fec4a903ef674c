"""What no section can see by itself: folders inside folders, jobs without folders, names that nothing has."""

from __future__ import annotations

import os
from itertools import combinations
from typing import TYPE_CHECKING

from modelshelf.config.job import ALL_FOLDERS, entries_of, folder_ids_of
from modelshelf.config.nearest import nearest, suggestion
from modelshelf.config.problem import Problem, shown_key
from modelshelf.config.sections.folders import MODEL_TYPES, model_type_of
from modelshelf.config.sections.notifications import hindrance
from modelshelf.domain.display import readable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from modelshelf.config.problem import KeyPath
    from modelshelf.config.schema import ConfigFile
    from modelshelf.config.sections.jobs import ActionEntry
    from modelshelf.config.sightings import Sighting

MAX_ID_CHARACTERS = 64
ODD_CHARACTERS = frozenset("/\\:")


def find_problems(file: ConfigFile, folder_ids: Collection[str], job_names: Collection[str]) -> list[Problem]:
    """Give what is wrong between sections.

    `folder_ids` and `job_names` are all that the file names, those with errors of their own included.
    """
    return [
        *_bad_folder_ids(folder_ids),
        *_root_folders(file),
        *_unknown_folders(file, folder_ids),
        *_idle_jobs(file, folder_ids),
        *_unknown_default_job(file, job_names),
        *_crossed_batch_sizes(file),
    ]


def _bad_folder_ids(folder_ids: Collection[str]) -> Iterator[Problem]:
    for folder_id in folder_ids:
        path: KeyPath = ("input_paths", folder_id)
        if folder_id == ALL_FOLDERS:
            yield Problem(path, "the id all means every folder in a job's paths; name this folder something else")
        elif folder_id in {".", ".."} or not folder_id.strip() or len(folder_id) > MAX_ID_CHARACTERS:
            yield Problem(path, f"an id is 1 to {MAX_ID_CHARACTERS} characters, and not . or ..; rename it")
        elif not folder_id.isprintable() or ODD_CHARACTERS & set(folder_id):
            yield Problem(path, "an id has no / \\ : and nothing invisible; rename it")


def _root_folders(file: ConfigFile) -> Iterator[Problem]:
    for folder_id, entry in file.input_paths.items():
        if str(entry.path) in {"/", "//"}:
            yield Problem(
                ("input_paths", folder_id, "path"), "must not be the whole file system; name the folder of models"
            )


def _unknown_folders(file: ConfigFile, folder_ids: Collection[str]) -> Iterator[Problem]:
    for path, entry in _actions(file):
        for position, folder_id in enumerate(entry.paths):
            if folder_id != ALL_FOLDERS and folder_id not in folder_ids:
                text = f"input_paths has no {shown_key(folder_id)}{suggestion(folder_id, folder_ids)}"
                yield Problem((*path, "paths", position), text)


def _idle_jobs(file: ConfigFile, folder_ids: Collection[str]) -> Iterator[Problem]:
    is_complete = set(file.input_paths) == set(folder_ids)
    for path, entry in _actions(file):
        if is_complete and not folder_ids_of(entry, file):
            yield Problem((*path, "paths"), "is missing, and no folder has the type LORA; name folders, or [all]")


def _unknown_default_job(file: ConfigFile, job_names: Collection[str]) -> Iterator[Problem]:
    if file.default_job is not None and file.default_job not in job_names:
        yield Problem(
            ("default_job",), f"jobs has no {shown_key(file.default_job)}{suggestion(file.default_job, job_names)}"
        )


def _crossed_batch_sizes(file: ConfigFile) -> Iterator[Problem]:
    sizes = file.api.batch.adaptive_batch
    if "min_size" in sizes.model_fields_set and sizes.min_size > sizes.max_size:
        yield Problem(("api", "batch", "adaptive_batch", "min_size"), f"must not be above max_size ({sizes.max_size})")


def _actions(file: ConfigFile) -> Iterator[tuple[KeyPath, ActionEntry]]:
    for name, job in file.jobs.items():
        if not job.actions:
            yield ("jobs", name), job
        for position, entry in enumerate(entries_of(job) if job.actions else ()):
            yield ("jobs", name, "actions", position), entry


def find_overlaps(file: ConfigFile, seen: Mapping[Path, Sighting]) -> list[Problem]:
    """Give every pair of folders that are one directory, or lie inside each other: their files would be known twice."""
    places = {folder_id: seen[entry.path].real_path for folder_id, entry in file.input_paths.items()}
    return [
        Problem(("input_paths", second, "path"), f"{relation} input_paths.{shown_key(first)}; keep one of them")
        for first, second in combinations(places, 2)
        if (relation := _relation(places[second], places[first]))
    ]


def _relation(path: str, other: str) -> str | None:
    if path == other:
        return "is the same directory as"
    if is_inside(path, other):
        return "lies inside the directory of"
    return "has inside it the directory of" if is_inside(other, path) else None


def is_inside(path: str, directory: str) -> bool:
    """Tell whether `path` is somewhere below `directory`."""
    return path.startswith(directory.rstrip(os.sep) + os.sep)


def find_warnings(file: ConfigFile, seen: Mapping[Path, Sighting], state_directory: Path) -> list[str]:
    """Give what is odd but no mistake for certain: folders that are not there, types that nobody uses."""
    warnings: list[str] = []
    if file.notifications.targets and (reason := hindrance(is_offline=file.offline)):
        warnings.append(f"notifications.targets: {reason}")
    for folder_id, entry in file.input_paths.items():
        key, shown = f"input_paths.{shown_key(folder_id)}", readable(entry.path)
        sighting = seen[entry.path]
        if not sighting.is_answering:
            warnings.append(f"{key}.path: {shown} does not answer; it counts as offline until it does")
        elif not sighting.is_directory:
            warnings.append(f"{key}.path: {shown} is not there; it counts as offline until it is")
        if entry.type and model_type_of(entry.type) not in MODEL_TYPES and (known := nearest(entry.type, MODEL_TYPES)):
            warnings.append(f"{key}.type: {shown_key(entry.type)} is none of Civitai's types; did you mean {known}?")
        if is_inside(f"{state_directory}{os.sep}", str(entry.path)):
            warnings.append(f"{key}.path: the state directory {readable(state_directory)} lies inside; move it out")
    return warnings
