"""What the tests of the commands put on a shelf, and how they ask about it."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from modelshelf.cli.main import main
from modelshelf.domain.folder import Folder
from modelshelf.domain.hashes import Hashes
from modelshelf.domain.header import Format, Header, Verdict
from modelshelf.domain.model_file import Fingerprint
from modelshelf.domain.task import Priority
from modelshelf.store.files import NewFile
from modelshelf.store.lock import StateLock
from modelshelf.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from modelshelf.domain.task import Task

THEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
DAY = timedelta(days=1)
CONFIGURATION = """
input_paths:
  loras: {path: loras, type: LORA}
  checkpoints: {path: checkpoints, type: Checkpoint}
jobs:
  nightly: {paths: [all], schedule: "0 2 * * *", description: All of it}
  krita: {type: sync-lora-triggers, paths: [loras]}
  fetch-all: {paths: [loras]}
store: {directory: state}
"""


@dataclass(frozen=True)
class Answer:
    """What a command gave."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON that it printed."""
        return json.loads(self.out)


class CliShelf:
    """A directory with a configuration file, two folders and, once something is put into it, a store."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.config = root / "modelshelf.yaml"
        self.config.write_text(CONFIGURATION)
        self.state = root / "state"
        self.folders = [
            Folder(name, root / name, kind, ("*.safetensors",), ())
            for name, kind in (("loras", "LORA"), ("checkpoints", "Checkpoint"))
        ]
        for folder in self.folders:
            folder.path.mkdir()
        self._capsys = capsys

    def run(self, *arguments: str) -> Answer:
        """Run a command as `main` does."""
        self._capsys.readouterr()
        code = main(list(arguments))
        out, err = self._capsys.readouterr()
        return Answer(code, out, err)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Open the store; made with the folders in it where there is none."""
        opened = Store.open(self.state / "modelshelf.db")
        try:
            opened.folders.sync(self.folders)
            yield opened
        finally:
            opened.close()

    @contextmanager
    def daemon(self) -> Iterator[None]:
        """Hold the state lock, as a daemon does."""
        lock = StateLock(self.state)
        lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def put(self, name: str, content: bytes = b"weights", folder_id: str = "loras") -> Path:
        """Put a file into a folder."""
        path = self.root / folder_id / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path


def hashes(number: int) -> Hashes:
    """Give six hashes that no other number has."""
    sha256 = f"{number:064X}"[::-1]
    return Hashes(sha256, f"B{number:063X}", f"C{number:07X}", sha256[:10], f"D{number:011X}", f"E{number:07X}")


def add(store: Store, path: bytes, folder_id: str = "loras", waiting_reason: str | None = None) -> int:
    """Make a file known by name alone."""
    fingerprint = Fingerprint(1000 + len(path), sum(path), sum(path), sum(path))
    file_id = store.files.add(NewFile(folder_id, path, fingerprint, THEN, Priority.REST, waiting_reason))
    store.entries.refresh([file_id])
    return file_id


def add_read(store: Store, path: bytes, number: int, folder_id: str = "loras") -> tuple[int, int]:
    """Make a file known with header and hashes; gives its id and its content's."""
    file_id = add(store, path, folder_id)
    store.files.record_header(file_id, Header(Format.SAFETENSORS, Verdict.SOUND, kind="LoRA", architecture="SDXL"))
    content = store.contents.upsert(1000, hashes(number), THEN)
    store.files.record_content(file_id, content.id)
    store.entries.refresh([file_id])
    return file_id, content.id


def add_broken(store: Store, path: bytes, folder_id: str = "loras") -> int:
    """Make a file known that is shorter than it says."""
    file_id = add(store, path, folder_id)
    store.files.record_header(file_id, Header(Format.SAFETENSORS, Verdict.INCOMPLETE, reason="10 bytes are missing"))
    store.files.record_unhashed(file_id, "10 bytes are missing")
    return file_id


def tasks(store: Store) -> list[Task]:
    """Give every task of the journal."""
    from modelshelf.store.task_rows import task_from  # noqa: PLC0415

    return [task_from(row) for row in store.database.rows("SELECT * FROM tasks ORDER BY id")]


def relative(path: Path, start: Path) -> bytes:
    """Give a path as the store keeps it."""
    return os.fsencode(os.path.relpath(path, start))
