"""Departures: when questions to Civitai leave. What is urgent does at once; the rest waits a little, to leave together.

One request asks about a thousand hashes or a hundred models, so each that leaves alone costs as much as all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.task import ORDER, Priority, TaskKind
from modelshelf.store.columns import id_list
from modelshelf.store.suspects import CRASHES_UNTIL_ALONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelshelf.store.candidate import Candidate
    from modelshelf.store.database import Database
    from modelshelf.store.questions import Questions
    from modelshelf.store.waiting_line import WaitingLine

LINGER_SECONDS = 30.0
"""For so long the first of those that wait for company waits at most."""

URGENT_CROWD = 20
"""What was dropped or asked for waits for company only where so much of the same urgency is about to follow it."""

KINDS = frozenset(kind for kind, order in ORDER.items() if order.gathers_until) | {TaskKind.MATCH_WEIGHTS}
"""The kinds whose tasks are questions that leave from here."""

_RESTING = tuple(int(each) for each in Priority if each < Priority.DROP)
_LEVELS = "priority IN (SELECT value FROM json_each(:levels))"
_FILES_TO_COME = f"""SELECT count(*) FROM (SELECT 1 FROM folders d
    CROSS JOIN (SELECT 0 AS flag UNION ALL SELECT 1) CROSS JOIN files f INDEXED BY files_to_read
        ON f.folder_id = d.id AND f.is_inspected = flag AND f.{_LEVELS}
    WHERE d.is_configured = 1 AND d.offline_since IS NULL AND f.scan_phase = 0 AND f.missing_since IS NULL
        AND f.waiting_reason IS NULL AND f.has_task = 0 LIMIT :most)"""  # noqa: S608 - constants only
_READ_IN_HAND = f"""SELECT count(*) FROM tasks INDEXED BY tasks_in_hand
    WHERE state = 'running' AND kind IN ('scan_folder', 'inspect_file', 'hash_file', 'write_sidecars')
        AND {_LEVELS}"""  # noqa: S608 - constants only
_READ_QUEUED = f"""SELECT count(*) FROM (SELECT 1 FROM folders d
    CROSS JOIN tasks t INDEXED BY tasks_by_urgency
        ON t.kind IN ('inspect_file', 'hash_file', 'write_sidecars') AND t.folder_id = d.id AND t.{_LEVELS}
    WHERE d.is_configured = 1 AND d.offline_since IS NULL AND t.state = 'queued' AND t.crashes < {CRASHES_UNTIL_ALONE}
        AND t.due_at <= t.queued_at LIMIT :most)"""  # noqa: S608 - constants only
_LOOKUPS_OWED = f"""SELECT count(*) FROM (SELECT 1 FROM contents
    WHERE lookup_{_LEVELS} AND next_lookup_at <= :until AND next_lookup_at IS NOT NULL AND has_task = 0
        AND EXISTS (SELECT 1 FROM files f WHERE f.content_id = contents.id AND f.missing_since IS NULL)
    LIMIT :most)"""  # noqa: S608 - constants only
_LOOKUPS_QUEUED = f"""SELECT count(*) FROM (SELECT 1 FROM tasks INDEXED BY tasks_by_urgency
    WHERE kind = 'identify_content' AND folder_id = '' AND {_LEVELS} AND due_at <= :until
        AND state = 'queued' AND crashes < {CRASHES_UNTIL_ALONE} LIMIT :most)"""  # noqa: S608 - constants only
_LOOKUPS_IN_HAND = f"""SELECT count(*) FROM tasks INDEXED BY tasks_in_hand
    WHERE state = 'running' AND kind = 'identify_content' AND {_LEVELS}"""  # noqa: S608 - constants only
_BEFORE = {
    TaskKind.IDENTIFY_CONTENT: (_READ_IN_HAND, _FILES_TO_COME, _READ_QUEUED),
    TaskKind.ENRICH_MODEL: (_LOOKUPS_IN_HAND, _LOOKUPS_OWED, _LOOKUPS_QUEUED),
}
"""What is still to be done before more of a kind is owed, the cheapest count first; not what is put off or tried again."""


class Departures:
    """Each priority leaves by itself: what is urgent is neither held up by the rest nor takes it along.

    When a level leaves follows from the tables alone, so nothing polls: a worker sleeps until then, or until the bell tells
    it that something has changed.
    """

    def __init__(self, database: Database, waiting: WaitingLine, questions: Questions) -> None:
        self._database = database
        self._readers = (waiting, questions)

    def due(self, kind: TaskKind, now: float, limit: int) -> list[Candidate]:
        """Give the questions of the highest priority that leaves now; empty where none does."""
        for priority, leaves_at in self._departures(kind):
            if leaves_at <= now:
                found = [each for reader in self._readers for each in reader.level(kind, priority, now, limit)]
                return sorted(found, key=lambda each: each.place_in_batch)[:limit]
        return []

    def next_due_at(self, kind: TaskKind) -> float | None:
        """Give when the next questions leave as things stand, None where none are owed."""
        return min((leaves_at for _, leaves_at in self._departures(kind)), default=None)

    def _departures(self, kind: TaskKind) -> Iterator[tuple[int, float]]:
        firsts = [reader.levels(kind) for reader in self._readers]
        for priority in sorted({level for each in firsts for level in each}, reverse=True):
            due_at = min(each[priority] for each in firsts if priority in each)
            yield priority, due_at + (LINGER_SECONDS if self._waits_for_company(kind, priority, due_at) else 0.0)

    def _waits_for_company(self, kind: TaskKind, priority: int, due_at: float) -> bool:
        enough = ORDER[kind].gathers_until
        until = due_at + LINGER_SECONDS
        if enough is None or not self._is_more_to_come(kind, priority, until):
            return False
        return sum(reader.count_level(kind, priority, until, enough) for reader in self._readers) < enough

    def _is_more_to_come(self, kind: TaskKind, priority: int, until: float) -> bool:
        is_urgent = priority >= Priority.DROP
        crowd = URGENT_CROWD if is_urgent else 1
        levels = id_list([priority] if is_urgent else _RESTING)
        count = 0
        for sql in _BEFORE[kind]:
            row = self._database.row(sql, {"levels": levels, "until": until, "most": crowd})
            count += int(row[0]) if row is not None else 0
            if count >= crowd:
                return True
        return False
