"""A library whose files are known by their hashes alone, on a shelf worked by hand: what asking costs, and nothing else."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from modelshelf.civitai.client import ClientSettings
from modelshelf.civitai.payload import parse_model
from modelshelf.domain.hashes import Hashes
from modelshelf.domain.model_file import Fingerprint
from modelshelf.domain.task import Lane, NewTask, Priority, Task, TaskKind
from modelshelf.steps.step import Done, Outcome, Reins
from modelshelf.store.columns import unpack
from modelshelf.store.files import NewFile
from modelshelf.worker.worker import Worker
from tests.unit.steps.step_shelf import TRAITS, StepShelf

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.store.store import Store
    from tests.fakes.civitai_server import CivitaiStandIn

_PATIENCE = timedelta(minutes=90)
"""Longer than any pause after a failure, shorter than the two hours after which an unknown file is asked about again."""

_KNOWN = {
    name: f"SELECT * FROM {name}" for name in ("contents", "facts", "versions", "civitai_models", "alternates")
} | {"updates": "SELECT * FROM updates WHERE settled_at IS NULL"}
_PASSING = {"lookup_count", "lookup_priority", "has_task"}


@dataclass(frozen=True, slots=True)
class Library:
    """So many files of so many models, versions of them in turn.

    Of a hundred files one was replaced on Civitai, so that no answer lists its hash, and one is in a second model, too.
    """

    files: int
    models: int

    def introduce(self, civitai: CivitaiStandIn) -> None:
        """Let the stand-in know every file."""
        for number in range(self.files):
            model_id = 1_000_000 + number % self.models
            hashes = {"SHA256": _sha256(number), "AutoV3": _sha256(number)[12:24]}
            civitai.add_file(
                hashes,
                2_000_000 + number,
                model_id=model_id,
                name=f"Model {model_id}",
                version_id=5_000_000 + number,
                published_at=f"2024-{1 + number % 12:02}-{1 + number % 28:02}T12:00:00.000Z",
                is_replaced=number % 100 == 7,
            )
            if number % 100 == 9:
                civitai.add_file(hashes, 2_000_000 + number, name="Copied", published_at="2026-01-01T12:00:00.000Z")

    def put_into(self, shelf: StepShelf) -> None:
        """Have the shelf know every file as hashed and owe its lookup, as a first scan leaves them."""
        with shelf.store.database.transaction():
            for number in range(self.files):
                _put_file(shelf, number)


@contextmanager
def asked_about(library: Library, root: Path, civitai: CivitaiStandIn) -> Iterator[StepShelf]:
    """Ask the stand-in about all of it, at the default pace of a clock that sleeps for nothing."""
    root.mkdir(parents=True, exist_ok=True)
    shelf = StepShelf(root, settings=ClientSettings(base_url=civitai.base_url))
    try:
        shelf.steps[TaskKind.FETCH_PREVIEWS] = _Unasked(TaskKind.FETCH_PREVIEWS)
        library.put_into(shelf)
        _ask(shelf)
        yield shelf
    finally:
        shelf.close()


def end_state(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Give all that is known from Civitai, without when it was learnt and how often it was asked for."""
    rows = {name: [_lasting(dict(row)) for row in store.database.rows(sql)] for name, sql in _KNOWN.items()}
    return {name: sorted(each, key=repr) for name, each in rows.items()}


def _lasting(row: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is a matter of time; of a mark that has a time it stays that there is one."""
    kept = {key: value for key, value in row.items() if key not in _PASSING}
    for key in list(kept):
        if key.endswith("_since"):
            kept[key] = kept[key] is not None
        elif key.endswith("_at") and key != "published_at":
            del kept[key]
    if isinstance(kept.get("body"), bytes):
        kept["body"] = _told(unpack(kept["body"]))
    return kept


def _told(body: JsonObject) -> object:
    """Give what a body tells: that of a model has other keys in a list than where it was asked for alone."""
    return repr(replace(parse_model(body), body={})) if "modelVersions" in body else body


def _ask(shelf: StepShelf) -> None:
    worker = Worker(Lane.NETWORK, shelf.hall, TRAITS.id)
    while True:
        while worker.turn():
            continue
        due_at = shelf.store.journal.next_due_at(Lane.NETWORK, ["loras"])
        if due_at is None or due_at - shelf.clock.now() > _PATIENCE:
            return
        shelf.clock.advance(max(0.001, (due_at - shelf.clock.now()).total_seconds()))


def _put_file(shelf: StepShelf, number: int) -> None:
    sha256, now, size_bytes = _sha256(number), shelf.clock.now(), 2_000_000 + number
    hashes = Hashes(sha256, sha256[::-1], None, sha256[:10], sha256[12:24], sha256[24:32])
    path = f"{number:05}.safetensors".encode()
    file_id = shelf.store.files.add(
        NewFile("loras", path, Fingerprint(size_bytes, number, number, number), now, Priority.REST)
    )
    content = shelf.store.contents.upsert(size_bytes, hashes, now)
    shelf.store.files.record_content(file_id, content.id)
    shelf.store.contents.owe_lookup(content.id, now)


def _sha256(number: int) -> str:
    return hashlib.sha256(f"file {number}".encode()).hexdigest().upper()


@dataclass(frozen=True, slots=True)
class _Unasked:
    """A step that does nothing: its requests are counted elsewhere."""

    kind: TaskKind

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[None]]:
        reins.check()
        return [Done(task, None, is_followed=False) for task in tasks]

    def record(self, _: Sequence[Done[None]]) -> list[NewTask]:
        return []
