"""The worker: claims a batch, lets its step perform it, and records what came out in one transaction."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from modelshelf.domain.failure import FailureKind
from modelshelf.domain.task import ORDER, Lane, NewTask, Priority, Subject, TaskKind
from modelshelf.errors import FileChanged, ModelshelfError, ReaderDied, StoreError, TransientError, WorkStopped
from modelshelf.files import directories_synced_once
from modelshelf.logs import get_log
from modelshelf.steps.step import Done, Failed, Interrupted
from modelshelf.store.suspects import CRASHES_UNTIL_ALONE
from modelshelf.worker.bulk import DiskBulk
from modelshelf.worker.bulk_reins import BulkReins
from modelshelf.worker.lanes import NO_DEVICE
from modelshelf.worker.reins import ReadingReins, ScanReins, WorkerReins
from modelshelf.worker.retry import Forget, GiveUp, RetryAt, decide
from modelshelf.worker.run_ends import AWAITED, end_runs
from modelshelf.worker.succession import successors

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from modelshelf.domain.task import Task
    from modelshelf.steps.step import Outcome, Step
    from modelshelf.worker.hall import Hall

log = get_log(__name__)

DERIVED_FROM_FILES = {TaskKind.INSPECT_FILE, TaskKind.HASH_FILE}
LOOK_FIRST = timedelta(seconds=2)

Post: TypeAlias = tuple[Lane, str, int]
"""The lane and the device a worker is there for, and which one of those for both it is."""

READER_KEPT_SECONDS = 2.0
"""So long a reader without work is kept: to start one costs a tenth of a second."""

PAUSE_SECONDS = 5.0
"""After the journal refused to take a result (full or locked disk), or a step broke in a way nobody foresaw."""


class Worker(threading.Thread):
    """One thread for one lane of one device, so that nothing but its own device can hold it up."""

    def __init__(self, lane: Lane, hall: Hall, device: str = NO_DEVICE, number: int = 0) -> None:
        parts = ["worker", lane, device, str(number + 1) if number else ""]
        super().__init__(name="-".join(filter(None, parts)), daemon=True)
        self.lane = lane
        self.device = device
        self.post: Post = (lane, device, number)
        self.is_dismissed = False
        self._hall = hall
        self._reins: WorkerReins | None = None
        is_reader = lane is Lane.DISK
        self._bulk = DiskBulk(hall, device, self._work_off, lambda: self.is_dismissed) if is_reader else None

    def dismiss(self) -> None:
        """Let it end when it has put down what it holds."""
        self.is_dismissed = True
        self._hall.bell.ring()

    def silent_seconds(self) -> float:
        """Tell for how long the step in hand has given no sign of life; 0 for a worker at rest."""
        reins = self._reins
        return 0.0 if reins is None or reins.is_resting else self._hall.clock.monotonic() - reins.heard_at

    def run(self) -> None:
        """Work until the hall closes. A journal that cannot be trusted ends the daemon; nothing else does."""
        try:
            while not (self._hall.stopping.is_set() or self.is_dismissed):
                self._take_turn()
            if self._bulk is not None:
                self._insist(self._bulk.put_down)
        except StoreError as error:
            if not self._hall.closed.is_set():
                self._hall.on_fatal(error)
        finally:
            if self._bulk is not None:
                self._bulk.close()

    def _take_turn(self) -> None:
        heard = self._hall.bell.rings
        try:
            if not self.turn():
                self._rest(heard)
        except TransientError as error:
            log.warning("journal_not_written", reason=str(error))
            self._pause()
        except StoreError:
            raise
        except Exception:
            log.exception("worker_stumbled", lane=self.lane)
            self._pause()

    def _rest(self, heard: int) -> None:
        """Sleep until there is something to do; a reader who has nothing to do for a moment is let go first."""
        bell, seconds = self._hall.bell, self._idle_seconds()
        is_long = seconds is None or seconds > READER_KEPT_SECONDS
        if self._bulk is None or not self._bulk.is_reading or not is_long:
            bell.wait(heard, seconds)
            return
        bell.wait(heard, READER_KEPT_SECONDS)
        if bell.rings == heard:
            self._bulk.close()

    def _pause(self) -> None:
        self._hall.stopping.wait(PAUSE_SECONDS)

    def turn(self) -> bool:
        """Claim and work off one batch, or one chunk; False if nothing was due."""
        now, folder_ids = self._hall.clock.now(), self._hall.lanes.folders_on(self.device)
        journal = self._hall.store.journal
        if self._bulk is not None:
            urgent = journal.claim(self.lane, now, folder_ids, least=Priority.DROP)
            if self._work_off(urgent) or self._bulk.turn(now, folder_ids):
                return True
        if self._work_off(journal.claim(self.lane, now, folder_ids, held=folder_ids)):
            return True
        if self._work_off(self._claim_suspect(now, folder_ids)):
            return True
        return self.lane is Lane.DESK and journal.end_lingering(now, folder_ids, is_offline=self._hall.is_offline)

    def _claim_suspect(self, now: datetime, folder_ids: Collection[str]) -> list[Task]:
        """Take what may have killed the daemon; it is read where it has leave, which nobody asks for while there is none."""
        journal = self._hall.store.journal
        if journal.next_suspect_at(self.lane, folder_ids) is None:
            return []
        return journal.claim_suspect(self.lane, now, self._hall.leave.free(folder_ids, now))

    def _idle_seconds(self) -> float | None:
        now, folder_ids = self._hall.clock.now(), self._hall.lanes.folders_on(self.device)
        due_at = self._hall.store.journal.next_due_at(self.lane, folder_ids, held=folder_ids)
        seconds = [] if due_at is None else [(due_at - now).total_seconds()]
        bulk_seconds = None if self._bulk is None else self._bulk.idle_seconds(now, folder_ids)
        if bulk_seconds is not None:
            seconds.append(bulk_seconds)
        suspect_at = self._next_suspect_at(now, folder_ids)
        if suspect_at is not None:
            seconds.append((suspect_at - now).total_seconds())
        return max(0.05, min(seconds)) if seconds else None

    def _next_suspect_at(self, now: datetime, folder_ids: Collection[str]) -> datetime | None:
        """Give when a suspect is due, or may have leave to be read."""
        journal, leave = self._hall.store.journal, self._hall.leave
        if journal.next_suspect_at(self.lane, folder_ids) is None:
            return None
        return journal.next_suspect_at(self.lane, leave.free(folder_ids, now)) or leave.next_change(now)

    def _work_off(self, tasks: list[Task]) -> bool:
        if not tasks:
            return False
        if self._hall.closed.is_set():
            self._hall.store.journal.release(tasks)
            return False
        step = self._hall.steps[tasks[0].kind]
        self._hall.in_hand.update({task.id: (task, 0) for task in tasks})
        try:
            reached = self._attempt(step, tasks)
            self._release([task for task in tasks if task.id not in reached])
            if step.kind in AWAITED:
                end_runs(self._hall)
        except Interrupted:
            return False  # budget: the hall is closed, and has given back what was in hand itself
        except Exception:
            self._give_back(tasks)
            raise
        finally:
            self._put_down(tasks)
        self._hall.bell.ring()
        return True

    def _put_down(self, tasks: Sequence[Task]) -> None:
        """Have the tasks in hand no more; a hall that is closed still has to give them back."""
        if any(task.priority >= Priority.DROP for task in tasks):
            self._hall.lull.end(self._hall.clock.monotonic())
        for task in tasks:
            if not self._hall.closed.is_set():
                self._hall.in_hand.pop(task.id, None)
                self._hall.unwanted.discard(task.id)

    def _release(self, tasks: Sequence[Task]) -> None:
        if tasks:
            with self._hall.transaction():
                self._hall.store.journal.release(tasks)

    def _attempt(self, step: Step[Any], tasks: Sequence[Task]) -> set[int]:
        """Perform and record; gives the ids of the tasks that came to something.

        What breaks in a way nobody foresaw is tried task by task, so that one never costs its neighbours anything.
        """
        try:
            outcomes = self._perform(step, tasks)
            self._record(step, outcomes)
        except (TransientError, StoreError, Interrupted):
            raise
        except Exception as error:
            if len(tasks) > 1:
                return {task_id for task in tasks for task_id in self._attempt(step, [task])}
            log.exception("step_broke", kind=step.kind, subject=tasks[0].subject)
            self._record(step, [Failed(tasks[0], _named(error))])
            return {tasks[0].id}
        return {outcome.task.id for outcome in outcomes}

    def _give_back(self, tasks: Sequence[Task]) -> None:
        """Queue again what could not be recorded."""
        self._insist(partial(self._release, tasks))

    def _insist(self, write: Callable[[], None]) -> None:
        """Have the journal told what nobody else knows, waiting as long as the disk stays full."""
        while True:
            try:
                write()
            except Interrupted:
                return
            except TransientError as error:
                log.warning("journal_not_written", reason=str(error))
                if self._hall.stopping.wait(PAUSE_SECONDS):
                    return  # the next start queues again what is running
            else:
                return

    def _perform(self, step: Step[Any], tasks: Sequence[Task]) -> list[Outcome[Any]]:
        is_scan = step.kind is TaskKind.SCAN_FOLDER and self._reins is None  # not one that a scan lets by
        if is_scan:
            self._hall.stopped_scans.clear()  # said of a scan that had ended by then
        reins_before, reins = self._reins, self._reins_for(tasks[0])
        self._reins = reins
        started = time.monotonic()
        outcomes: list[Outcome[Any]] = []
        try:
            with directories_synced_once():
                outcomes = step.perform(tasks, reins)
        except Interrupted:
            log.info("work_given_back", kind=step.kind, tasks=len(tasks))
        except ModelshelfError as error:
            outcomes = [Failed(task, error) for task in tasks]
        finally:
            self._reins = reins_before
            log.debug("batch_performed", kind=step.kind, tasks=len(tasks), seconds=round(time.monotonic() - started, 4))
        if self._bulk is not None and isinstance(reins, BulkReins):
            outcomes = self._bulk.sifted(outcomes)
        if self._hall.stopping.is_set():
            return [outcome for outcome in outcomes if not _is_for_later(outcome)]
        if is_scan and self._hall.stopped_scans.is_set():
            return [*outcomes, *self._stopped(tasks, outcomes)]
        return outcomes

    def _reins_for(self, task: Task) -> WorkerReins:
        is_apart = task.crashes >= CRASHES_UNTIL_ALONE
        if self._bulk is not None and task.priority < Priority.DROP and not is_apart:
            return BulkReins(self._hall, self._bulk)
        if self.lane is Lane.DISK:
            return ReadingReins(self._hall, self._let_reading_by, is_apart=is_apart)
        if task.kind is TaskKind.SCAN_FOLDER and self._reins is None:
            return ScanReins(self._hall, partial(self._let_drops_by, task), is_apart=is_apart)
        return WorkerReins(self._hall, is_apart=is_apart)

    def _let_reading_by(self, task: Task, done_bytes: int) -> None:
        """Do what need not wait for the rest of a long read: on its device nobody else reads, and it pauses meanwhile."""
        file = self._hall.store.files.get(int(task.subject))
        if file is not None:
            left_bytes = file.fingerprint.size_bytes - done_bytes
            self._let_by(partial(self._hall.store.journal.claim_ahead, task, left_bytes))

    def _let_drops_by(self, task: Task) -> None:
        """Do what is more urgent than a scan that pauses, and was dropped or asked for."""
        least = max(task.priority + 1, Priority.DROP)
        self._let_by(partial(self._hall.store.journal.claim, self.lane, least=least))

    def _let_by(self, claim: Callable[[datetime, Collection[str]], list[Task]]) -> None:
        try:
            self._work_off(claim(self._hall.clock.now(), self._hall.lanes.folders_on(self.device)))
        except TransientError as error:
            log.warning("journal_not_written", reason=str(error))

    def _stopped(self, tasks: Sequence[Task], outcomes: Sequence[Outcome[Any]]) -> list[Failed]:
        """Strike out the scans that a person stopped; looks at single paths, which nobody asked for, are given back."""
        self._hall.stopped_scans.clear()
        finished = {outcome.task.id for outcome in outcomes}
        left = [task for task in tasks if task.id not in finished and (not task.path or task.run_id is not None)]
        return [Failed(task, WorkStopped("stopped by a person")) for task in left]

    def _record(self, step: Step[Any], outcomes: Sequence[Outcome[Any]]) -> None:
        if not outcomes:
            return
        store, now = self._hall.store, self._hall.clock.now()
        done = [outcome for outcome in outcomes if isinstance(outcome, Done)]
        with self._hall.transaction():
            new = step.record(done)
            followed = [each.task for each in done if each.is_followed]
            store.journal.settle(each.task for each in done)
            store.journal.add(new + successors(store, followed, now), now)
            chance = random.random()  # noqa: S311  # jitter, not a secret; one for all, so that they are tried together again
            failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
            alike = Counter(id(each.error) for each in failed)
            for each in failed:
                self._record_failure(each, chance, alike.pop(id(each.error), 0))

    def _record_failure(self, failed: Failed, chance: float, alike: int) -> None:
        """Write down what follows; one error that so many tasks of the batch are `alike` in is told once, then with 0."""
        task, error, now = failed.task, failed.error, self._hall.clock.now()
        if isinstance(error, StoreError):
            raise error  # no fault of the task
        journal = self._hall.store.journal
        kind = FailureKind.HASH if task.kind is TaskKind.HASH_FILE else error.kind
        match decide(error, task.attempts, now, chance):
            case Forget():
                self._forget(task)
                log.info("task_forgotten", kind=task.kind, subject=task.subject, reason=str(error))
            case GiveUp(reason):
                journal.fail(task, reason, kind, now, is_suspect=isinstance(error, ReaderDied))
                self._hall.store.runs.count(task.run_id, errors=1)
                log.error("task_given_up", kind=task.kind, subject=task.subject, reason=reason)
            case RetryAt(due_at):
                if isinstance(error, FileChanged):
                    journal.add(self._second_look(task), now)
                journal.retry_at(task, due_at, str(error), kind, now)
                if alike:
                    facts = {"kind": task.kind, "subject": task.subject, "reason": str(error), "due_at": str(due_at)}
                    log.warning("task_put_off", **facts, tasks=alike)

    def _forget(self, task: Task) -> None:
        """Strike a task out, unless it would only come back: a file that is read until a scan has found it missing.

        `decide` says that it is forgotten; what the catalog still holds of its file is known here only.
        """
        journal, now = self._hall.store.journal, self._hall.clock.now()
        looks = self._second_look(task)
        journal.add(looks, now)
        if looks and task.kind in DERIVED_FROM_FILES:
            journal.retry_at(task, now + LOOK_FIRST, "looked for again first", FailureKind.ACCESS, now)
        else:
            journal.settle([task])

    def _second_look(self, task: Task) -> list[NewTask]:
        """A file that is not what the catalog says is scanned again before anything else is tried on it."""
        if ORDER[task.kind].subject is not Subject.FILE:
            return []
        file = self._hall.store.files.get(int(task.subject))
        if file is None or file.missing_since is not None:
            return []
        return [NewTask(TaskKind.SCAN_FOLDER, file.folder_id, path=file.path, priority=Priority.DROP)]


def _named(error: Exception) -> ModelshelfError:
    if isinstance(error, ModelshelfError):
        return error
    return TransientError(f"unexpected {type(error).__name__}: {error}")


def _is_for_later(outcome: Outcome[Any]) -> bool:
    """Tell whether an outcome counts for nothing while the daemon stops: the stop itself may be why it failed."""
    return isinstance(outcome, Failed) and isinstance(outcome.error, TransientError)
