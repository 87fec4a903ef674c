"""Reins of reading that nobody waits for: by a reader elsewhere, when and as fast as it has leave, and drops go first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

from modelshelf.domain.task import Priority
from modelshelf.steps.step import Interrupted
from modelshelf.worker.isolation import NARROW
from modelshelf.worker.leave import ON_DEMAND
from modelshelf.worker.reins import PausingReins

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelshelf.domain.model_file import ModelFile
    from modelshelf.domain.task import Task
    from modelshelf.worker.hall import Hall
    from modelshelf.worker.reader import Reader

P = ParamSpec("P")
Found = TypeVar("Found")

SILENT_SECONDS = 10.0
"""A device that gave no byte for so long may be away by now: then its file is put down, and nobody blamed."""

LONGEST_REST_SECONDS = 60.0
"""Who has no leave looks again this often, should nobody say that it has."""


class Bulk(Protocol):
    """Whose reading it is."""

    @property
    def device(self) -> str:
        """The device that is read."""

    @property
    def is_dismissed(self) -> bool:
        """Whether it is to be given back at the next occasion."""

    def owes_elsewhere(self) -> bool:
        """Tell whether there is something to read now in a folder of the device that has leave."""

    def reader(self, check: Callable[[], None]) -> Reader:
        """Give who reads, ready to; Interrupted where nobody can just now. `check` is called while that is seen to."""

    def let_drops_by(self) -> None:
        """Do what somebody waits for."""

    def note(self, task: Task, done_bytes: int, held_reason: str | None) -> None:
        """Take note of how far a file was read, and why it is not read on."""


class BulkReins(PausingReins):
    """The reader goes on when `advance` has returned, so to pause, to keep to a rate and to let others by is to return later."""

    def __init__(self, hall: Hall, bulk: Bulk) -> None:
        super().__init__(hall)
        self._bulk = bulk
        self._reachable = frozenset(hall.lanes.folders_on(bulk.device))
        self._last: tuple[int, int] = (0, 0)
        self._file: tuple[int, ModelFile | None] | None = None
        self._urgent_id: int | None = None

    def read(self, function: Callable[P, Found], *args: P.args, **options: P.kwargs) -> Found:
        """Let drops by, then give what `function` gives where the reader is; ReaderDied or ReaderLost tell that it ended."""
        self.give_way(self._bulk.let_drops_by)
        self._keep_to_pace()
        found: Found = self._bulk.reader(self._watch).read(function, args, dict(options), self._watch)
        return found

    def read_narrowly(self, function: Callable[P, Found], *args: P.args, **options: P.kwargs) -> Found:
        """Do likewise within little memory and time."""
        found: Found = self._bulk.reader(self._watch).read(function, args, dict(options), self._watch, NARROW)
        return found

    def _watch(self) -> None:
        """Ask for a reader that is mute: a stop, or a device that is away, is no fault of the file."""
        self.demand_leave()
        silent_seconds = self._hall.clock.monotonic() - self.heard_at
        if silent_seconds > SILENT_SECONDS and not self._reachable.issubset(self._folders()):
            raise Interrupted

    def _folders(self) -> frozenset[str]:
        return frozenset(self._hall.lanes.folders_on(self._bulk.device))

    def advance(self, task: Task, done_bytes: int) -> None:
        """Note how far a file was read; return when it may be read on. What is at its end waits for nothing more."""
        super().advance(task, done_bytes)
        if task.id == self._urgent_id:
            self._hall.in_hand[task.id] = (replace(task, priority=Priority.PERSON), done_bytes)
        self._pay(task, done_bytes)
        self._bulk.note(task, done_bytes, None)
        file = self._file_of(task)
        if file is None or done_bytes >= file.fingerprint.size_bytes:
            return
        self.give_way(self._bulk.let_drops_by)
        self._wait_for_leave(task, done_bytes, file.folder_id)
        self._keep_to_pace(task)

    def _file_of(self, task: Task) -> ModelFile | None:
        """Give the file that is read, looked up once and not every 4 MiB."""
        if self._file is None or self._file[0] != task.id:
            self._file = (task.id, self._hall.store.files.get(int(task.subject)))
        return self._file[1]

    def _pay(self, task: Task, done_bytes: int) -> None:
        before_id, before_bytes = self._last
        self._last = (task.id, done_bytes)
        gained_bytes = done_bytes - before_bytes if task.id == before_id and done_bytes > before_bytes else done_bytes
        rate = self._hall.leave.allowance(self._bulk.device, self._hall.clock.now())
        if rate and task.id != self._urgent_id:
            self._hall.pace.pay(self._bulk.device, gained_bytes, rate, self._hall.clock.monotonic())

    def _keep_to_pace(self, task: Task | None = None) -> None:
        clock, bell = self._hall.clock, self._hall.bell
        while (left := self._hall.pace.seconds_left(self._bulk.device, clock.monotonic())) > 0:
            heard = bell.rings
            if task is not None and self._is_urgent(task):
                return
            self.check()
            self.give_way(self._bulk.let_drops_by)
            bell.wait(heard, min(left, SILENT_SECONDS / 2))

    def _wait_for_leave(self, task: Task, done_bytes: int, folder_id: str) -> None:
        """Rest with the file in hand until its folder has leave; drops are let by meanwhile.

        It is put down where something else may be read, or nobody knows whether leave will ever come: to read it once more
        from its beginning costs less than to keep others waiting.
        """
        while (reason := self._reason(folder_id)) is not None:
            heard = self._hall.bell.rings
            if self._is_urgent(task):
                break
            self.is_resting = True
            self.demand_leave()
            if self._bulk.is_dismissed or reason == ON_DEMAND or self._bulk.owes_elsewhere():
                raise Interrupted
            self._bulk.note(task, done_bytes, reason)
            self._bulk.let_drops_by()
            self._hall.bell.wait(heard, rest_seconds(self._hall))
        if self.is_resting:
            self.is_resting = False
            self._hall.bell.ring()  # whoever tells how it goes was told that it pauses
        self.check()

    def _is_urgent(self, task: Task) -> bool:
        """Tell whether somebody wants it at once by now: then it is read on without leave, and as fast as it goes."""
        if task.id != self._urgent_id:
            priority = self._hall.store.journal.priorities([task.id]).get(task.id, task.priority)
            self._urgent_id = task.id if priority >= Priority.DROP else None
        return task.id == self._urgent_id

    def _reason(self, folder_id: str) -> str | None:
        return self._hall.leave.held([folder_id], self._hall.clock.now()).get(folder_id)


def rest_seconds(hall: Hall) -> float:
    """Give how long to wait before leave is asked for again, where no bell rings before."""
    now = hall.clock.now()
    change_at = hall.leave.next_change(now)
    if change_at is None:
        return LONGEST_REST_SECONDS
    return min(max(0.05, (change_at - now).total_seconds()), LONGEST_REST_SECONDS)
