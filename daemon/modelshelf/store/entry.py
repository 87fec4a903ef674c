"""An Entry: what lists, search and cards show of one file; and the question that finds them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from modelshelf.domain.fact import Field, Source
    from modelshelf.domain.jsontypes import JsonValue
    from modelshelf.domain.model_file import ScanPhase


@dataclass(frozen=True, slots=True)
class Entry:
    """One file with its effective values and where each of them comes from. `path` and `preview` are relative to the folder."""

    file_id: int
    folder_id: str
    path: bytes
    size_bytes: int
    mtime_ns: int
    scan_phase: ScanPhase
    format: str | None
    verdict: str | None
    reason: str | None
    sha256: str | None
    values: Mapping[Field, JsonValue]
    sources: Mapping[Field, Source]
    preview: bytes | None
    has_page: bool
    waiting_reason: str | None
    missing_since: datetime | None
    first_seen_at: datetime
    pickle_verdict: str | None = None


class EntryState(StrEnum):
    """What can be asked for: gone, never to be right, not whole yet, or unknown to Civitai."""

    MISSING = "missing"
    BROKEN = "broken"
    WAITING = "waiting"
    UNIDENTIFIED = "unidentified"


@dataclass(frozen=True, slots=True)
class EntryQuery:
    """Everything asked for must hold. `text`: every word of it, in name, path, trained words, tags or creator.

    Missing files are given only where the state asks for them.
    """

    text: str = ""
    folder_id: str | None = None
    model_type: str | None = None
    base_model: str | None = None
    state: str | None = None
    limit: int = 100
    offset: int = 0
