"""Small things that the tests of the store put into it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.domain.folder import Folder
from modelshelf.domain.hashes import Hashes
from modelshelf.domain.model_file import Fingerprint
from modelshelf.domain.task import NewTask, Priority, TaskKind
from modelshelf.store.files import NewFile

if TYPE_CHECKING:
    from modelshelf.store.store import Store

NOW = datetime(2026, 3, 4, 5, 6, 7, 891011, UTC)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def folder(folder_id: str) -> Folder:
    return Folder(folder_id, Path("/models") / folder_id, "LORA", ("*.safetensors",), ())


def fingerprint(number: int = 1, *, size_bytes: int | None = None) -> Fingerprint:
    return Fingerprint(
        1000 + number if size_bytes is None else size_bytes, 2_000 + number, 3_000 + number, 4_000 + number
    )


def hashes(number: int) -> Hashes:
    sha256 = f"{number:064X}"[::-1]
    return Hashes(sha256, f"B{number:063X}", f"C{number:07X}", sha256[:10], f"D{number:011X}", f"E{number:07X}")


def add_file(
    store: Store, path: bytes, *, folder_id: str = "a", priority: int = Priority.REST, size_bytes: int = 1000
) -> int:
    """Add a file whose times and inode are told by its path."""
    print_of = fingerprint(sum(path), size_bytes=size_bytes)
    return store.files.add(NewFile(folder_id, path, print_of, NOW, priority))


def add_read_file(store: Store, path: bytes, number: int, *, folder_id: str = "a") -> tuple[int, int]:
    """Add a file that was inspected and hashed; gives its id and its content's."""
    file_id = add_file(store, path, folder_id=folder_id)
    content = store.contents.upsert(1000, hashes(number), NOW)
    store.files.record_content(file_id, content.id)
    return file_id, content.id


def new_task(
    subject: int | str,
    kind: TaskKind = TaskKind.WRITE_SIDECARS,
    priority: Priority = Priority.REST,
    due_at: datetime | None = None,
) -> NewTask:
    return NewTask(kind, str(subject), priority=priority, due_at=due_at)
