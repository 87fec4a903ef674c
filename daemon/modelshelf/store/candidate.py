"""A Candidate: work that could be claimed now, whether a task's row stands for it or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelshelf.domain.task import TaskKind


@dataclass(frozen=True, slots=True)
class Candidate:
    """`task_id` is None for derived work, which gets its row when it is claimed. `due_at` is an epoch.

    `size_bytes` is told of derived work only: of files that are as urgent as each other the small one goes first.
    """

    kind: TaskKind
    subject: str
    priority: int
    due_at: float
    run_id: int | None = None
    task_id: int | None = None
    size_bytes: int = 0

    @property
    def urgency(self) -> tuple[int, float]:
        """Smaller is sooner among kinds: the higher priority, then who waits longer."""
        return (-self.priority, self.due_at)

    @property
    def place_in_batch(self) -> tuple[int, bool, int]:
        """Smaller is sooner within a kind: the higher priority, then what has a row already, then the small file."""
        return (-self.priority, self.task_id is None, self.size_bytes)
