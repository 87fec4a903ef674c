"""What can go wrong with a file, by kind, as `modelshelf failures` groups it."""

from __future__ import annotations

from enum import StrEnum


class FailureKind(StrEnum):
    """The kinds of failure a person sees: where to look, not which exception it was."""

    HASH = "hash"
    API = "api"
    ACCESS = "access"
    INVALID_FORMAT = "invalid_format"
    BATCH = "batch"
    CACHE = "cache"
    INTERNAL = "internal"
