"""Reports: what a person asks of the whole store at once. Nothing here is read by the daemon's own work."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from modelshelf.domain.failure import FailureKind
from modelshelf.domain.task import TaskState
from modelshelf.errors import UsageError
from modelshelf.store.columns import from_epoch, id_list, to_epoch
from modelshelf.store.file_rows import join
from modelshelf.store.task_rows import task_from

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from modelshelf.domain.task import Task, TaskKind
    from modelshelf.store.database import Database


class FileState(StrEnum):
    """Where a file stands; each file is in one state, the first that fits, in this order."""

    MISSING = "missing"
    WAITING = "waiting"
    BROKEN = "broken"
    PENDING = "pending"
    IGNORED = "ignored"
    KNOWN = "known"
    UNIDENTIFIED = "unidentified"


STATE_OF_FILE = """CASE
    WHEN f.missing_since IS NOT NULL THEN 'missing'
    WHEN f.waiting_reason IS NOT NULL THEN 'waiting'
    WHEN h.verdict IN ('broken', 'incomplete') THEN 'broken'
    WHEN f.scan_phase = 0 THEN 'pending'
    WHEN EXISTS (SELECT 1 FROM decisions d WHERE d.content_id = c.id AND d.matter = 'ignore') THEN 'ignored'
    WHEN c.version_id IS NOT NULL THEN 'known'
    WHEN EXISTS (SELECT 1 FROM decisions d WHERE d.content_id = c.id AND d.matter = 'name') THEN 'known'
    WHEN EXISTS (SELECT 1 FROM facts t WHERE t.owner = 'file' AND t.owner_id = f.id
        AND t.source IN ('user', 'forge', 'civitai_json', 'tool_json', 'stablequeue')
        AND t.field IN ('name', 'model_id', 'version_id')) THEN 'known'
    WHEN c.next_lookup_at IS NOT NULL AND c.looked_up_at IS NULL THEN 'pending'
    ELSE 'unidentified' END"""
"""`pending`: not read yet, or Civitai was not asked yet. `known`: Civitai, a sidecar or a person says what it is."""

_TABLES = """files f LEFT JOIN headers h ON h.file_id = f.id LEFT JOIN contents c ON c.id = f.content_id"""
_COUNTS = """SELECT folder_id, state, count FROM file_states WHERE count > 0
    UNION ALL
    SELECT id, 'pending', file_count - (SELECT coalesce(sum(count), 0) FROM file_states s
        WHERE s.folder_id = folders.id AND s.state NOT IN ('missing', 'missing, no model')) FROM folders"""
_STATES = f"""SELECT f.id, {STATE_OF_FILE} AS state FROM {_TABLES}
    WHERE f.id IN (SELECT value FROM json_each(?))"""  # noqa: S608 - constants
_WAITING = """SELECT f.folder_id, f.directory, f.name, coalesce(f.waiting_reason, h.reason, h.verdict) AS reason,
        f.last_changed_at
    FROM files f LEFT JOIN headers h ON h.file_id = f.id
    WHERE f.id IN (SELECT id FROM files WHERE waiting_reason IS NOT NULL
            UNION SELECT file_id FROM headers WHERE verdict = 'incomplete' AND verdict IN ('broken', 'incomplete'))
        AND f.missing_since IS NULL
    ORDER BY f.last_changed_at DESC LIMIT ?"""
_BROKEN = """SELECT f.id, f.folder_id, f.directory, f.name, f.last_changed_at, h.verdict, h.reason,
        (SELECT e.happened_at FROM found e WHERE e.file_id = f.id) AS found_at
    FROM headers h JOIN files f ON f.id = h.file_id
    WHERE h.verdict IN ('broken', 'incomplete') AND f.missing_since IS NULL ORDER BY f.id"""
_FOUND = """WITH found AS (SELECT file_id, max(happened_at) AS happened_at FROM events
    WHERE name IN ('file_found_broken', 'file_found_incomplete') GROUP BY 1)"""
_FAILED = """SELECT kind, sum(count) AS count FROM (
    SELECT coalesce(failure_kind, 'internal') AS kind, count(*) AS count FROM tasks
        WHERE attempts > 0 AND state IN ('failed', 'queued') GROUP BY 1
    UNION ALL SELECT 'access', count(*) FROM failures f JOIN folders d ON d.id = f.folder_id AND d.is_configured = 1
    UNION ALL SELECT 'invalid_format', count(*) FROM headers h JOIN files f ON f.id = h.file_id
        WHERE h.verdict IN ('broken', 'incomplete') AND f.missing_since IS NULL
    ) GROUP BY 1 HAVING sum(count) > 0"""
_NEAR = """SELECT * FROM tasks WHERE state = 'queued' AND attempts = 0 AND due_at > ? AND due_at <= ?
    AND kind IN (SELECT value FROM json_each(?)) AND (kind <> 'render_gallery' OR subject IN (SELECT value FROM json_each(?)))"""
_OLDEST_DUE = """SELECT * FROM tasks WHERE state = 'queued' AND due_at <= ?
    AND subject NOT IN (SELECT id FROM folders WHERE offline_since IS NOT NULL) ORDER BY due_at LIMIT 1"""
_HASH_COLUMNS = ("sha256", "blake3", "autov1", "autov2", "autov3", "crc32")
_BY_PREFIX = " UNION ".join(
    f"SELECT id FROM contents WHERE {name} >= :low AND {name} < :high"  # noqa: S608 - constants
    for name in _HASH_COLUMNS
)
_SIZES = """SELECT (SELECT count(*) FROM files) AS files, (SELECT count(*) FROM contents) AS contents,
    (SELECT count(*) FROM runs) AS runs, (SELECT count(*) FROM events) AS events,
    (SELECT value FROM tallies WHERE name = 'answer_bytes') AS answer_bytes"""


@dataclass(frozen=True, slots=True)
class WaitingFile:
    """A file that is not whole yet, since when, and why it is not."""

    folder_id: str
    path: bytes
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """A file that is not what it claims to be."""

    file_id: int
    folder_id: str
    path: bytes
    verdict: str
    reason: str
    found_at: datetime


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much the store holds. `answer_bytes`: Civitai's answers, compressed."""

    files: int
    contents: int
    runs: int
    events: int
    answer_bytes: int


