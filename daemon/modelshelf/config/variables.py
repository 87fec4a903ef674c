"""What the environment adds to the file: `${VAR}` in its values, and the variables that win over its keys."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelshelf.config.problem import KeyPath, dotted
from modelshelf.domain.display import readable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelshelf.domain.jsontypes import JsonValue

SECRET_PATHS = frozenset({("api", "key"), ("notifications", "targets")})
"""Where secrets stand, in lists too."""

OVERRIDES: dict[str, KeyPath] = {"CIVITAI_API_KEY": ("api", "key"), "CIVITAI_API_URL": ("api", "base_url")}
MODEL_PATH = "MODEL_PATH"
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")


@dataclass(frozen=True, slots=True)
class Filled:
    """The file's values with the environment's put in. `origins` tells which key came from which variable."""

    value: Any
    origins: dict[KeyPath, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def fill_in(value: JsonValue, environment: Mapping[str, str]) -> Filled:
    """Expand variables in every text, then let `$CIVITAI_API_KEY`, `$CIVITAI_API_URL` and `$MODEL_PATH` have their say."""
    warnings: list[str] = []
    filled = Filled(_expand(value, (), environment, warnings) if value is not None else {}, warnings=warnings)
    if isinstance(filled.value, dict):
        for name, path in OVERRIDES.items():
            if environment.get(name, "").strip():
                _override(filled, name, path, environment[name])
        _add_model_path(filled, environment.get(MODEL_PATH, ""))
    return filled


def _expand(value: JsonValue, path: KeyPath, environment: Mapping[str, str], warnings: list[str]) -> Any:
    if isinstance(value, dict):
        return {key: _expand(each, (*path, key), environment, warnings) for key, each in value.items()}
    if isinstance(value, list):
        return [_expand(each, (*path, position), environment, warnings) for position, each in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in environment:
            shown = "a variable in it" if path[:2] in SECRET_PATHS else f"${name}"
            warnings.append(f"{dotted(path)}: {shown} is not set; it stays as it is written")
        return environment.get(name, match[0])

    return _VARIABLE.sub(replace, value)


def _override(filled: Filled, name: str, path: KeyPath, value: str) -> None:
    section, key = path
    keys = filled.value.get(section)
    if keys is None:
        keys = filled.value[section] = {}
    if isinstance(keys, dict):
        keys[key] = value
        filled.origins[path] = name


def _add_model_path(filled: Filled, text: str) -> None:
    directories = [each for each in text.split(os.pathsep) if each.strip()]
    if not directories:
        return
    if filled.value.get("input_paths"):
        filled.warnings.append(f"${MODEL_PATH} is not used: the configuration has input_paths of its own")
        return
    folders: dict[str, Any] = {}
    paths = [directory if directory.startswith("~") else os.path.abspath(directory) for directory in directories]  # noqa: PTH100
    names = Counter(_id_of(path) for path in paths)
    for path in paths:
        name = _id_of(path) if names[_id_of(path)] == 1 else f"{_id_of(path)}-{_tag_of(path)}"
        folders[name] = {"path": Path(path)}
        filled.origins["input_paths", name] = MODEL_PATH
    filled.value["input_paths"] = folders


def _id_of(directory: str) -> str:
    name = readable(Path(os.path.normpath(directory)).name)
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "models"


def _tag_of(path: str) -> str:
    """Tell directories of one name apart by their paths: an id must not depend on the order in which they are named."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:6]
