"""Find the tasks that follow a task done: the table in `domain/task.py` says which, the catalog says for whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.domain.task import ORDER, NewTask, Priority, Reach, TaskKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from modelshelf.domain.task import Task
    from modelshelf.store.store import Store

GALLERY_LINGER_SECONDS = 1.0
CARDS_PER_SECOND = 2000
"""A gallery waits a moment for its neighbours, and longer the more cards must be drawn again."""

UNASKED_GALLERY_LINGER_SECONDS = 10.0
UNASKED_CARDS_PER_SECOND = 50
LONGEST_GALLERY_LINGER_SECONDS = 300.0
"""One that nobody waits for: so that drawing it over and over takes about a hundredth of the time."""

LINGER_SECONDS: dict[TaskKind | tuple[TaskKind, TaskKind], float] = {
    TaskKind.RENDER_PAGE: 60.0,
    (TaskKind.IDENTIFY_CONTENT, TaskKind.WRITE_SIDECARS): 30.0,
}
"""How long what nobody waits for lingers, so that of a shelf that is read for days each page is drawn once, not its gallery
after every file, and sidecars with what the model above adds. Where nothing else is left to do it begins at once, see
`store/lingering.py`."""


def successors(store: Store, tasks: Iterable[Task], now: datetime) -> list[NewTask]:
    """Give what follows from `tasks`; called inside the transaction that settles them."""
    new: dict[tuple[TaskKind, TaskKind, str], NewTask] = {}
    for task in tasks:
        for kind, reach in ORDER[task.kind].successors:
            for subject in _subjects(store, task, reach):
                key = (task.kind, kind, subject)
                new[key] = _merged(new.get(key), _follow(task, kind, subject))
    return [replace(each, due_at=_due_at(store, after, each, now)) for (after, _, _), each in new.items()]


def _merged(earlier: NewTask | None, later: NewTask) -> NewTask:
    if earlier is None:
        return later
    priority = max(earlier.priority, later.priority)
    return replace(later, priority=priority, is_forced=earlier.is_forced or later.is_forced)


def _due_at(store: Store, after: TaskKind, task: NewTask, now: datetime) -> datetime | None:
    seconds = _linger_seconds(store, after, task)
    return now + timedelta(seconds=seconds) if seconds else None


def _linger_seconds(store: Store, after: TaskKind, task: NewTask) -> float:
    is_unasked = task.priority < Priority.DROP
    if task.kind is TaskKind.RENDER_GALLERY:
        return _gallery_linger_seconds(store.folders.state(task.subject).file_count, is_unasked=is_unasked)
    return LINGER_SECONDS.get((after, task.kind), LINGER_SECONDS.get(task.kind, 0.0)) if is_unasked else 0.0


def _gallery_linger_seconds(cards: int, *, is_unasked: bool) -> float:
    if is_unasked:
        return min(UNASKED_GALLERY_LINGER_SECONDS + cards / UNASKED_CARDS_PER_SECOND, LONGEST_GALLERY_LINGER_SECONDS)
    return GALLERY_LINGER_SECONDS + cards / CARDS_PER_SECOND


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
