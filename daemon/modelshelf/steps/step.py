"""What every step is: `perform` may be slow and changes no row, `record` is short and runs inside one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, ParamSpec, Protocol, TypeAlias, TypeVar

from modelshelf.errors import ModelshelfError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelshelf.domain.task import NewTask, Task, TaskKind

Result = TypeVar("Result")
Found = TypeVar("Found")
P = ParamSpec("P")


class Interrupted(Exception):
    """The daemon is stopping, or a person stopped this work: what is in hand is given back, nothing is counted."""


class Reins(Protocol):
    """How a worker holds a step that takes long."""

    def check(self) -> None:
        """Raise `Interrupted` if the work in hand must be given back now."""

    def pause(self) -> None:
        """Let more urgent work be done first; called where nothing is held that it could make untrue. Raises like `check`."""

    def advance(self, task: Task, done_bytes: int) -> None:
        """Tell how far a long read has come; raises `Interrupted` like `check`."""

    def read(self, function: Callable[P, Found], *args: P.args, **options: P.kwargs) -> Found:
        """Give what `function` gives, which reads strangers' bytes and nothing of ours; it may be called in another process."""

    def read_narrowly(self, function: Callable[P, Found], *args: P.args, **options: P.kwargs) -> Found:
        """Give what `function` gives, called in another process that may take little; ReaderDied where that is not enough."""


@dataclass(frozen=True, slots=True)
class Done(Generic[Result]):
    """One task performed. Without `is_followed` none of its kind's successors are added."""

    task: Task
    result: Result
    is_followed: bool = True


@dataclass(frozen=True, slots=True)
class Failed:
    """One task that could not be performed, and why; `worker/retry.py` decides what follows."""

    task: Task
    error: ModelshelfError


Outcome: TypeAlias = Done[Result] | Failed


def one_by_one(
    tasks: Sequence[Task], reins: Reins, perform: Callable[[Task], Outcome[Result]]
) -> list[Outcome[Result]]:
    """Perform tasks one after another; an error costs its own task only.

    When the reins are pulled, what is finished is kept and the rest left out; `Interrupted` rises only from the first.
    """
    outcomes: list[Outcome[Result]] = []
    for task in tasks:
        try:
            reins.check()
            outcomes.append(perform(task))
        except Interrupted:
            if not outcomes:
                raise
            break
        except ModelshelfError as error:
            outcomes.append(Failed(task, error))
    return outcomes


class Step(Protocol[Result]):
    """How tasks of one kind are done."""

    @property
    def kind(self) -> TaskKind:
        """The kind of tasks this step takes."""

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[Result]]:
        """Do the slow half. A task that is missing from the answer is given back untouched."""

    def record(self, done: Sequence[Done[Result]]) -> list[NewTask]:
        """Write down what was learnt, inside the caller's transaction; gives work beyond the kind's successors."""
