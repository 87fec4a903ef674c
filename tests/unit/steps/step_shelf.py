"""A shelf worked by hand: a real store, real folders and every step, but no thread, no daemon and a clock that stands still."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from modelshelf.civitai.client import CivitaiClient, ClientSettings
from modelshelf.domain.folder import Folder
from modelshelf.domain.output import Output
from modelshelf.domain.task import Lane, NewTask, Priority, Task, TaskKind, TaskState
from modelshelf.shelf.devices import DeviceTraits
from modelshelf.shelf.intake import Intake
from modelshelf.shelf.presence import ground_of
from modelshelf.shelf.wholeness import WholenessGate
from modelshelf.steps.carry_sidecars import CarrySidecars
from modelshelf.steps.enrich_model import EnrichModel
from modelshelf.steps.fetch_previews import FetchPreviews
from modelshelf.steps.hash_file import HashFile
from modelshelf.steps.identify_content import IdentifyContent
from modelshelf.steps.inspect_file import InspectFile
from modelshelf.steps.match_weights import MatchWeights
from modelshelf.steps.place import Place
from modelshelf.steps.render_gallery import RenderGallery
from modelshelf.steps.render_page import RenderPage
from modelshelf.steps.scan_folder import ScanFolder
from modelshelf.steps.step import Done, Failed
from modelshelf.steps.verify_file import VerifyFile
from modelshelf.steps.write_sidecars import WriteSidecars
from modelshelf.store.store import Store
from modelshelf.store.task_rows import task_from
from modelshelf.worker.hall import Hall
from modelshelf.worker.lanes import DeviceLanes
from modelshelf.worker.wake import Bell
from modelshelf.worker.worker import Worker
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from modelshelf.domain.content import Content
    from modelshelf.domain.description import Description
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.errors import StoreError
    from modelshelf.steps.step import Outcome, Step
    from tests.fakes.civitai_server import CivitaiStandIn

P = ParamSpec("P")
Found = TypeVar("Found")

TRAITS = DeviceTraits("8:1", "ext4", is_local=True, is_honest=True, has_events=True)
HOUR = 3600.0
LINGER_SECONDS = 60.0
PATTERNS = ("*.safetensors", "*.ckpt", "*.pt", "*.gguf", "*.bin")


class FreeReins:
    """Reins that never pull; `bytes_read` is what a step told of its progress."""

    def __init__(self) -> None:
        self.bytes_read = 0

    def check(self) -> None:
        """Go on."""

    def pause(self) -> None:
        """Let nobody by."""
        self.check()

    def advance(self, task: Task, done_bytes: int) -> None:
        """Remember how far a read has come."""
        self.bytes_read = max(self.bytes_read, done_bytes)

    def read(self, function: Callable[P, Found], *args: P.args, **options: P.kwargs) -> Found:
        """Read here."""
        return function(*args, **options)

    def read_narrowly(self, function: Callable[P, Found], *args: P.args, **options: P.kwargs) -> Found:
        """Read here too."""
        return function(*args, **options)


@dataclass(frozen=True)
class Snapshot:
    """Every row of every table, and every file with its size and mtime."""

    rows: dict[str, list[tuple[Any, ...]]]
    files: dict[str, tuple[int, int]]


class StepShelf:
    """One folder, `loras`, to begin with; all that steps and workers need stands around it."""

    def __init__(
        self, root: Path, civitai: CivitaiStandIn | None = None, settings: ClientSettings | None = None
    ) -> None:
        """`root` gets the state and a directory per folder; without `civitai` or `settings` nothing may go out."""
        self.root = root
        self.clock = FakeClock()
        self.store = Store.open(root / "state" / "modelshelf.db")
        self.places: dict[str, Place] = {}
        self.client = CivitaiClient(settings or _settings(civitai), self.clock, self.clock.sleep)
        self.reins = FreeReins()
        self.fatal: list[StoreError] = []
        self.steps = self._steps()
        self.add_folder("loras")
        self.hall = Hall(
            store=self.store,
            steps=self.steps,
            lanes=DeviceLanes(lambda: {TRAITS.id: frozenset(self._present())}),
            bell=Bell(),
            clock=self.clock,
            stopping=threading.Event(),
            stopped_scans=threading.Event(),
            on_fatal=self.fatal.append,
        )

    def _steps(self) -> dict[TaskKind, Step[Any]]:
        store, places, clock, client = self.store, self.places, self.clock, self.client
        gate = WholenessGate(probe=lambda _: False)
        steps: tuple[Step[Any], ...] = (
            ScanFolder(store, places, clock, started_at=clock.now(), gate=gate),
            InspectFile(store, places, clock),
            HashFile(store, places, clock),
            WriteSidecars(store, places, clock),
            CarrySidecars(store, places),
            IdentifyContent(store, client, clock, chance=lambda: 0.0),
            EnrichModel(store, client, clock, chance=lambda: 0.0),
            MatchWeights(store, client, clock),
            FetchPreviews(store, places, client, clock),
            RenderPage(store, places),
            RenderGallery(store, places),
            VerifyFile(store, places, clock),
        )
        return {step.kind: step for step in steps}

    def close(self) -> None:
        """Close store and connections."""
        self.client.close()
        self.store.close()

    # the shelf

    def add_folder(
        self, folder_id: str, *, model_type: str | None = "LORA", patterns: Sequence[str] = PATTERNS
    ) -> Place:
        """Add a folder, with its directory."""
        path = self.root / folder_id
        path.mkdir(exist_ok=True)
        folder = Folder(folder_id, path, model_type, tuple(patterns), ())
        place = Place(folder, Intake(folder), TRAITS, Output(), stability_delay_seconds=5.0)
        self.places[folder_id] = place
        self.store.folders.sync([each.folder for each in self.places.values()])
        return place

    def set_output(self, output: Output, folder_id: str = "loras") -> None:
        """Have a folder's files written elsewhere or otherwise."""
        self.places[folder_id] = replace(self.places[folder_id], output=output)

    def put(self, name: str, content: bytes | str, folder_id: str = "loras", *, age_seconds: float = HOUR) -> Path:
        """Put a file into a folder; it has not changed for `age_seconds`."""
        path = self.root / folder_id / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        moment = self.clock.now().timestamp() - age_seconds
        os.utime(path, (moment, moment))
        return path

    def path(self, name: str, folder_id: str = "loras") -> Path:
        """Give the absolute path of a name in a folder."""
        return self.root / folder_id / name

    def json(self, name: str, folder_id: str = "loras") -> Any:
        """Give what a JSON file in a folder holds."""
        return json.loads(self.path(name, folder_id).read_bytes())

    def names(self, folder_id: str = "loras") -> set[str]:
        """Give the names in a folder."""
        return {path.name for path in (self.root / folder_id).iterdir()}

    # the catalog

    def file(self, name: str, folder_id: str = "loras") -> ModelFile:
        """Give what is known of a file, which must be something."""
        found = self.store.files.at(folder_id, os.fsencode(name))
        assert found is not None, f"{name} is not known"
        return found

    def content(self, name: str, folder_id: str = "loras") -> Content:
        """Give the content of a file, which must have been hashed."""
        content_id = self.file(name, folder_id).content_id
        assert content_id is not None, f"{name} has not been hashed"
        found = self.store.contents.get(content_id)
        assert found is not None
        return found

    def description(self, name: str, folder_id: str = "loras") -> Description:
        """Give all that is known of a file."""
        from modelshelf.steps.describe import describe  # noqa: PLC0415

        return describe(self.store, self.file(name, folder_id))

    def tasks(self, kind: TaskKind | None = None) -> list[Task]:
        """Give what stands in the journal."""
        tasks = [task_from(row) for row in self.store.database.rows("SELECT * FROM tasks ORDER BY id")]
        return [task for task in tasks if kind is None or task.kind is kind]

    def events(self, name: str) -> list[dict[str, Any]]:
        """Give the details of the events of one name, oldest first."""
        return [dict(event.details) for event in reversed(self.store.events.latest(1000)) if event.name == name]

    def snapshot(self) -> Snapshot:
        """Give all that could have changed."""
        names = [row["name"] for row in self.store.database.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: [tuple(row) for row in self.store.database.rows(f"SELECT * FROM {name}")] for name in names}
        rows["folders"] = [row[:7] + row[8:] for row in rows["folders"]]  # but for when it was scanned last
        rows.pop("sqlite_sequence", None)
        paths = [path for place in self.places.values() for path in place.root.rglob("*") if path.is_file()]
        stats = {str(path): path.stat() for path in paths}
        return Snapshot(rows, {path: (stat.st_mtime_ns, stat.st_ino) for path, stat in stats.items()})

    # the work

    def task(self, kind: TaskKind, subject: object, path: bytes = b"", **details: Any) -> Task:
        """Give a task that stands in no journal, as urgent as a drop; a file may be named instead of numbered."""
        if isinstance(subject, str) and "." in subject:
            subject = self.file(subject).id
        now = self.clock.now()
        return Task(
            0, kind, str(subject), path, TaskState.RUNNING, details.pop("priority", Priority.DROP), now, now, **details
        )

    def perform(self, kind: TaskKind, *subjects: object, path: bytes = b"", **details: Any) -> list[Outcome[Any]]:
        """Do the slow half of a step."""
        tasks = [self.task(kind, subject, path, **details) for subject in subjects]
        return self.steps[kind].perform(tasks, self.reins)

    def record(self, outcomes: Sequence[Outcome[Any]]) -> list[NewTask]:
        """Do the short half, in a transaction; an outcome that failed raises its error here."""
        for outcome in outcomes:
            if isinstance(outcome, Failed):
                raise outcome.error
        done = [outcome for outcome in outcomes if isinstance(outcome, Done)]
        with self.store.database.transaction():
            return self.steps[done[0].task.kind].record(done)

    def do(self, kind: TaskKind, *subjects: object, path: bytes = b"", **details: Any) -> list[NewTask]:
        """Do both halves; gives the work that the step itself adds."""
        return self.record(self.perform(kind, *subjects, path=path, **details))

    def scan(self, path: str = "", folder_id: str = "loras", **details: Any) -> list[NewTask]:
        """Scan a folder, or one path of it."""
        return self.do(TaskKind.SCAN_FOLDER, folder_id, path=os.fsencode(path), **details)

    def confirm_missing(self, folder_id: str = "loras") -> None:
        """Say, as a person does, that what is not there is gone."""
        self.store.holds.confirm(folder_id, ground_of(self.places[folder_id].folder), self.clock.now())

    def read(self, name: str) -> None:
        """Scan, inspect and hash one file."""
        self.scan()
        self.do(TaskKind.INSPECT_FILE, name)
        if self.file(name).hash_skipped_reason is None:
            self.do(TaskKind.HASH_FILE, name)

    # the hall

    def drain(self, *, linger_seconds: float = LINGER_SECONDS) -> int:
        """Let a worker of each lane take turns until nothing is due within `linger_seconds`; gives how many turns."""
        workers = [Worker(lane, self.hall, TRAITS.id) for lane in Lane]
        turns = 0
        while True:
            while any(worker.turn() for worker in workers):
                turns += 1
                assert turns < 1000, "work without end"
            due_at = self._next_due_at()
            if due_at is None or due_at - self.clock.now() > timedelta(seconds=linger_seconds):
                return turns
            self.clock.advance(max(0.001, (due_at - self.clock.now()).total_seconds()))

    def look_through(self, folder_id: str = "loras", path: str = "", **details: Any) -> int:
        """Owe a scan as an event or a person does, and drain."""
        wanted = NewTask(TaskKind.SCAN_FOLDER, folder_id, path=os.fsencode(path), **details)
        self.store.journal.add([wanted], self.clock.now())
        return self.drain()

    def _present(self) -> list[str]:
        states = self.store.folders.states()
        return [state.id for state in states if state.offline_since is None and state.id in self.places]

    def _next_due_at(self) -> datetime | None:
        moments = [self.store.journal.next_due_at(lane, self._present()) for lane in Lane]
        return min((moment for moment in moments if moment is not None), default=None)


def introduce(civitai: CivitaiStandIn, content: bytes, name: str, **details: Any) -> int:
    """Let the stand-in know these bytes; gives the version's id."""
    known = {"trained_words": [f"{name} word"], "tags": [f"{name} tag"], "creator": "somebody", **details}
    return civitai.add_file(sha256(content), len(content), name=name, **known)


def sha256(content: bytes) -> str:
    """Give the SHA256 as Civitai spells it."""
    return hashlib.sha256(content).hexdigest().upper()


def _settings(civitai: CivitaiStandIn | None) -> ClientSettings:
    if civitai is None:
        return ClientSettings(is_outgoing_forbidden=True)
    return ClientSettings(base_url=civitai.base_url, timeout_seconds=5, rate_limit_per_minute=None)
