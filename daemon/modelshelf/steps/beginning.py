"""Beginning a Run of a Job: what it does is owed from here on, in the journal or in the catalog itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.job import JobKind
from modelshelf.domain.task import NewTask, Priority, TaskKind
from modelshelf.logs import get_log
from modelshelf.steps.verifying import begin_verification

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelshelf.clock import Clock
    from modelshelf.domain.job import Appointment, Deed
    from modelshelf.store.store import Store

log = get_log(__name__)

SCANS = {JobKind.SCAN_PATHS, JobKind.DEEP_SCAN}
ORDERED = {JobKind.DEEP_SCAN, JobKind.VERIFY}
READING = SCANS | ORDERED
"""What a run goes on with, and reports at its end; anything else is owed when it begins, and done in its turn."""


def begin_run(store: Store, appointment: Appointment, clock: Clock, priority: Priority) -> int:
    """Start a Run of a job and owe what it does; gives the run's id.

    A deep scan or verification that the calendar begins orders its folders to be read when they have leave, even where nothing
    is read without an order; what a person begins is read at once.
    """
    now = clock.now()
    with store.database.transaction():
        reading = [deed for deed in appointment.deeds if deed.kind in READING]
        folder_ids = dict.fromkeys(folder_id for deed in reading for folder_id in deed.folder_ids)
        run_id = store.runs.start(appointment.job_name, now, tuple(folder_ids))
        if not reading:
            store.runs.end(run_id, now)
        for deed in appointment.deeds:
            store.journal.add([*_tasks(deed, run_id, priority)], now)
            if deed.kind is JobKind.CHECK_UPDATES:
                store.remote.check(deed.folder_ids, now)
            for folder_id in deed.folder_ids if deed.kind is JobKind.DEEP_SCAN else ():
                store.reading.count_in(run_id, folder_id)
            if deed.kind in ORDERED:
                _have_read(store, deed, priority)
            if deed.kind is JobKind.VERIFY:
                begin_verification(store, appointment.verification, deed.folder_ids, run_id, now, _verifying(priority))
    log.info("job_started", job=appointment.job_name, run=run_id)
    return run_id


def _tasks(deed: Deed, run_id: int, priority: Priority) -> Iterator[NewTask]:
    for folder_id in deed.folder_ids:
        if deed.kind in SCANS:
            is_deep = deed.kind is JobKind.DEEP_SCAN and priority >= Priority.PERSON
            yield NewTask(
                TaskKind.SCAN_FOLDER,
                folder_id,
                priority=Priority.DEEP if is_deep else priority,
                run_id=run_id,
                is_forced=deed.is_forced,
            )
        if deed.kind is JobKind.BUILD_GALLERY:
            yield NewTask(TaskKind.RENDER_GALLERY, folder_id, priority=priority, run_id=run_id)


def _verifying(priority: Priority) -> Priority:
    return priority if priority >= Priority.PERSON else Priority.VERIFY


def _have_read(store: Store, deed: Deed, priority: Priority) -> None:
    if priority < Priority.PERSON:
        store.orders.add(deed.folder_ids)
        return
    for folder_id in deed.folder_ids if deed.kind is JobKind.DEEP_SCAN else ():
        store.reading.raise_to(folder_id, b"", Priority.PERSON)
