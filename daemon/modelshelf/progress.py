"""Progress as the daemon keeps it for other processes; who measures and tells it is in `worker/telling.py`."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from modelshelf.domain.progress import Progress

PROGRESS_STANDING = "progress"
"""The name under which the daemon keeps it."""


def to_json(progress: Progress) -> str:
    """Give it as JSON text."""
    return TypeAdapter(Progress).dump_json(progress).decode()


def from_json(document: str | None) -> Progress | None:
    """Give what `to_json` wrote, None for anything else: another version may have written it."""
    if document is None:
        return None
    try:
        return TypeAdapter(Progress).validate_json(document)
    except ValidationError:
        return None
