"""What the log says while a test looks."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from modelshelf import logs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelshelf.domain.jsontypes import JsonObject


class _Kept:
    level = logging.INFO

    def __init__(self) -> None:
        self.events: list[JsonObject] = []

    def write(self, event: JsonObject) -> None:
        self.events.append(event)

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def logged() -> Iterator[list[JsonObject]]:
    """Give the events from INFO on that are logged within the block; elsewhere they go nowhere meanwhile, and after it."""
    kept = _Kept()
    logs._install((kept,))
    try:
        yield kept.events
    finally:
        logs._install(())
