"""Find the tasks that follow a task done: the table in `domain/task.py` says which, the catalog says for whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.domain.task import ORDER, NewTask, Reach, TaskKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from modelshelf.domain.task import Task
    from modelshelf.store.store import Store

GALLERY_LINGER_SECONDS = 1.0
CARDS_PER_SECOND = 2000
"""A gallery waits a moment for its neighbours, and longer the more cards must be drawn again."""


def successors(store: Store, tasks: Iterable[Task], now: datetime) -> list[NewTask]:
    """Give what follows from `tasks`; called inside the transaction that settles them."""
    new: dict[tuple[TaskKind, str], NewTask] = {}
    for task in tasks:
        for kind, reach in ORDER[task.kind].successors:
            for subject in _subjects(store, task, reach):
                new[(kind, subject)] = _merged(new.get((kind, subject)), _follow(task, kind, subject))
    return [replace(each, due_at=_due_at(store, each, now)) for each in new.values()]


def _merged(earlier: NewTask | None, later: NewTask) -> NewTask:
    if earlier is None:
        return later
    priority = max(earlier.priority, later.priority)
    return replace(later, priority=priority, is_forced=earlier.is_forced or later.is_forced)


def _due_at(store: Store, task: NewTask, now: datetime) -> datetime | None:
    if task.kind is not TaskKind.RENDER_GALLERY:
        return None
    cards = store.folders.state(task.subject).file_count
    return now + timedelta(seconds=GALLERY_LINGER_SECONDS + cards / CARDS_PER_SECOND)


def _follow(task: Task, kind: TaskKind, subject: str) -> NewTask:
    is_forced = task.is_forced and kind in {TaskKind.WRITE_SIDECARS, TaskKind.ENRICH_MODEL}
    # A lookup that was forced has been made when its own successors run: they must not ask for it again.
    is_forced = is_forced and task.kind not in {TaskKind.IDENTIFY_CONTENT, TaskKind.ENRICH_MODEL}
    return NewTask(kind, subject, priority=task.priority, run_id=task.run_id, is_forced=is_forced)


def _subjects(store: Store, task: Task, reach: Reach) -> list[str]:
    match reach:
        case Reach.SAME:
            return [task.subject]
        case Reach.FOLDER_OF_FILE:
            file = store.files.get(int(task.subject))
            return [file.folder_id] if file else []
        case Reach.FILES_OF_CONTENT:
            return [str(file.id) for file in store.files.of_content(int(task.subject))]
        case Reach.MODEL_OF_CONTENT:
            return _model_of(store, int(task.subject))
        case Reach.FILES_OF_MODEL:
            return [str(file.id) for file in store.files.of_model(int(task.subject))]


def _model_of(store: Store, content_id: int) -> list[str]:
    content = store.contents.get(content_id)
    if content is None or content.version_id is None:
        return []
    model_id = store.remote.model_of_version(content.version_id)
    return [] if model_id is None else [str(model_id)]
