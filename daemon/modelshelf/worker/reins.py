"""Reins: how a worker holds a step that takes long, and learns from it that it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar

from modelshelf.steps.step import Interrupted
from modelshelf.worker.isolation import NARROW, read_apart

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelshelf.domain.task import Task
    from modelshelf.worker.hall import Hall

P = ParamSpec("P")
Found = TypeVar("Found")

SHORTEST_STRETCH_SECONDS = 0.05
LONGEST_STRETCH_SECONDS = 5.0
"""How long a read goes on before others are let by again: as long as they took, within these bounds. So it always ends."""


class WorkerReins:
    """Tells a step when to give its work back: the daemon stops, or a person stopped the scan."""

    def __init__(self, hall: Hall, *, is_apart: bool = False) -> None:
        self._hall = hall
        self._is_apart = is_apart
        self.heard_at = hall.clock.monotonic()
        self.is_resting = False

    def check(self) -> None:
        """Raise `Interrupted` if the work in hand must be given back now; whoever asks lives."""
        self.heard_at = self._hall.clock.monotonic()
        self.demand_leave()

    def demand_leave(self) -> None:
        """Ask as `check` does, for somebody who may be mute: no sign of life."""
        if self._hall.stopping.is_set():
            raise Interrupted

    def pause(self) -> None:
        """Go on: this work is short."""
        self.check()

    def advance(self, task: Task, done_bytes: int) -> None:
        """Note how far a long read has come; `Interrupted` too where it is not wanted any more."""
        self.check()
        if task.id in self._hall.unwanted:
            raise Interrupted
        self._hall.in_hand[task.id] = (task, done_bytes)

    def read(self, function: Callable[P, Found], *args: P.args, **options: P.kwargs) -> Found:
        """Give what `function` gives; for a suspect it is called in a process of its own, and ReaderDied tells that it died."""
        if not self._is_apart:
            return function(*args, **options)
        found: Found = read_apart(function, args, options, self.demand_leave)
        return found

    def read_narrowly(self, function: Callable[P, Found], *args: P.args, **options: P.kwargs) -> Found:
        """Give what `function` gives in a process of its own; ReaderDied tells that its little memory or time was not enough."""
        found: Found = read_apart(function, args, options, self.demand_leave, NARROW)
        return found


class PausingReins(WorkerReins):
    """Reins of work that takes long and lets others by: when something new may have come, and not all the time."""

    def __init__(self, hall: Hall, *, is_apart: bool = False) -> None:
        super().__init__(hall, is_apart=is_apart)
        self._heard_rings = -1
        self._pause_allowed_at = self.heard_at

    def give_way(self, let_by: Callable[[], object]) -> None:
        """Call `let_by` where that is due."""
        rings = self._hall.bell.rings
        if rings == self._heard_rings or self.heard_at < self._pause_allowed_at:
            return
        self._heard_rings = rings
        let_by()
        began_at, self.heard_at = self.heard_at, self._hall.clock.monotonic()
        stretch_seconds = min(max(self.heard_at - began_at, SHORTEST_STRETCH_SECONDS), LONGEST_STRETCH_SECONDS)
        self._pause_allowed_at = self.heard_at + stretch_seconds


class ScanReins(PausingReins):
    """Heeds `scan --stop` too, and lets by what is more urgent than the scan."""

    def __init__(self, hall: Hall, let_by: Callable[[], object], *, is_apart: bool = False) -> None:
        super().__init__(hall, is_apart=is_apart)
        self._let_by = let_by

    def demand_leave(self) -> None:
        """Raise `Interrupted` if the scan must be given back now."""
        super().demand_leave()
        if self._hall.stopped_scans.is_set():
            raise Interrupted

    def pause(self) -> None:
        """Let others by; what they record the scan sees from here on."""
        self.check()
        self.give_way(self._let_by)


class ReadingReins(PausingReins):
    """Lets by what need not wait for the rest of a long read."""

    def __init__(self, hall: Hall, let_by: Callable[[Task, int], object], *, is_apart: bool = False) -> None:
        super().__init__(hall, is_apart=is_apart)
        self._let_by = let_by

    def advance(self, task: Task, done_bytes: int) -> None:
        """Note how far it has come, and let others by."""
        super().advance(task, done_bytes)
        self.give_way(lambda: self._let_by(task, done_bytes))
