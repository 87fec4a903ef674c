"""Reading the JSON files beside a model: whatever they hold, a finding comes back and never an exception."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import FileGone, ModelshelfError
from modelshelf.files import read_limited
from modelshelf.sidecars.classify import Dialect, classify
from modelshelf.sidecars.values import is_too_deep

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from modelshelf.domain.jsontypes import JsonObject, JsonValue

LARGEST_BYTES = 16 * 1024 * 1024
"""Sidecars run from 100 bytes to 500 kB; one above this limit is no sidecar."""

_READ_SUFFIXES = (".json", ".civitai.info")


@dataclass(frozen=True, slots=True)
class FoundSidecar:
    """One JSON file as it was found.

    `content` is empty where the root is no object. `problem` says why nothing could be read, for a person to mend; `status`
    is what the file was when it was read, or would have been.
    """

    path: Path
    dialect: Dialect
    content: JsonObject
    status: os.stat_result
    problem: str | None = None


def read_beside(directory: Path, names: Iterable[bytes]) -> list[FoundSidecar]:
    """Read the JSON files among a model's companions; one that has gone meanwhile is left out."""
    paths = (directory / os.fsdecode(name) for name in names)
    found = (read_sidecar(path) for path in paths if path.name.lower().endswith(_READ_SUFFIXES))
    return [each for each in found if each is not None]


def read_sidecar(path: Path) -> FoundSidecar | None:
    """Read one JSON file; None if nothing is there."""
    try:
        status = path.lstat()
    except OSError:
        return None
    try:
        content, status = read_limited(path, LARGEST_BYTES)
        return _found(path, _parsed(content), status)
    except FileGone:
        return None
    except (ModelshelfError, ValueError, RecursionError) as error:
        return FoundSidecar(path, Dialect.UNKNOWN, {}, status, f"{readable(path)} cannot be read: {error}")


def _found(path: Path, root: JsonValue, status: os.stat_result) -> FoundSidecar:
    if is_too_deep(root):
        return FoundSidecar(path, Dialect.UNKNOWN, {}, status, f"{readable(path)} is nested too deep to be a sidecar")
    if isinstance(root, dict):
        return FoundSidecar(path, classify(root), root, status)
    return FoundSidecar(path, classify(root), {}, status, f"{readable(path)} holds no JSON object")


def _parsed(content: bytes) -> JsonValue:
    """Parse UTF-8 with or without a byte order mark; ValueError if it is no JSON."""
    parsed: JsonValue = json.loads(content.decode("utf-8-sig"))
    return parsed
