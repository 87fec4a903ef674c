"""Looks at a folder that a dead mount may hold for ever: each has a thread of its own, and is waited for only so long."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from modelshelf.errors import FolderOffline, ModelshelfError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Answer = TypeVar("Answer")

PATIENCE_SECONDS = 2.0


class Patience:
    """Asks file systems, and takes one that does not answer in time for absent.

    While a look at a folder is held no other is sent after it, so a dead mount costs one thread, however often it is asked.
    """

    def __init__(self, seconds: float = PATIENCE_SECONDS) -> None:
        self._seconds = seconds
        self._held: dict[str, _Look[object]] = {}

    def ask(self, folder_id: str, question: Callable[[], Answer]) -> Answer:
        """Give what `question` gives, or raise what it raises; FolderOffline where no answer comes."""
        held = self._held.get(folder_id)
        if held is not None and held.is_alive():
            raise FolderOffline(f"the file system of {folder_id} still does not answer")
        look = _Look(question)
        look.start()
        look.join(self._seconds)
        if look.is_alive():
            self._held[folder_id] = look  # type: ignore[assignment]
            raise FolderOffline(f"the file system of {folder_id} did not answer within {self._seconds:g} seconds")
        return look.answer()


class _Look(threading.Thread, Generic[Answer]):
    def __init__(self, question: Callable[[], Answer]) -> None:
        super().__init__(name="look", daemon=True)
        self._question = question
        self._answers: list[Answer] = []
        self._error: ModelshelfError | None = None

    def run(self) -> None:
        try:
            self._answers.append(self._question())
        except ModelshelfError as error:
            self._error = error

    def answer(self) -> Answer:
        if self._error is not None:
            raise self._error
        if not self._answers:
            raise FolderOffline("a look at the file system came to no end")
        return self._answers[0]


def await_answer(path: Path) -> None:
    """Return when the file system answers, whatever it says; statvfs(2) is never answered from the kernel's own memory."""
    with suppress(OSError):
        os.statvfs(path)