class Reports:
    """Counts and lists over the whole catalog and journal."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def counts(self) -> dict[str, dict[FileState, int]]:
        """Count the files of every folder by state; a state that no file is in is left out, and what is no model at all.

        The counts are kept by triggers, but for what is pending: that is the rest.
        """
        found: defaultdict[str, dict[FileState, int]] = defaultdict(dict)
        for folder_id, state, count in self._database.rows(_COUNTS):
            if count > 0 and state in set(FileState):
                found[folder_id][FileState(state)] = count
        return dict(found)

    def states(self, file_ids: Iterable[int]) -> dict[int, FileState]:
        """Give the state of each of these files."""
        return {row["id"]: FileState(row["state"]) for row in self._database.rows(_STATES, (id_list(file_ids),))}

    def waiting(self, limit: int) -> list[WaitingFile]:
        """Give the files that are not whole yet, the latest first; those too whose writer has paused or given up."""
        return [
            WaitingFile(
                row["folder_id"],
                join(row["directory"], row["name"]),
                row["reason"],
                from_epoch(row["last_changed_at"]),
            )
            for row in self._database.rows(_WAITING, (limit,))
        ]

    def broken(self) -> list[BrokenFile]:
        """Give the files whose header shows that they are broken or incomplete."""
        return [
            BrokenFile(
                row["id"],
                row["folder_id"],
                join(row["directory"], row["name"]),
                row["verdict"],
                row["reason"] or row["verdict"],
                from_epoch(row["found_at"] or row["last_changed_at"]),
            )
            for row in self._database.rows(f"{_FOUND} {_BROKEN}")
        ]

    def failure_counts(self) -> dict[FailureKind, int]:
        """Count what failed, by kind: tasks given up or to be tried again, what scans cannot see, broken files."""
        return {FailureKind(row["kind"]): row["count"] for row in self._database.rows(_FAILED)}

    def running(self) -> list[Task]:
        """Give the tasks in hand."""
        found = self._database.rows("SELECT * FROM tasks WHERE state = ? ORDER BY id", (TaskState.RUNNING,))
        return [task_from(row) for row in found]

    def oldest_due(self, now: datetime) -> Task | None:
        """Give the task that has been due for longest and waits in a folder that is there, None where none is due."""
        row = self._database.row(_OLDEST_DUE, (to_epoch(now),))
        return None if row is None else task_from(row)

    def soon(
        self, kinds: Collection[TaskKind], folder_ids: Collection[str], now: datetime, until: datetime
    ) -> list[Task]:
        """Give the tasks of these kinds that linger and never failed: not due yet, but due by `until`."""
        parameters = (to_epoch(now), to_epoch(until), id_list(kinds), id_list(folder_ids))
        return [task_from(row) for row in self._database.rows(_NEAR, parameters)]

    def contents_like(self, prefix: str) -> list[int]:
        """Give the ids of the contents that have a hash, any of the six, beginning with `prefix`, in any case."""
        low = prefix.upper()
        found = self._database.rows(f"{_BY_PREFIX} ORDER BY 1", {"low": low, "high": f"{low}~"})
        return [int(row["id"]) for row in found]

    def files_named(self, name: bytes) -> list[int]:
        """Give the ids of the files of this name, in whichever directory, missing ones too."""
        return [
            int(row["id"]) for row in self._database.rows("SELECT id FROM files WHERE name = ? ORDER BY id", (name,))
        ]

    def spellings(self, column: str, word: str) -> list[str]:
        """Give how an entry's `column` ("model_type", "base_model") spells `word`, or for nothing alike all that it holds."""
        if column not in {"model_type", "base_model"}:
            raise UsageError(f"entries have no {column!r} to choose by")
        found = self._database.rows(
            f"SELECT DISTINCT {column} AS spelling FROM entries WHERE {column} IS NOT NULL ORDER BY 1"  # noqa: S608 - constants
        )
        known = [str(row["spelling"]) for row in found]
        return [each for each in known if each.casefold() == word.casefold()] or known

    def scans(self, folder_ids: Collection[str], path: bytes | None = None) -> list[Task]:
        """Give the scans owed in these folders: of one path, or for None those of whole folders and those of a run."""
        found = self._database.rows(
            """SELECT * FROM tasks WHERE kind = 'scan_folder' AND subject IN (SELECT value FROM json_each(?1))
                AND (path IS ?2 OR (?2 IS NULL AND (path = x'' OR run_id IS NOT NULL))) ORDER BY id""",
            (id_list(folder_ids), path),
        )
        return [task_from(row) for row in found]

    def sizes(self) -> Sizes:
        """Tell how much the store holds."""
        return Sizes(**dict(self._database.rows(_SIZES)[0]))
