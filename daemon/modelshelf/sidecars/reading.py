"""Reading the JSON files beside a model: whatever they hold, a finding comes back and never an exception."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from decimal import Decimal, DecimalException
from math import isfinite
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import FileGone, ModelshelfError
from modelshelf.files import read_limited
from modelshelf.sidecars.classify import Dialect, classify
from modelshelf.sidecars.mark import heard_by
from modelshelf.sidecars.values import is_too_deep

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from modelshelf.domain.jsontypes import JsonObject, JsonValue

LARGEST_BYTES = 16 * 1024 * 1024
"""Sidecars run from 100 bytes to 500 kB; one above this limit is no sidecar."""

_MOST_COMMAS = 500_000
"""Bounds the memory that short values take: sixteen megabytes of `[],` would need four hundred."""

_READ_SUFFIXES = (b".json", b".civitai.info")


@dataclass(frozen=True, slots=True)
class FoundSidecar:
    """One JSON file as it was found.

    `content` is empty where the root is no object. `problem` says why nothing could be read, for a person to mend; `status`
    is what the file was when it was read, or would have been. `obstacle` says why it can be read but not written again
    without loss.
    """

    path: Path
    dialect: Dialect
    content: JsonObject
    status: os.stat_result
    problem: str | None = None
    obstacle: str | None = None


def read_beside(directory: Path, names: Iterable[bytes], listener: str | None = None) -> list[FoundSidecar]:
    """Read the JSON files among a model's companions; one that has gone meanwhile is left out."""
    found = (read_sidecar(directory / os.fsdecode(name), listener) for name in names if is_sidecar_name(name))
    return [each for each in found if each is not None]


def is_sidecar_name(name: bytes) -> bool:
    """Tell whether a file of this name is read to see which tool speaks in it."""
    return name.lower().endswith(_READ_SUFFIXES)


def read_sidecar(path: Path, listener: str | None = None) -> FoundSidecar | None:
    """Read one JSON file, as the modelshelf of the id `listener` hears it, see `mark.heard_by`; None if nothing is there."""
    try:
        status = path.lstat()
    except OSError:
        return None
    try:
        content, status = read_limited(path, LARGEST_BYTES)
        scruples = Scruples()
        found = replace(_found(path, scruples.parse(content), status), obstacle=scruples.obstacle)
        return found if listener is None else replace(found, content=heard_by(found.content, listener))
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


class Scruples:
    """Parses JSON and notes what would be lost if it were written again: of repeated keys the first, of numbers digits."""

    def __init__(self) -> None:
        self.obstacle: str | None = None

    def parse(self, content: bytes) -> JsonValue:
        """Parse UTF-8 with or without a byte order mark; ValueError if it is no JSON, or more of it than any tool writes."""
        if content.count(b",") > _MOST_COMMAS:
            raise ValueError("it holds more values than any tool writes")
        parsed: JsonValue = json.loads(
            content.decode("utf-8-sig"),
            parse_float=self._number,
            parse_constant=self._constant,
            object_pairs_hook=self._object,
        )
        return parsed

    def _number(self, text: str) -> float:
        number = float(text)
        if not _is_exact(number, text):
            self.obstacle = f"it holds the number {text[:40]}, which would lose digits"
        return number

    def _constant(self, text: str) -> float:
        self.obstacle = f"it holds {text}, which is no JSON"
        return float(text)

    def _object(self, pairs: list[tuple[str, JsonValue]]) -> JsonObject:
        parsed = dict(pairs)
        if len(parsed) < len(pairs):
            self.obstacle = "it holds a key twice, of which one would be lost"
        return parsed


def _is_exact(number: float, text: str) -> bool:
    try:
        return isfinite(number) and Decimal(repr(number)) == Decimal(text)
    except DecimalException:
        return False  # budget: an exponent that not even Decimal has
