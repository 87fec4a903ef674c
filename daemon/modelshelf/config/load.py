"""A file and the environment in; a Config out, or a ConfigError that names every mistake at once."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from modelshelf.config.checks import find_overlaps, find_problems, find_warnings
from modelshelf.config.config import Config
from modelshelf.config.document import MAX_BYTES, Document, read_document
from modelshelf.config.explain import explain
from modelshelf.config.job import jobs_of
from modelshelf.config.outputs import outputs_of
from modelshelf.config.problem import KeyPath, Problem, report
from modelshelf.config.schema import ConfigFile
from modelshelf.config.sightings import look_at
from modelshelf.config.variables import SECRET_PATHS, Filled, fill_in
from modelshelf.domain.display import readable
from modelshelf.errors import ConfigError
from modelshelf.logs import MIN_SECRET_CHARACTERS, REDACTED

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT_STATE_DIRECTORY = Path("/var/lib/modelshelf")
NO_CONFIGURATION = """\
no configuration; there are three ways to give one:
  a file: --config FILE, $MODELSHELF_CONFIG, ./modelshelf.yaml, ~/.config/modelshelf/config.yaml or /etc/modelshelf/config.yaml
  CivitScraper's own file: $CIVITSCRAPER_CONFIG, ./civitscraper.yaml or ~/.config/civitscraper/config.yaml
  the environment alone: MODEL_PATH=/models:/more/models, and CONFIG_DATA_PATH and CIVITAI_API_KEY if you like"""


def load_config(path: Path | None, environment: Mapping[str, str]) -> Config:
    """Give the configuration of a file (None: of the environment alone), or raise ConfigError, a mistake per line."""
    document = _read(path) if path is not None else Document()
    label = readable(path) if path is not None else "environment"
    if document.value is None and document.problems:
        raise ConfigError(report(document.problems, label))
    filled = fill_in(document.value, environment)
    file, problems = _validate(filled.value, _context(path, environment))
    if file is not None:
        problems += _check(file, filled, path)
    seen = look_at(entry.path for entry in file.input_paths.values()) if file is not None else {}
    if file is not None:
        problems += find_overlaps(file, seen)
    if file is None or problems or document.problems:
        located = [_located(each, document, filled) for each in problems]
        raise ConfigError(_masked(report([*document.problems, *located], label), filled))
    state_directory = _state_directory(file, environment)
    jobs = jobs_of(file)
    outputs, gallery_warnings = outputs_of(file, jobs)
    warnings = (*filled.warnings, *find_warnings(file, seen, state_directory), *gallery_warnings)
    log_directory = _log_directory(state_directory, environment)
    masked = tuple(_masked(each, filled) for each in warnings)
    return Config(file, path, state_directory, log_directory, jobs, outputs, masked)


def _read(path: Path) -> Document:
    try:
        with path.open("rb") as file:
            return read_document(file.read(MAX_BYTES + 1))
    except OSError as error:
        raise ConfigError(
            f"{readable(path)}: cannot be read: {error.strerror}; see that it exists and is yours to read"
        ) from error


def _context(path: Path | None, environment: Mapping[str, str]) -> dict[str, str]:
    directory = os.path.dirname(os.path.abspath(path)) if path is not None else os.getcwd()  # noqa: PTH100, PTH109
    return {"directory": directory, "home": environment.get("HOME", "~")}


def _validate(value: Any, context: Mapping[str, str]) -> tuple[ConfigFile | None, list[Problem]]:
    """Give the tree and what is wrong in it; with mistakes, the tree of the rest, so that the rest is checked as well."""
    try:
        return ConfigFile.model_validate(value, context=context), []
    except ValidationError as error:
        problems = explain(error)
    try:
        lost = _Lost({each.path for each in problems})
        return ConfigFile.model_validate(_without(value, lost), context=context), problems
    except ValidationError:
        return None, problems


class _Lost:
    """What cannot be kept of a file: where something is wrong, and the sections that miss a key, as a whole."""

    def __init__(self, paths: set[KeyPath]) -> None:
        self._paths = paths
        self._below: defaultdict[KeyPath, set[str | int]] = defaultdict(set)
        for path in filter(None, paths):
            self._below[path[:-1]].add(path[-1])

    def has(self, path: KeyPath, value: Any) -> bool:
        misses = self._below.get(path, set())
        return path in self._paths or (isinstance(value, dict) and not misses <= value.keys())


def _without(value: Any, lost: _Lost, path: KeyPath = ()) -> Any:
    """Give `value` without what is lost."""
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if not lost.has((*path, key), each)}
        return {key: _without(each, lost, (*path, key)) for key, each in kept.items()}
    if isinstance(value, list):
        kept_items = [(position, each) for position, each in enumerate(value) if not lost.has((*path, position), None)]
        return [_without(each, lost, (*path, position)) for position, each in kept_items]
    return value


def _check(file: ConfigFile, filled: Filled, path: Path | None) -> list[Problem]:
    folder_ids, job_names = _keys(filled.value, "input_paths"), _keys(filled.value, "jobs")
    problems = find_problems(file, folder_ids, job_names)
    if not folder_ids and path is None:
        raise ConfigError(NO_CONFIGURATION)
    if not folder_ids:
        problems.append(Problem(("input_paths",), "no folder to watch; name one here, or set $MODEL_PATH"))
    return problems


def _keys(value: Any, section: str) -> list[str]:
    keys = value.get(section) if isinstance(value, dict) else None
    return list(keys) if isinstance(keys, dict) else []


def _masked(text: str, filled: Filled) -> str:
    """Give `text` without the secrets, wherever a variable may have carried them."""
    for section, key in SECRET_PATHS:
        keys = filled.value.get(section) if isinstance(filled.value, dict) else None
        written = keys.get(key) if isinstance(keys, dict) else None
        for secret in written if isinstance(written, list) else [written]:
            if isinstance(secret, str) and len(secret) >= MIN_SECRET_CHARACTERS:
                text = text.replace(secret, REDACTED)
    return text


def _located(problem: Problem, document: Document, filled: Filled) -> Problem:
    origins = (filled.origins[part] for part in _upwards(problem.path) if part in filled.origins)
    return Problem(problem.path, problem.text, document.line_of(problem.path), next(origins, None))


def _upwards(path: KeyPath) -> list[KeyPath]:
    return [path[:length] for length in range(len(path), 0, -1)]


def _log_directory(state_directory: Path, environment: Mapping[str, str]) -> Path:
    """Beside the store: systemd sets `$LOGS_DIRECTORY` only for who wrote LogsDirectory= into the unit."""
    named = environment.get("LOGS_DIRECTORY", "").split(":")[0]
    return Path(os.path.abspath(named)) if named else state_directory / "logs"  # noqa: PTH100 -- likewise


def _state_directory(file: ConfigFile, environment: Mapping[str, str]) -> Path:
    if file.store.directory is not None:
        return file.store.directory
    named = environment.get("STATE_DIRECTORY", "").split(":")[0] or environment.get("CONFIG_DATA_PATH", "")
    if named:
        return Path(os.path.abspath(named))  # noqa: PTH100 -- resolve() would follow symlinks
    if os.geteuid() == 0:
        return ROOT_STATE_DIRECTORY
    from platformdirs import user_state_path  # noqa: PLC0415 -- 18 ms that a server's unit does not need

    return user_state_path("modelshelf")
