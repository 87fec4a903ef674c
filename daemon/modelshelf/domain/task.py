"""Tasks: the pieces of work the daemon owes, their kinds, and in which order one follows another."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class TaskKind(StrEnum):
    """What is to be done. Each value is also the name of the step's file, the log key and the word in the CLI."""

    SCAN_FOLDER = "scan_folder"
    INSPECT_FILE = "inspect_file"
    HASH_FILE = "hash_file"
    WRITE_SIDECARS = "write_sidecars"
    CARRY_SIDECARS = "carry_sidecars"
    IDENTIFY_CONTENT = "identify_content"
    ENRICH_MODEL = "enrich_model"
    MATCH_WEIGHTS = "match_weights"
    FETCH_PREVIEWS = "fetch_previews"
    RENDER_PAGE = "render_page"
    RENDER_GALLERY = "render_gallery"
    VERIFY_FILE = "verify_file"


class Lane(StrEnum):
    """The resource a task uses: short look-ups on disk, bulk reading of a device, or the network.

    `desk` is apart from `disk` so that a 24 GB hash never holds up noticing, inspecting or describing another file.
    """

    DESK = "desk"
    DISK = "disk"
    NETWORK = "network"


class Subject(StrEnum):
    """What a task's `subject` names."""

    FOLDER = "folder"
    FILE = "file"
    CONTENT = "content"
    MODEL = "model"


class Reach(StrEnum):
    """How the subject of a successor is found from the subject of the task just done."""

    SAME = "same"
    FOLDER_OF_FILE = "folder of the file"
    FILES_OF_CONTENT = "every file of the content"
    MODEL_OF_CONTENT = "model of the content"
    FILES_OF_MODEL = "every file of the model"


class Priority(IntEnum):
    """Higher is sooner. `DEEP` is for scans alone: a person wants all that they come past to be read now."""

    VERIFY = 0
    REST = 10
    CHANGED = 20
    DROP = 30
    PERSON = 40
    DEEP = 50


class TaskState(StrEnum):
    """Where a task stands. Done ones are deleted as they are recorded."""

    QUEUED = "queued"
    RUNNING = "running"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Kind:
    """How tasks of one kind travel: by which lane, on what, how many at once, and what follows when one is done.

    `is_read_apart`: what may kill is done in a process of its own for a suspect, so the daemon's deaths alone prove nothing.
    `gathers_until`: so many leave together where nothing is urgent, for one question can be asked about many.
    """

    lane: Lane
    subject: Subject
    batch_limit: int
    successors: tuple[tuple[TaskKind, Reach], ...] = ()
    is_read_apart: bool = False
    gathers_until: int | None = None


_AFTER_A_MATCH = (
    (TaskKind.ENRICH_MODEL, Reach.MODEL_OF_CONTENT),
    (TaskKind.WRITE_SIDECARS, Reach.FILES_OF_CONTENT),
    (TaskKind.FETCH_PREVIEWS, Reach.FILES_OF_CONTENT),
)

ORDER: dict[TaskKind, Kind] = {
    TaskKind.SCAN_FOLDER: Kind(Lane.DESK, Subject.FOLDER, 50),
    TaskKind.INSPECT_FILE: Kind(Lane.DESK, Subject.FILE, 50, is_read_apart=True),
    TaskKind.HASH_FILE: Kind(Lane.DISK, Subject.FILE, 16, ((TaskKind.WRITE_SIDECARS, Reach.SAME),), is_read_apart=True),
    TaskKind.WRITE_SIDECARS: Kind(Lane.DESK, Subject.FILE, 50, ((TaskKind.RENDER_PAGE, Reach.SAME),)),
    TaskKind.CARRY_SIDECARS: Kind(
        Lane.DESK, Subject.FILE, 50, ((TaskKind.WRITE_SIDECARS, Reach.SAME), (TaskKind.FETCH_PREVIEWS, Reach.SAME))
    ),
    TaskKind.IDENTIFY_CONTENT: Kind(
        Lane.NETWORK,
        Subject.CONTENT,
        100,
        _AFTER_A_MATCH,
        gathers_until=200,
    ),
    TaskKind.ENRICH_MODEL: Kind(
        Lane.NETWORK,
        Subject.MODEL,
        100,
        ((TaskKind.WRITE_SIDECARS, Reach.FILES_OF_MODEL),),
        gathers_until=100,
    ),
    TaskKind.MATCH_WEIGHTS: Kind(Lane.NETWORK, Subject.CONTENT, 1, _AFTER_A_MATCH),
    TaskKind.FETCH_PREVIEWS: Kind(
        Lane.NETWORK, Subject.FILE, 8, ((TaskKind.RENDER_PAGE, Reach.SAME),), is_read_apart=True
    ),
    TaskKind.RENDER_PAGE: Kind(Lane.DESK, Subject.FILE, 50, ((TaskKind.RENDER_GALLERY, Reach.FOLDER_OF_FILE),)),
    TaskKind.RENDER_GALLERY: Kind(Lane.DESK, Subject.FOLDER, 1),
    TaskKind.VERIFY_FILE: Kind(Lane.DISK, Subject.FILE, 16, is_read_apart=True),
}
"""The order of the hall. Work that can be derived has no row until it is claimed: INSPECT_FILE and HASH_FILE come from
files with `scan_phase` 0, IDENTIFY_CONTENT from contents whose `next_lookup_at` has come, MATCH_WEIGHTS from those that are to
be asked for by their weights, ENRICH_MODEL from models that were not asked for during a week."""

BULK_KINDS = frozenset({TaskKind.INSPECT_FILE} | {kind for kind, order in ORDER.items() if order.lane is Lane.DISK})
"""The kinds that read files from end to end, or are done with that in one go. Below `Priority.DROP` nobody waits for them."""

READING = frozenset({TaskKind.INSPECT_FILE, TaskKind.HASH_FILE})
"""What is owed of a file until it was read in full."""


@dataclass(frozen=True, slots=True)
class NewTask:
    """Work to be added. `subject` is a folder id or a row id as text; `path` narrows a scan to one path of the folder."""

    kind: TaskKind
    subject: str
    path: bytes = b""
    priority: int = Priority.REST
    due_at: datetime | None = None
    run_id: int | None = None
    is_forced: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of owed work as the journal holds it.

    `attempts` counts failed tries, `crashes` how often the daemon died with it in hand.
    """

    id: int
    kind: TaskKind
    subject: str
    path: bytes
    state: TaskState
    priority: int
    queued_at: datetime
    due_at: datetime
    attempts: int = 0
    crashes: int = 0
    run_id: int | None = None
    is_forced: bool = False
    last_error: str | None = None
    failure_kind: str | None = None
    failed_at: datetime | None = None


def reading_priority(scan: int, otherwise: int) -> int:
    """Give how urgently a file is to be read that a scan of the priority `scan` came past, and that is worth `otherwise`.

    What was dropped is read at once. A person who has folders looked through leaves the reading to its turn, unless it is
    asked for too.
    """
    if scan >= Priority.DEEP:
        return Priority.PERSON
    return otherwise if scan >= Priority.PERSON else max(scan, otherwise)
