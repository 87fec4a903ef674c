"""Questions to Civitai that are owed though no task stands for them: a content or a model says so itself, by a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.task import Priority, TaskKind
from modelshelf.store.candidate import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelshelf.store.database import Database, Parameters

_ON_SHELF = "EXISTS (SELECT 1 FROM files f WHERE f.content_id = contents.id AND f.missing_since IS NULL)"
_NEXT_LEVEL = """SELECT max(lookup_priority) FROM contents
    WHERE next_lookup_at IS NOT NULL AND has_task = 0 AND lookup_priority < ?"""
_CONTENTS = f"""SELECT id AS subject, next_lookup_at AS due_at FROM contents
    WHERE lookup_priority = ? AND next_lookup_at <= ? AND next_lookup_at IS NOT NULL AND has_task = 0 AND {_ON_SHELF}
    ORDER BY next_lookup_at LIMIT ?"""  # noqa: S608 - constants only
_COUNT_CONTENTS = """SELECT count(*) FROM contents
    WHERE next_lookup_at <= :until AND next_lookup_at IS NOT NULL AND has_task = 0
        AND EXISTS (
            SELECT 1 FROM files f WHERE f.content_id = contents.id AND f.missing_since IS NULL
                AND (:folder IS NULL OR f.folder_id = :folder))"""
_MODELS = """SELECT id AS subject, next_check_at AS due_at FROM civitai_models m
    WHERE ? IS NOT NULL AND next_check_at <= ?
        AND NOT EXISTS (SELECT 1 FROM tasks WHERE kind = 'enrich_model' AND subject = CAST(m.id AS TEXT))
        AND EXISTS (SELECT 1 FROM versions v CROSS JOIN contents c ON c.version_id = v.id
            CROSS JOIN files f ON f.content_id = c.id WHERE v.model_id = m.id AND f.missing_since IS NULL
                AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.content_id = c.id AND d.matter = 'ignore'))
    ORDER BY next_check_at LIMIT ?"""
_COUNT_MODELS = """SELECT count(*) FROM civitai_models m
    WHERE next_check_at <= :until
        AND NOT EXISTS (SELECT 1 FROM tasks WHERE kind = 'enrich_model' AND subject = CAST(m.id AS TEXT))
        AND EXISTS (SELECT 1 FROM versions v CROSS JOIN contents c ON c.version_id = v.id
            CROSS JOIN files f ON f.content_id = c.id WHERE v.model_id = m.id AND f.missing_since IS NULL
                AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.content_id = c.id AND d.matter = 'ignore')
                AND (:folder IS NULL OR f.folder_id = :folder))"""
_WEIGHTS = f"""SELECT id AS subject, max(next_weights_lookup_at, coalesce(
        (SELECT max(weights_looked_up_at) FROM contents WHERE weights_looked_up_at IS NOT NULL) + :pause, 0)) AS due_at
    FROM contents INDEXED BY contents_to_match
    WHERE next_weights_lookup_at IS NOT NULL AND {_ON_SHELF}
        AND NOT EXISTS (SELECT 1 FROM tasks WHERE kind = 'match_weights' AND state <> 'failed')
        AND NOT EXISTS (SELECT 1 FROM tasks WHERE kind = 'match_weights' AND subject = CAST(contents.id AS TEXT))
        AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.content_id = contents.id AND d.matter = 'ignore')
    ORDER BY next_weights_lookup_at LIMIT 1"""  # noqa: S608 - constants only
_ABOVE_ALL = 2**31
_NEVER = 9e15

WEIGHTS_PAUSE_SECONDS = 10.0
"""Between two look-ups by weights: they are asked one by one, and most of them find nothing."""

_COUNTS = {TaskKind.IDENTIFY_CONTENT: _COUNT_CONTENTS, TaskKind.ENRICH_MODEL: _COUNT_MODELS}


class Questions:
    """Reads by indexes alone, one priority after the other; what is due in a month is never read past."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def levels(self, kind: TaskKind) -> dict[int, float]:
        """Give for each priority when the first question of a kind is due."""
        found = ((level, self.level(kind, level, _NEVER, 1)) for level in self._levels(kind))
        return {level: first[0].due_at for level, first in found if first}

    def level(self, kind: TaskKind, priority: int, now: float, limit: int) -> list[Candidate]:
        """Give the questions of one kind and priority that are due, the longest due first."""
        if kind is TaskKind.MATCH_WEIGHTS:
            rows = self._database.rows(_WEIGHTS, {"pause": WEIGHTS_PAUSE_SECONDS})
        else:
            sql = _CONTENTS if kind is TaskKind.IDENTIFY_CONTENT else _MODELS
            rows = self._database.rows(sql, (priority, now, limit))
        return [Candidate(kind, str(row["subject"]), priority, row["due_at"]) for row in rows if row["due_at"] <= now]

    def count_level(self, kind: TaskKind, priority: int, until: float, most: int) -> int:
        """Count the questions of one kind and priority that are due by `until`, but no further than `most`."""
        sql = _CONTENTS if kind is TaskKind.IDENTIFY_CONTENT else _MODELS
        return self._number(f"SELECT count(*) FROM ({sql})", (priority, until, most))  # noqa: S608 - constants only

    def count(self, kind: TaskKind, folder_id: str | None, until: float) -> int:
        """Count the questions of a kind that are due by `until`, for one folder or for all; of trickling ones the next."""
        if kind is TaskKind.MATCH_WEIGHTS:
            return 0 if folder_id is not None else len(self.level(kind, Priority.VERIFY, until, 1))
        return self._number(_COUNTS[kind], {"folder": folder_id, "until": until}) if kind in _COUNTS else 0

    def _levels(self, kind: TaskKind) -> Iterator[int]:
        """Go down level by level: within one, the index gives those that are due without a look at the others."""
        if kind is not TaskKind.IDENTIFY_CONTENT:
            yield Priority.VERIFY if kind is TaskKind.MATCH_WEIGHTS else Priority.REST
            return
        level = _ABOVE_ALL
        while (row := self._database.row(_NEXT_LEVEL, (level,))) is not None and row[0] is not None:
            level = row[0]
            yield level

    def _number(self, sql: str, parameters: Parameters) -> int:
        row = self._database.row(sql, parameters)
        return int(row[0]) if row is not None else 0
