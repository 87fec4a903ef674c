"""The meter: how far an errand is. A bar on a terminal, a line now and then anywhere else."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

import click

from modelshelf.cli.progress_text import clock_text, file_text, left_text, walk_text
from modelshelf.cli.wording import count_text, size_text
from modelshelf.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from types import TracebackType

    from rich.progress import Progress as Bar

    from modelshelf.cli.backlog import Backlog
    from modelshelf.domain.progress import Progress

LINE_SECONDS = 10.0
"""Between two lines where there is no terminal; the first comes as late, so that what is quick says nothing."""


class Meter:
    """A bar over what was met so far: bytes while files are read, else pieces of work.

    While folders are walked nobody knows how much there is, and the bar only moves.
    """

    def __init__(self, *, is_shown: bool, seconds: Callable[[], float] = time.monotonic) -> None:
        self._bars = _terminal_bar() if is_shown and sys.stderr.isatty() else None
        self._bar = self._bars.add_task("", total=None) if self._bars else None
        self._is_shown = is_shown
        self._seconds = seconds
        self._said_at = seconds()
        self._is_reading: bool | None = None
        self._left = 0
        self._done = 0

    def __enter__(self) -> Self:
        """Take the lower lines of the terminal."""
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back as it was."""
        if self._bars is not None:
            self._bars.stop()

    def show(self, backlog: Backlog, progress: Progress | None = None) -> None:
        """Move on to what is left now."""
        if self._bars is None or self._bar is None:
            self._say(backlog, progress)
            return
        self._measure(backlog, progress)
        total = None if backlog.scans else self._done + self._left
        self._bars.update(self._bar, description=phase_text(backlog, progress), total=total, completed=self._done)

    def _say(self, backlog: Backlog, progress: Progress | None) -> None:
        now = self._seconds()
        if self._is_shown and now - self._said_at >= LINE_SECONDS:
            self._said_at = now
            click.echo(phase_text(backlog, progress), err=True)

    def _measure(self, backlog: Backlog, progress: Progress | None) -> None:
        is_reading = backlog.files > 0
        left = max(0, backlog.size_bytes - _begun_bytes(progress)) if is_reading else backlog.count
        if is_reading is not self._is_reading:
            self._is_reading, self._left, self._done = is_reading, left, 0
        self._done += max(0, self._left - left)
        self._left = left


def _begun_bytes(progress: Progress | None) -> int:
    return sum(device.done_bytes for device in progress.devices) if progress is not None else 0


def phase_text(backlog: Backlog, progress: Progress | None = None, now: datetime | None = None) -> str:
    """Give what is being done, the first of the steps that is not over."""
    if backlog.files:
        files = count_text(backlog.files, "file", "files")
        walking = f"{walk_text(progress)}; " if backlog.scans else ""
        told = f"{walking}{files} to read, {size_text(max(0, backlog.size_bytes - _begun_bytes(progress)))}"
        return "; ".join([told, *_reading_texts(progress, now or SystemClock().now())])
    if backlog.scans:
        return walk_text(progress)
    if backlog.questions:
        return f"Asking Civitai: {count_text(backlog.questions, 'question', 'questions')}"
    return f"Writing: {count_text(backlog.writings, 'sidecar or page', 'sidecars and pages')}"


def _reading_texts(progress: Progress | None, now: datetime) -> list[str]:
    """Give how the reading goes: its rate, the time left, since when it stands still, the file in hand."""
    if progress is None:
        return []
    rates = [device.bytes_per_second for device in progress.devices if device.files and device.bytes_per_second]
    left, stalled = left_text(progress, now), progress.stalled_since(now)
    told = [f"{size_text(round(sum(rates)))}/s"] if rates else []
    told += [left] if left is not None else []
    told += [f"STALLED since {clock_text(stalled, now)}"] if stalled is not None else []
    told += [f"{progress.questions:,} questions to Civitai"] if progress.questions else []
    return told + [file_text(device.files[0]) for device in progress.devices if device.files][:1]


def _terminal_bar() -> Bar:
    from rich.console import Console  # noqa: PLC0415 -- only terminals are worth the import
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
