"""What failed and waits for its next try, brought back before its time where what it waits for has changed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.domain.task import ORDER, Lane, TaskKind, TaskState

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from modelshelf.store.journal import Journal

NETWORK_KINDS = frozenset(kind for kind, order in ORDER.items() if order.lane is Lane.NETWORK)

FAR_AHEAD = timedelta(days=1)
"""No task is put off for longer; one that is due later was written down while the clock was wrong."""

FORBIDDEN_DELAY = timedelta(hours=2)
"""Only what Civitai forbids is put off for longer than the longest backoff: a start, and another configuration, tries it."""


def put_off_beyond(journal: Journal, moment: datetime, kinds: Collection[TaskKind] = tuple(TaskKind)) -> list[int]:
    """Give the tasks that failed and wait until after `moment`."""
    waiting = [task for task in journal.failures() if task.state is TaskState.QUEUED]
    return [task.id for task in waiting if task.due_at > moment and task.kind in kinds]


def bring_back_at_start(journal: Journal, now: datetime) -> None:
    """Try again what Civitai forbade, and what was put off while the clock was wrong.

    What a disk refused keeps its time: a start says nothing new of it.
    """
    forbidden = put_off_beyond(journal, now + FORBIDDEN_DELAY, NETWORK_KINDS)
    journal.bring_back([*forbidden, *put_off_beyond(journal, now + FAR_AHEAD, ORDER.keys() - NETWORK_KINDS)], now)


def bring_back_questions(journal: Journal, now: datetime) -> None:
    """Try again at once what waits for Civitai: it answers again."""
    journal.bring_back(put_off_beyond(journal, now, NETWORK_KINDS), now)
