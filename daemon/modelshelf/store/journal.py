"""The journal: every piece of work the daemon owes, kept on disk until it is done."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.clock import SystemClock
from modelshelf.domain.task import BULK_KINDS, ORDER, Priority
from modelshelf.store import journal_statements as sql
from modelshelf.store.columns import from_epoch, id_list, text, to_epoch
from modelshelf.store.departures import KINDS, Departures
from modelshelf.store.derived_work import DerivedWork
from modelshelf.store.lingering import Lingering
from modelshelf.store.overtaking import Overtaking
from modelshelf.store.questions import Questions
from modelshelf.store.suspects import CRASHES_UNTIL_ALONE, Suspects
from modelshelf.store.task_rows import task_from
from modelshelf.store.tasks_of_file import tasks_of_file
from modelshelf.store.waiting_line import WaitingLine

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from datetime import datetime

    from modelshelf.domain.failure import FailureKind
    from modelshelf.domain.task import Lane, NewTask, Task, TaskKind
    from modelshelf.store.candidate import Candidate
    from modelshelf.store.database import Database
    from modelshelf.store.waiting_line import Head

_FAR_FUTURE = float("inf")


@dataclass(frozen=True, slots=True)
class Scope:
    """What may be claimed at a moment: of which folders, from which priority on, and of which no bulk reading."""

    moment: float
    folders: Collection[str] | None = None
    least: int | None = None
    held: Collection[str] = frozenset()

    def admission(self, kind: TaskKind) -> Callable[[Head], bool]:
        """Give what tells whether a line of waiting tasks may be claimed."""
        return lambda head: not (kind in BULK_KINDS and _is_bulk(head) and head.folder_id in self.held)


def _is_bulk(head: Head) -> bool:
    return head.priority < Priority.DROP


class Journal:
    """Tasks in, tasks out. At most one waits per (kind, subject, path).

    Every method is one transaction, or joins the one it is called in; so a step's results and its settled tasks are kept
    together or not at all. `settled_count` is how many tasks were done since it was opened.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.settled_count = 0
        self._waiting = WaitingLine(database)
        self._derived = DerivedWork(database)
        self._questions = Questions(database)
        self._departures = Departures(database, self._waiting, self._questions)
        self._suspects = Suspects(database)
        self._overtaking = Overtaking(database)
        self._lingering = Lingering(database)

    def add(self, tasks: Iterable[NewTask], now: datetime) -> None:
        """Owe these tasks, due now where they name no time.

        One that waits already takes the earlier time and the higher priority. One that runs is queued again when it is
        settled. One that failed begins anew.
        """
        new = list(tasks)
        if not new:
            return
        moment = to_epoch(now)
        with self._database.transaction():
            for task in new:
                due_at = moment if task.due_at is None else to_epoch(task.due_at)
                self._database.execute(
                    sql.ADD[ORDER[task.kind].subject],
                    {
                        "kind": task.kind,
                        "subject": task.subject,
                        "path": task.path,
                        "priority": task.priority,
                        "now": moment,
                        "due_at": due_at,
                        "run_id": task.run_id,
                        "is_forced": task.is_forced,
                    },
                )

    def claim(
        self,
        lane: Lane,
        now: datetime,
        folder_ids: Collection[str] | None = None,
        *,
        least: int | None = None,
        held: Collection[str] = frozenset(),
    ) -> list[Task]:
        """Take the most urgent due task and more of its kind, up to the kind's limit, and mark them running.

        Empty if nothing is due, and then nothing is written either. Derived work is claimed like rows are, and questions only
        when they leave (see `departures`). `folder_ids`
        narrows it to tasks of these folders; tasks of contents and models have none and always may be claimed. `least` is the
        lowest priority that is taken. What is suspected of killing the daemon comes when nothing else is due, alone, and not
        where a priority is named. Bulk reading of the `held` folders is left where it is, that of suspects too.
        """
        scope = Scope(to_epoch(now), folder_ids, least, held)
        claimed = self._claim_most_urgent(_kinds(lane), scope, self._due)
        return claimed if claimed or least is not None else self._claim_suspect(lane, scope)

    def claim_suspect(self, lane: Lane, now: datetime, folder_ids: Collection[str]) -> list[Task]:
        """Take what is due and suspected of killing the daemon, of these folders or of none, bulk reading too."""
        return self._claim_suspect(lane, Scope(to_epoch(now), folder_ids))

    def claim_bulk(self, now: datetime, folder_ids: Collection[str], *, least: int) -> list[Task]:
        """Take bulk reading of one kind that has a row already: what failed before, was given back, or is to be verified."""
        return self._claim_most_urgent(BULK_KINDS, Scope(to_epoch(now), folder_ids, least), self._due_in_bulk)

    def claim_files(self, kind: TaskKind, file_ids: Collection[int]) -> list[Task]:
        """Take the derived work of one kind that these files owe, all of it together."""
        if not self._derived.of_files(kind, file_ids):
            return []
        with self._database.transaction():
            return [self._start(each) for each in self._derived.of_files(kind, file_ids)]

    def _claim_most_urgent(
        self, kinds: Iterable[TaskKind], scope: Scope, due: Callable[[TaskKind, Scope, int], list[Candidate]]
    ) -> list[Task]:
        heads = [head for kind in kinds for head in due(kind, scope, 1)]
        if not heads:
            return []
        kind = min(heads, key=lambda each: each.urgency).kind
        with self._database.transaction():
            return [self._start(each) for each in due(kind, scope, ORDER[kind].batch_limit)]

    def claim_ahead(self, of: Task, left_bytes: int, now: datetime, folder_ids: Collection[str]) -> list[Task]:
        """Take what is due of the same kind and goes ahead of a file that is being read and has `left_bytes` still to read.

        Empty if nothing does; bulk reading, and what is suspected of killing the daemon, never does.
        """
        if not self._ahead(of, left_bytes, now, folder_ids):
            return []
        with self._database.transaction():
            return [self._start(each) for each in self._ahead(of, left_bytes, now, folder_ids)]

    def _ahead(self, of: Task, left_bytes: int, now: datetime, folder_ids: Collection[str]) -> list[Candidate]:
        scope = Scope(to_epoch(now), folder_ids, held=folder_ids)
        found = self._due(of.kind, scope, ORDER[of.kind].batch_limit)
        return [each for each in found if self._overtaking.goes_ahead(each, of, left_bytes)]

    def end_lingering(self, now: datetime, folder_ids: Collection[str], *, is_offline: bool = False) -> bool:
        """Make due what only waits for company where none is left to come, see `Lingering`; gives whether there was any."""
        return self._lingering.end(now, folder_ids, is_offline=is_offline)

    def settle(self, tasks: Iterable[Task]) -> None:
        """Strike out what is done; a task that was added again while it ran waits again."""
        ids = id_list(task.id for task in tasks)
        with self._database.transaction():
            self.settled_count += self._database.execute(sql.DELETE, (ids,)).rowcount
            self._database.execute(sql.QUEUE_AGAIN, (ids,))

    def retry_at(self, task: Task, due_at: datetime, error: str, kind: FailureKind, now: datetime) -> None:
        """Try again at `due_at`, or sooner where the task was added again while it ran."""
        self._give_back(
            [task.id], attempts=1, due_at=to_epoch(due_at), error=text(error), kind=kind, failed_at=to_epoch(now)
        )

    def fail(self, task: Task, error: str, kind: FailureKind, now: datetime, *, is_suspect: bool = False) -> None:
        """Give up and keep the reason, for a person to see; a task that was added again while it ran begins anew.

        `is_suspect`: it killed whoever read it, so if a person wants it tried again, that is done alone and apart.
        """
        crashes = max(task.crashes, CRASHES_UNTIL_ALONE) if is_suspect else task.crashes
        with self._database.transaction():
            self._database.execute(sql.FAIL, (text(error), kind, to_epoch(now), crashes, task.id))
            self._database.execute(sql.QUEUE_AGAIN, (id_list([task.id]),))

    def release(self, tasks: Iterable[Task]) -> None:
        """Give back what was not begun, at a stop; nothing is counted against it."""
        self._give_back([task.id for task in tasks])

    def recover(self, now: datetime | None = None) -> int:
        """At start: queue again what was running when the daemon died, count the crash, tell how many there were.

        What it died with alone waits longer each time, and is given up after the fifth. `now` is the machine's if None.
        """
        moment = to_epoch(SystemClock().now() if now is None else now)
        return self._database.execute(sql.RECOVER, {"now": moment}).rowcount

    def priorities(self, task_ids: Collection[int]) -> dict[int, int]:
        """Give how urgent these tasks are now."""
        found = self._database.rows(
            "SELECT id, priority FROM tasks WHERE id IN (SELECT value FROM json_each(?))", (id_list(task_ids),)
        )
        return {row["id"]: row["priority"] for row in found}

    def drop_scans(self, tasks: Iterable[Task]) -> int:
        """Strike out those of these scans that still wait, because a person said stop; gives how many."""
        ids = id_list(task.id for task in tasks)
        return self._database.execute(
            "DELETE FROM tasks WHERE kind = 'scan_folder' AND state = 'queued' AND id IN (SELECT value FROM json_each(?))",
            (ids,),
        ).rowcount

    def next_due_at(
        self, lane: Lane, folder_ids: Collection[str] | None = None, *, held: Collection[str] = frozenset()
    ) -> datetime | None:
        """Tell when there is work for `claim`, None for never as things stand; the epoch where derived work waits now."""
        kinds = _kinds(lane)
        scope = Scope(_FAR_FUTURE, folder_ids, held=held)
        moments = [moment for kind in set(kinds) - KINDS for moment in self._moments(kind, scope)]
        moments += [
            moment for kind in KINDS.intersection(kinds) if (moment := self._departures.next_due_at(kind)) is not None
        ]
        suspect = self._suspects.first(kinds, folder_ids, held)
        if suspect is not None:
            moments.append(suspect.due_at)
        return from_epoch(min(moments)) if moments else None

    def next_suspect_at(self, lane: Lane, folder_ids: Collection[str]) -> datetime | None:
        """Tell when there is work for `claim_suspect`, None for never as things stand."""
        suspect = self._suspects.first(_kinds(lane), folder_ids)
        return None if suspect is None else from_epoch(suspect.due_at)

    def next_bulk_at(self, folder_ids: Collection[str]) -> datetime | None:
        """Tell when there is work for `claim_bulk`, None for never as things stand."""
        moments = [
            moment
            for kind in BULK_KINDS
            if (moment := self._waiting.next_due_at(kind, folder_ids, admits=_is_bulk)) is not None
        ]
        return from_epoch(min(moments)) if moments else None

    def owes_bulk(self, now: datetime, folder_ids: Collection[str]) -> bool:
        """Tell whether there is something to read in bulk now, with a row or without."""
        due_at = self.next_bulk_at(folder_ids)
        if due_at is not None and due_at <= now:
            return True
        return any(self._derived.due(kind, folder_ids, 1) for kind in BULK_KINDS)

    def owed(self, folder_id: str | None = None, *, until: datetime | None = None) -> dict[TaskKind, int]:
        """Count what waits or runs, by kind, derived work too; kinds that owe nothing count 0 when asked for.

        `until` leaves out what is due later, such as a look-up next week.
        """
        moment = _FAR_FUTURE if until is None else to_epoch(until)
        counts: Counter[TaskKind] = Counter()
        for kind in ORDER:
            # Derived work becomes a row when it is claimed: counted in this order nothing slips through between.
            counts[kind] += self._derived.count(kind, folder_id)
            counts[kind] += self._questions.count(kind, folder_id, moment)
            counts[kind] += self._waiting.count(kind, folder_id, moment)
        return +counts

    def is_owed(self, kind: TaskKind, subject: str) -> bool:
        """Tell whether a task of this kind waits or runs for this subject, whatever its path."""
        return self._database.row(sql.IS_OWED, (kind, subject)) is not None

    def of_file(self, file_id: int) -> list[Task]:
        """Give every task that concerns a file: its own, its content's, its model's, and scans that will pass it."""
        return tasks_of_file(self._database, file_id)

    def failures(self) -> list[Task]:
        """Give the tasks that were given up, and those that failed and wait to be tried again."""
        return [task_from(row) for row in self._database.rows(sql.FAILURES)]

    def given_up(self) -> int:
        """Count the tasks that were given up."""
        return int(self._database.rows(sql.GIVEN_UP)[0]["count"])

    def bring_back(self, task_ids: Collection[int] | None, now: datetime) -> int:
        """Queue failed or waiting tasks at once, as if they had never failed; None for all that `failures` gives."""
        parameters = {"ids": None if task_ids is None else id_list(task_ids), "now": to_epoch(now)}
        return self._database.execute(sql.BRING_BACK, parameters).rowcount

    def _moments(self, kind: TaskKind, scope: Scope) -> Iterator[float]:
        waiting = self._waiting.next_due_at(kind, scope.folders, admits=scope.admission(kind))
        derived = self._derived.next_due_at(kind, scope.folders, scope.held)
        return (moment for moment in (waiting, derived) if moment is not None)

    def _due(self, kind: TaskKind, scope: Scope, limit: int) -> list[Candidate]:
        if kind in KINDS:
            most = self._departures.due(kind, scope.moment, limit)
        else:
            found = self._waiting.due(kind, scope.moment, scope.folders, limit, admits=scope.admission(kind))
            found += self._derived.due(kind, scope.folders, limit, scope.held)
            most = sorted(found, key=lambda each: each.place_in_batch)[:limit]
        least = scope.least
        return most if least is None else [each for each in most if each.priority >= least]

    def _due_in_bulk(self, kind: TaskKind, scope: Scope, limit: int) -> list[Candidate]:
        found = self._waiting.due(kind, scope.moment, scope.folders, limit, admits=_is_bulk)
        return [each for each in found if scope.least is None or each.priority >= scope.least]

    def _claim_suspect(self, lane: Lane, scope: Scope) -> list[Task]:
        kinds = _kinds(lane)
        suspect = self._suspects.first(kinds, scope.folders, scope.held)
        if suspect is None or suspect.due_at > scope.moment:
            return []
        with self._database.transaction():
            # Another lane may have taken one since.
            is_free = self._suspects.first(kinds, scope.folders, scope.held) == suspect
            return [self._start(suspect)] if is_free else []

    def _start(self, candidate: Candidate) -> Task:
        if candidate.task_id is not None:
            found = self._database.rows(sql.START, (candidate.task_id,))
        else:
            found = self._database.rows(
                sql.INSERT_RUNNING[ORDER[candidate.kind].subject],
                {
                    "kind": candidate.kind,
                    "subject": candidate.subject,
                    "priority": candidate.priority,
                    "due_at": candidate.due_at,
                    "run_id": candidate.run_id,
                },
            )
        return task_from(found[0])

    def _give_back(self, ids: Collection[int], **changes: object) -> None:
        unchanged = {"attempts": 0, "due_at": None, "error": None, "kind": None, "failed_at": None}
        self._database.execute(sql.GIVE_BACK, {**unchanged, **changes, "ids": id_list(ids)})


def _kinds(lane: Lane) -> list[TaskKind]:
    return [kind for kind, order in ORDER.items() if order.lane is lane]
