"""How many hashes to ask for at once: fewer while the server has trouble with many, more again when it has none."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from modelshelf.civitai.answers import AnswerTooLarge, NotAsked
from modelshelf.errors import CivitaiRateLimited

if TYPE_CHECKING:
    from modelshelf.civitai.settings import AdaptiveBatch
    from modelshelf.errors import ModelshelfError

WINDOW = 10
"""So many answers make a rate; the size changes once per window, so that one bad minute does not undo it all."""

LARGEST_COMFORTABLE_BYTES = 8 * 1024 * 1024
"""A body above this is a reason to ask for fewer: a hundred versions with long prompts reach it."""

_HALF = 2
_QUARTER = 4


class BatchSize:
    """Begins at the most. Doubles above `scale_up_rate`, is halved down to `scale_down_rate`, quartered below it."""

    def __init__(self, limits: AdaptiveBatch) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._size = limits.max_size
        self._outcomes: list[bool] = []

    @property
    def size(self) -> int:
        """How many to ask for now."""
        return self._size

    def count_answer(self, size_bytes: int) -> None:
        """Take note of a batch that was answered with so many bytes."""
        with self._lock:
            if size_bytes > LARGEST_COMFORTABLE_BYTES:
                self._change(self._size // _HALF)
            else:
                self._count(is_answered=True)

    def count_failure(self, error: ModelshelfError) -> None:
        """Take note of a batch that was not answered, or with more than can be held. Pauses say nothing about its size."""
        with self._lock:
            if isinstance(error, AnswerTooLarge):
                self._change(self._size // _QUARTER)
            elif not isinstance(error, NotAsked | CivitaiRateLimited):
                self._count(is_answered=False)

    def _count(self, *, is_answered: bool) -> None:
        self._outcomes.append(is_answered)
        if len(self._outcomes) < WINDOW:
            return
        rate = sum(self._outcomes) / WINDOW
        if rate > self._limits.scale_up_rate:
            self._change(self._size * 2)
        elif rate < self._limits.scale_down_rate:
            self._change(self._size // _QUARTER)
        else:
            self._change(self._size // _HALF)

    def _change(self, size: int) -> None:
        """Begin another window with another size."""
        self._size = max(self._limits.min_size, min(size, self._limits.max_size))
        self._outcomes.clear()
