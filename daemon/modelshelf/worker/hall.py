"""The hall: what all workers share, and what is in their hands."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelshelf.steps.step import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from modelshelf.clock import Clock
    from modelshelf.domain.task import Task, TaskKind
    from modelshelf.errors import StoreError
    from modelshelf.steps.step import Step
    from modelshelf.store.store import Store
    from modelshelf.worker.lanes import DeviceLanes
    from modelshelf.worker.wake import Bell


@dataclass(frozen=True, slots=True)
class Hall:
    """What all workers share. A hall that is closed takes no results any more: a late worker's tasks are another's by then."""

    store: Store
    steps: Mapping[TaskKind, Step[Any]]
    lanes: DeviceLanes
    bell: Bell
    clock: Clock
    stopping: threading.Event
    stopped_scans: threading.Event
    on_fatal: Callable[[StoreError], None]
    is_offline: bool = False
    in_hand: dict[int, tuple[Task, int]] = field(default_factory=dict)
    closed: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write in one transaction; `Interrupted` once the hall is closed."""
        with self.store.database.transaction():
            if self.closed.is_set():
                raise Interrupted
            yield

    def close(self) -> None:
        """Give back what is still in hand, uncounted, and take nothing more."""
        self.closed.set()
        left = [task for task, _ in [*self.in_hand.values()]]
        if left:
            self.store.journal.release(left)
        self.in_hand.clear()
