"""What a task is about, in words: the file, folder or model behind its number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.cli.wording import moment_json, path_json
from modelshelf.domain.display import readable
from modelshelf.domain.task import ORDER, Subject, TaskState

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.domain.task import Task
    from modelshelf.store.store import Store


def subject_text(store: Store, task: Task) -> str:
    """Give what a task is about: ``loras: style/ink.safetensors``."""
    match ORDER[task.kind].subject:
        case Subject.FOLDER:
            return _in_folder(task.subject, task.path)
        case Subject.FILE:
            file = store.files.get(int(task.subject))
            return _in_folder(file.folder_id, file.path) if file else f"file {task.subject}, which is forgotten"
        case Subject.CONTENT:
            files = store.files.of_content(int(task.subject))
            return _in_folder(files[0].folder_id, files[0].path) if files else f"content {task.subject}, in no file"
        case Subject.MODEL:
            return f"model {task.subject} on Civitai"


def _in_folder(folder_id: str, path: bytes) -> str:
    return f"{folder_id}: {readable(path)}" if path else folder_id


def subject_json(store: Store, task: Task) -> JsonObject:
    """Give what a task is about, with folder and path where it has them."""
    subject = ORDER[task.kind].subject
    document: JsonObject = {"subject": subject.value, "subject_id": task.subject}
    if subject is Subject.FOLDER:
        return {**document, "folder": task.subject, **path_json(task.path)}
    if subject is Subject.MODEL:
        return document
    files = (
        [store.files.get(int(task.subject))] if subject is Subject.FILE else store.files.of_content(int(task.subject))
    )
    file = files[0] if files else None
    return document if file is None else {**document, "folder": file.folder_id, **path_json(file.path)}


def task_json(store: Store, task: Task) -> JsonObject:
    """Give all of a task that a script could ask for. `next_try_at` is None for one that is in hand or was given up."""
    is_queued = task.state is TaskState.QUEUED
    return {
        "task_id": task.id,
        "step": task.kind.value,
        **subject_json(store, task),
        "state": task.state.value,
        "attempts": task.attempts,
        "failure_kind": task.failure_kind,
        "reason": task.last_error,
        "failed_at": moment_json(task.failed_at),
        "next_try_at": moment_json(task.due_at) if is_queued else None,
    }
