"""What is owed and what failed: the journal, the chunks of deep reading, files that rotted."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.cli.checkup.finding import Finding, Level
from modelshelf.cli.wording import count_text, shortened, when_text
from modelshelf.domain.chunk import ChunkState
from modelshelf.domain.display import readable
from modelshelf.store.reports import Reports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelshelf.cli.checkup.finding import Deadline
    from modelshelf.cli.checkup.patient import Patient
    from modelshelf.store.store import Store

OVERDUE = timedelta(days=1)
CHUNKS_LOOKED_AT = 100
REASONS_SHOWN = 3
LONGEST_REASON = 120
"""Characters: a reason may hold a path and a server's words."""


def work(patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
    """Tell how much is owed by kind, since when, and how much was given up."""
    with patient.store() as store:
        if store is not None:
            yield from _owed(patient, store)
            yield from _failed(store)


def _owed(patient: Patient, store: Store) -> Iterator[Finding]:
    now = patient.clock.now()
    owed = {kind: count for kind, count in store.journal.owed(until=now).items() if count}
    kinds = ", ".join(f"{count:,} {kind.value}" for kind, count in owed.items())
    yield Finding("work", Level.OK, f"owed: {kinds}" if owed else "nothing is owed")
    oldest = Reports(store.database).oldest_due(now)
    if oldest is not None and now - oldest.due_at > OVERDUE and patient.pid is not None:
        text = f"a task ({oldest.kind.value}) has been due since {when_text(oldest.due_at, now)}"
        yield Finding("work", Level.WARNING, text, "see modelshelf status: an offline folder, a window, or a slow disk")


def _failed(store: Store) -> Iterator[Finding]:
    given_up, failures = store.journal.given_up(), Reports(store.database).failure_counts()
    if failures:
        kinds = ", ".join(f"{count:,} of kind {kind.value}" for kind, count in failures.items())
        yield Finding("work", Level.WARNING, f"failures: {kinds}; given up: {given_up:,}", "modelshelf failures")
    standing = [rot for rot in store.rot.standing() if rot.is_told]
    if standing:
        text = f"{count_text(len(standing), 'file holds', 'files hold')} other bytes than before: it rotted"
        yield Finding("work", Level.WRONG, text, "modelshelf verify tells which, and where a good copy is")


def chunks(patient: Patient, _deadline: Deadline) -> Iterator[Finding]:
    """Tell which chunks are stalled, and what is alike in those that failed last."""
    with patient.store() as store:
        if store is None:
            return
        now = patient.clock.now()
        for chunk in store.chunks.running():
            if chunk.is_stalled(now) and patient.pid is not None:
                text = f"chunk {chunk.id} gave no sign since {when_text(chunk.heard_at, now)}"
                advice = "see that its disk answers; modelshelf chunks"
                yield Finding("chunks", Level.WARNING, text, advice, chunk.folder_id)
        latest = store.chunks.latest(CHUNKS_LOOKED_AT)
    failed = [chunk for chunk in latest if chunk.state is ChunkState.FAILED or chunk.failed_files]
    if not failed:
        yield Finding("chunks", Level.OK, f"{count_text(len(latest), 'chunk', 'chunks')} read lately, none failed")
        return
    reasons = Counter((chunk.folder_id, chunk.reason or "single files of it failed") for chunk in failed)
    for (folder_id, reason), count in reasons.most_common(REASONS_SHOWN):
        text = f"{count_text(count, 'chunk', 'chunks')} of the last {len(latest)}: {_short(reason)}"
        advice = "modelshelf failures names the files; outputs/ in the state directory has the readers' words"
        yield Finding("chunks", Level.WARNING, text, advice, folder_id)


def _short(reason: str) -> str:
    return shortened(readable(reason), LONGEST_REASON)
