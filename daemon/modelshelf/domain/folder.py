"""A Folder: a watched root directory, its type and which names in it are ours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class WatchMode(StrEnum):
    """How changes in a Folder are noticed; `auto` asks the file system."""

    AUTO = "auto"
    EVENTS = "events"
    POLL = "poll"


@dataclass(frozen=True, slots=True)
class Folder:
    """One entry of `input_paths`. `path` is absolute; `model_type` is Civitai's word (LORA, Checkpoint, ...) or None."""

    id: str
    path: Path
    model_type: str | None
    patterns: tuple[str, ...]
    exclude_patterns: tuple[str, ...]
    is_recursive: bool = True
    watch: WatchMode = WatchMode.AUTO
    stability_delay_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a Folder is heard by events: directories with a watch and without, and why those have none.

    Both counts are 0 where nothing could be watched at all.
    """

    watched_count: int
    unwatched_count: int
    problem: str | None = None
