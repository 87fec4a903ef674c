"""The meter: how far an errand is, on a terminal; nothing anywhere else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

from modelshelf.cli.wording import count_text, size_text

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress

    from modelshelf.cli.backlog import Backlog


class Meter:
    """A bar over what was met so far: bytes while files are read, else pieces of work.

    While folders are walked nobody knows how much there is, and the bar only moves.
    """

    def __init__(self, *, is_shown: bool) -> None:
        self._progress = _terminal_progress() if is_shown and sys.stderr.isatty() else None
        self._bar = self._progress.add_task("", total=None) if self._progress else None
        self._is_reading: bool | None = None
        self._left = 0
        self._done = 0

    def __enter__(self) -> Self:
        """Take the lower lines of the terminal."""
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back as it was."""
        if self._progress is not None:
            self._progress.stop()

    def show(self, backlog: Backlog) -> None:
        """Move on to what is left now."""
        if self._progress is None or self._bar is None:
            return
        self._measure(backlog)
        total = None if backlog.scans else self._done + self._left
        self._progress.update(self._bar, description=phase_text(backlog), total=total, completed=self._done)

    def _measure(self, backlog: Backlog) -> None:
        is_reading = backlog.files > 0
        left = backlog.size_bytes if is_reading else backlog.count
        if is_reading is not self._is_reading:
            self._is_reading, self._left, self._done = is_reading, left, 0
        self._done += max(0, self._left - left)
        self._left = left


def phase_text(backlog: Backlog) -> str:
    """Give what is being done, the first of the steps that is not over."""
    if backlog.files:
        files = count_text(backlog.files, "file", "files")
        walking = "Looking through folders; " if backlog.scans else ""
        return f"{walking}{files} to read, {size_text(backlog.size_bytes)}"
    if backlog.scans:
        return "Looking through folders"
    if backlog.questions:
        return f"Asking Civitai: {count_text(backlog.questions, 'question', 'questions')}"
    return f"Writing: {count_text(backlog.writings, 'sidecar or page', 'sidecars and pages')}"


def _terminal_progress() -> Progress:
    from rich.console import Console  # noqa: PLC0415 -- only terminals are worth the import
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
