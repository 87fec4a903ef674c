"""How the daemon did while it worked: what it took of the machine, what it did to its database. For the log and for `status`."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from modelshelf.cli.wording import count_text, moment_json, size_text, span_text, when_text
from modelshelf.logs import get_log
from modelshelf.vitals import vitals_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from modelshelf.clock import Clock
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.store.store import Store
    from modelshelf.vitals import Vitals

log = get_log(__name__)

VITALS_STANDING = "vitals"
"""The name under which the last ones are kept for other processes."""

VERSION_STANDING = "version"
"""The name under which the daemon says which modelshelf it is."""

REPORT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Work:
    """What was done within `seconds` up to `at`, and how large process and store were then; None is what cannot be seen."""

    at: datetime
    seconds: int
    tasks: int
    transactions: int
    cpu_seconds: float
    read_bytes: int | None
    written_bytes: int | None
    memory_bytes: int
    threads: int
    open_files: int | None
    database_bytes: int
    wal_bytes: int


@dataclass(frozen=True, slots=True)
class _Count:
    """What only ever grows."""

    at_seconds: float
    tasks: int
    transactions: int
    cpu_seconds: float
    read_bytes: int | None
    written_bytes: int | None


class Health:
    """Tells what the last minutes of work cost, at most every five of them, and nothing of those without work."""

    def __init__(
        self, store: Store, clock: Clock, take: Callable[[], Vitals | None] = lambda: vitals_of(os.getpid())
    ) -> None:
        self._store = store
        self._clock = clock
        self._take = take
        self._before = self._count(take())

    def look(self) -> None:
        """Log how it went since the last time, and keep it for `status`; where no work ran nothing is asked or written."""
        now = self._clock.monotonic()
        if self._store.database.transaction_count == self._before.transactions:
            return
        if now - self._before.at_seconds < REPORT_SECONDS:
            return
        vitals = self._take()
        if vitals is None:
            return
        work = self._since_before(vitals)
        log.info("vitals_taken", **{name: value for name, value in asdict(work).items() if name != "at"})
        self._store.standing.put(VITALS_STANDING, TypeAdapter(Work).dump_json(work).decode())
        self._before = self._count(vitals)

    def _since_before(self, vitals: Vitals) -> Work:
        before, after, path = self._before, self._count(vitals), self._store.database.path
        return Work(
            at=self._clock.now(),
            seconds=round(after.at_seconds - before.at_seconds),
            tasks=after.tasks - before.tasks,
            transactions=after.transactions - before.transactions,
            cpu_seconds=round(after.cpu_seconds - before.cpu_seconds, 2),
            read_bytes=_growth(before.read_bytes, after.read_bytes),
            written_bytes=_growth(before.written_bytes, after.written_bytes),
            memory_bytes=vitals.memory_bytes,
            threads=vitals.threads,
            open_files=vitals.open_files,
            database_bytes=size_at(path),
            wal_bytes=size_at(path.with_name(f"{path.name}-wal")),
        )

    def _count(self, vitals: Vitals | None) -> _Count:
        return _Count(
            at_seconds=self._clock.monotonic(),
            tasks=self._store.journal.settled_count,
            transactions=self._store.database.transaction_count,
            cpu_seconds=vitals.cpu_seconds if vitals else 0.0,
            read_bytes=vitals.read_bytes if vitals else None,
            written_bytes=vitals.written_bytes if vitals else None,
        )


def _growth(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def size_at(path: Path) -> int:
    """Give the size of a file, 0 where there is none or it may not be seen."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def last_work(store: Store) -> Work | None:
    """Give what `Health` kept last; None where it never did, or where it is of another version."""
    try:
        return TypeAdapter(Work).validate_json(store.standing.get(VITALS_STANDING) or "")
    except ValidationError:
        return None


def work_json(work: Work) -> JsonObject:
    """Give it as JSON."""
    return {**asdict(work), "at": moment_json(work.at)}


def work_text(work: Work, now: datetime) -> str:
    """Say it in a line."""
    parts = [
        count_text(work.tasks, "task", "tasks"),
        count_text(work.transactions, "transaction", "transactions"),
        f"{work.cpu_seconds:,.0f} s of processor",
    ]
    parts += [] if work.read_bytes is None else [f"{size_text(work.read_bytes)} read"]
    parts += [] if work.written_bytes is None else [f"{size_text(work.written_bytes)} written"]
    return f"{', '.join(parts)} in {span_text(timedelta(seconds=work.seconds))}, until {when_text(work.at, now)}"
