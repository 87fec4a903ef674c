"""The hall: what all workers share, and what is in their hands."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelshelf.domain.chunk import ChunkLimits
from modelshelf.domain.task import Priority
from modelshelf.steps.step import Interrupted
from modelshelf.worker.leave import Leave
from modelshelf.worker.lull import Lull
from modelshelf.worker.pace import Pace
from modelshelf.worker.reader import ReaderHere
from modelshelf.worker.slots import Speeds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from modelshelf.clock import Clock
    from modelshelf.domain.task import Task, TaskKind
    from modelshelf.errors import StoreError
    from modelshelf.steps.step import Step
    from modelshelf.store.store import Store
    from modelshelf.worker.lanes import DeviceLanes
    from modelshelf.worker.reader import Reader
    from modelshelf.worker.wake import Bell


@dataclass(frozen=True, slots=True)
class Hall:
    """What all workers share. A hall that is closed takes no results any more: a late worker's tasks are another's by then.

    `new_reader` gives who reads in bulk for one worker; `read_in_vain` holds the files that ended one of them and are to be
    read once more, `unwanted` the tasks in hand that are to be given back.
    """

    store: Store
    steps: Mapping[TaskKind, Step[Any]]
    lanes: DeviceLanes
    bell: Bell
    clock: Clock
    stopping: threading.Event
    stopped_scans: threading.Event
    on_fatal: Callable[[StoreError], None]
    is_offline: bool = False
    leave: Leave = field(default_factory=Leave)
    lull: Lull = field(default_factory=Lull)
    chunk_limits: ChunkLimits = field(default_factory=ChunkLimits)
    new_reader: Callable[[], Reader] = ReaderHere
    pace: Pace = field(default_factory=Pace)
    speeds: Speeds = field(default_factory=Speeds)
    read_in_vain: set[str] = field(default_factory=set)
    in_hand: dict[int, tuple[Task, int]] = field(default_factory=dict)
    unwanted: set[int] = field(default_factory=set)
    closed: threading.Event = field(default_factory=threading.Event)

    def quiet_seconds(self) -> float:
        """Give for how long nobody dropped or asked for anything."""
        if any(task.priority >= Priority.DROP for task, _ in [*self.in_hand.values()]):
            return 0.0
        return self.clock.monotonic() - self.lull.since

    def slots(self, device: str) -> int:
        """Give how many are to read of a device in bulk: as many as somebody said, else as many as prove useful."""
        return self.leave.slots(device) or self.speeds.slots(device)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write in one transaction; `Interrupted` once the hall is closed."""
        with self.store.database.transaction():
            if self.closed.is_set():
                raise Interrupted
            yield

    def ease(self) -> None:
        """Give back what is being read because a person wanted that or a job ordered it, and does not any more."""
        self.store.orders.look_again()
        hands = {task.id: task.priority for task, _ in [*self.in_hand.values()]}
        self.unwanted.update(each for each, now in self.store.journal.priorities(hands).items() if now < hands[each])

    def close(self) -> None:
        """Give back what is still in hand, uncounted, and take nothing more."""
        self.closed.set()
        left = [task for task, _ in [*self.in_hand.values()]]
        if left:
            self.store.journal.release(left)
        self.in_hand.clear()
