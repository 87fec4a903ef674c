from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.task import Lane, NewTask, Task, TaskKind, TaskState
from modelshelf.errors import (
    BrokenModelFile,
    DiskFull,
    FileChanged,
    FileGone,
    FileUnreadable,
    StoreError,
    TransientError,
)
from modelshelf.steps.step import Done, Failed, Interrupted
from modelshelf.worker import worker as room
from modelshelf.worker.reins import ScanReins, WorkerReins
from modelshelf.worker.worker import Worker
from tests import builders
from tests.logged import logged
from tests.unit.steps.step_shelf import TRAITS
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelshelf.steps.step import Outcome, Reins
    from tests.unit.steps.step_shelf import StepShelf


class ScriptedStep:
    """Does what it is told: `performs` gives an outcome per task, `records` may raise."""

    def __init__(
        self,
        kind: TaskKind,
        performs: Callable[[Task, Reins], Outcome[None] | None] = lambda task, _: Done(task, None, is_followed=False),
        records: Callable[[], None] = lambda: None,
    ) -> None:
        self.kind = kind
        self.batches: list[int] = []
        self._performs = performs
        self._records = records

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[None]]:
        self.batches.append(len(tasks))
        outcomes = [self._performs(task, reins) for task in tasks]
        return [outcome for outcome in outcomes if outcome is not None]

    def record(self, done: Sequence[Done[None]]) -> list[NewTask]:
        self._records()
        return []


KIND = TaskKind.WRITE_SIDECARS
DEVICE = TRAITS.id


def owe(shelf: StepShelf, *names: str, kind: TaskKind = KIND) -> list[int]:
    """Put files on the shelf and owe a task for each; gives their ids."""
    for name in names:
        shelf.put(name, builders.lora(sum(name.encode())))
    shelf.scan()
    ids = [shelf.file(name).id for name in names]
    shelf.store.database.execute("UPDATE files SET scan_phase = 1")
    shelf.store.journal.add([NewTask(kind, str(file_id)) for file_id in ids], shelf.clock.now())
    return ids


def desk(shelf: StepShelf) -> Worker:
    """Give the desk's worker, which takes turns by hand."""
    return Worker(Lane.DESK, shelf.hall, DEVICE)


def raising(error: BaseException) -> Callable[..., Any]:
    """Give something that raises when it is called."""

    def raise_it(*_: Any) -> Any:
        raise error

    return raise_it


def failing(error: Any) -> Callable[[Task, Reins], Failed]:
    """Give a `performs` that fails each task."""
    return lambda task, _: Failed(task, error)


def test_a_turn_without_work_says_so(shelf: StepShelf) -> None:
    assert desk(shelf).turn() is False
    assert Worker(Lane.DISK, shelf.hall, DEVICE).turn() is False


def test_what_is_done_is_settled(shelf: StepShelf) -> None:
    owe(shelf, "a.safetensors", "b.safetensors")
    step = shelf.steps[KIND] = ScriptedStep(KIND)
    heard = shelf.hall.bell.rings
    assert desk(shelf).turn()
    assert step.batches == [2]
    assert not shelf.tasks()
    assert not shelf.hall.in_hand
    assert shelf.hall.bell.rings == heard + 1


def test_what_a_step_leaves_out_is_given_back_untouched(shelf: StepShelf) -> None:
    first, second = owe(shelf, "a.safetensors", "b.safetensors")
    shelf.steps[KIND] = ScriptedStep(
        KIND, lambda task, _: Done(task, None, is_followed=False) if task.subject == str(first) else None
    )
    desk(shelf).turn()
    (left,) = shelf.tasks()
    assert (left.subject, left.state, left.attempts) == (str(second), TaskState.QUEUED, 0)


def test_one_that_fails_is_put_off_and_its_neighbour_is_done(shelf: StepShelf) -> None:
    first, _ = owe(shelf, "a.safetensors", "b.safetensors")
    shelf.steps[KIND] = ScriptedStep(
        KIND,
        lambda task, _: (
            Failed(task, FileUnreadable("not now"))
            if task.subject == str(first)
            else Done(task, None, is_followed=False)
        ),
    )
    desk(shelf).turn()
    (left,) = shelf.tasks()
    assert (left.subject, left.attempts, left.last_error, left.failure_kind) == (str(first), 1, "not now", "access")
    assert left.due_at > shelf.clock.now()


def test_what_fails_together_is_tried_together_again(shelf: StepShelf) -> None:
    owe(shelf, "a.safetensors", "b.safetensors", "c.safetensors")
    shelf.steps[KIND] = ScriptedStep(KIND, lambda task, _: Failed(task, FileUnreadable("not now")))
    desk(shelf).turn()
    assert len({task.due_at for task in shelf.tasks()}) == 1
    assert len(shelf.tasks()) == 3


def test_what_fails_for_one_reason_is_told_once_with_how_many_there_are(shelf: StepShelf) -> None:
    (first, *_) = owe(shelf, "a.safetensors", "b.safetensors", "c.safetensors")
    outage = TransientError("the server is away")
    own = TransientError("something of its own")
    shelf.steps[KIND] = ScriptedStep(KIND, lambda task, _: Failed(task, own if task.subject == str(first) else outage))
    with logged() as events:
        desk(shelf).turn()
    told = [(each["reason"], each["tasks"]) for each in events if each["event"] == "task_put_off"]
    assert told == [("something of its own", 1), ("the server is away", 2)]
    assert all(task.last_error for task in shelf.tasks())


def test_what_is_given_up_is_kept_for_a_person_and_counted(shelf: StepShelf) -> None:
    (file_id,) = owe(shelf, "a.safetensors")
    run_id = shelf.store.runs.start("nightly", shelf.clock.now())
    shelf.store.journal.add([NewTask(KIND, str(file_id), run_id=run_id)], shelf.clock.now())
    shelf.steps[KIND] = ScriptedStep(KIND, failing(BrokenModelFile("no model")))
    desk(shelf).turn()
    (left,) = shelf.tasks()
    assert (left.state, left.last_error) == (TaskState.FAILED, "no model")
    run = shelf.store.runs.get(run_id)
    assert run is not None
    assert run.statistics.errors == 1


def test_a_hash_that_fails_is_said_to_be_one(shelf: StepShelf) -> None:
    shelf.put("a.safetensors", builders.lora(1))
    shelf.scan()
    shelf.do(TaskKind.INSPECT_FILE, "a.safetensors")
    shelf.steps[TaskKind.HASH_FILE] = ScriptedStep(TaskKind.HASH_FILE, failing(FileUnreadable("bad sector")))
    assert Worker(Lane.DISK, shelf.hall, DEVICE).turn()
    assert [task.failure_kind for task in shelf.tasks()] == ["hash"]


def test_what_is_gone_is_forgotten_and_looked_for(shelf: StepShelf) -> None:
    owe(shelf, "a.safetensors")
    shelf.steps[KIND] = ScriptedStep(KIND, failing(FileGone("gone")))
    desk(shelf).turn()
    (look,) = shelf.tasks()
    assert (look.kind, look.path) == (TaskKind.SCAN_FOLDER, b"a.safetensors")


def test_what_is_known_to_be_missing_is_not_looked_for(shelf: StepShelf) -> None:
    (file_id,) = owe(shelf, "a.safetensors")
    shelf.store.files.mark_missing([file_id], shelf.clock.now())
    shelf.steps[KIND] = ScriptedStep(KIND, failing(FileGone("gone")))
    desk(shelf).turn()
    assert not shelf.tasks()


def test_derived_work_on_what_is_gone_waits_for_the_look(shelf: StepShelf) -> None:
    shelf.put("a.safetensors", builders.lora(1))
    shelf.scan()
    shelf.steps[TaskKind.INSPECT_FILE] = ScriptedStep(TaskKind.INSPECT_FILE, failing(FileGone("gone")))
    desk(shelf).turn()
    kinds = {task.kind: task for task in shelf.tasks()}
    assert kinds.keys() == {TaskKind.SCAN_FOLDER, TaskKind.INSPECT_FILE}
    assert kinds[TaskKind.INSPECT_FILE].due_at > kinds[TaskKind.SCAN_FOLDER].due_at


def test_a_folder_s_task_that_is_forgotten_looks_for_nothing(shelf: StepShelf) -> None:
    shelf.store.journal.add([NewTask(TaskKind.RENDER_GALLERY, "loras")], shelf.clock.now())
    shelf.steps[TaskKind.RENDER_GALLERY] = ScriptedStep(TaskKind.RENDER_GALLERY, failing(FileGone("gone")))
    desk(shelf).turn()
    assert not shelf.tasks()


def test_what_changed_is_looked_at_first_and_then_tried_again(shelf: StepShelf) -> None:
    owe(shelf, "a.safetensors")
    shelf.steps[KIND] = ScriptedStep(KIND, failing(FileChanged("changed")))
    desk(shelf).turn()
    assert {task.kind for task in shelf.tasks()} == {TaskKind.SCAN_FOLDER, KIND}


def test_an_error_of_the_whole_batch_fails_each_of_its_tasks(shelf: StepShelf) -> None:
    owe(shelf, "a.safetensors", "b.safetensors")
    shelf.steps[KIND] = ScriptedStep(KIND, raising(TransientError("all of them")))
    desk(shelf).turn()
    assert [task.last_error for task in shelf.tasks()] == ["all of them"] * 2


def test_what_breaks_unforeseen_is_tried_one_by_one(shelf: StepShelf) -> None:
    first, _ = owe(shelf, "a.safetensors", "b.safetensors")

    def break_on_first(task: Task, _: Reins) -> Outcome[None]:
        if task.subject == str(first):
            raise KeyError("a bug")
        return Done(task, None, is_followed=False)

    step = shelf.steps[KIND] = ScriptedStep(KIND, break_on_first)
    desk(shelf).turn()
    assert step.batches == [2, 1, 1]
    (left,) = shelf.tasks()
    assert (left.subject, left.last_error) == (str(first), "unexpected KeyError: 'a bug'")


def test_what_the_store_cannot_take_fails_its_own_task_alone(shelf: StepShelf) -> None:
    too_much, good = owe(shelf, "a.safetensors", "b.safetensors")

    class Overflowing(ScriptedStep):
        def record(self, done: Sequence[Done[None]]) -> list[NewTask]:
            for each in done:
                number = 2**64 if each.task.subject == str(too_much) else 1
                shelf.store.database.execute("UPDATE files SET is_inspected = ? WHERE id = ?", (number, good))
            return []

    shelf.steps[KIND] = Overflowing(KIND)
    assert desk(shelf).turn()
    (failed,) = shelf.store.journal.failures()
    assert (failed.subject, failed.state) == (str(too_much), TaskState.FAILED)
    assert "64 bits" in str(failed.last_error)
    assert [task.subject for task in shelf.tasks(KIND)] == [str(too_much)]


def test_what_breaks_where_nothing_is_foreseen_to_break_is_given_back(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    owe(shelf, "a.safetensors", "b.safetensors")
    worker = desk(shelf)
    monkeypatch.setattr(worker, "_attempt", raising(KeyError("a bug")))
    with pytest.raises(KeyError):
        worker.turn()
    assert [(task.state, task.attempts) for task in shelf.tasks(KIND)] == [(TaskState.QUEUED, 0)] * 2
    assert not shelf.hall.in_hand


def test_a_stop_gives_the_work_back_uncounted(shelf: StepShelf) -> None:
    owe(shelf, "a.safetensors")

    def stop(task: Task, reins: Reins) -> Outcome[None]:
        shelf.hall.stopping.set()
        reins.check()
        raise AssertionError

    shelf.steps[KIND] = ScriptedStep(KIND, stop)
    desk(shelf).turn()
    (left,) = shelf.tasks()
    assert (left.state, left.attempts, left.crashes) == (TaskState.QUEUED, 0, 0)


def test_a_scan_that_a_person_stops_is_owed_no_more_and_its_run_is_over(shelf: StepShelf) -> None:
    run_id = shelf.store.runs.start(None, shelf.clock.now())
    shelf.store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras", run_id=run_id)], shelf.clock.now())

    def stop(task: Task, reins: Reins) -> Outcome[None]:
        shelf.hall.stopped_scans.set()
        reins.check()
        raise AssertionError

    shelf.steps[TaskKind.SCAN_FOLDER] = ScriptedStep(TaskKind.SCAN_FOLDER, stop)
    desk(shelf).turn()
    assert not shelf.tasks()
    assert not shelf.hall.stopped_scans.is_set()
    run = shelf.store.runs.get(run_id)
    assert run is not None
    assert run.ended_at is not None


def test_a_stop_that_comes_too_late_stops_no_later_scan(shelf: StepShelf) -> None:
    shelf.hall.stopped_scans.set()
    shelf.put("a.safetensors", builders.lora(1))
    shelf.look_through()
    assert shelf.file("a.safetensors")


def test_a_stop_keeps_finished_scans_and_gives_back_the_looks_that_nobody_asked_for(shelf: StepShelf) -> None:
    now = shelf.clock.now()
    shelf.add_folder("more")
    run_id = shelf.store.runs.start(None, now)
    scans = [
        NewTask(TaskKind.SCAN_FOLDER, "more", priority=40),
        NewTask(TaskKind.SCAN_FOLDER, "loras"),
        NewTask(TaskKind.SCAN_FOLDER, "loras", path=b"drop.pt"),
        NewTask(TaskKind.SCAN_FOLDER, "loras", path=b"asked.pt", run_id=run_id),
    ]
    shelf.store.journal.add(scans, now)

    def stop_after_one(task: Task, _: Reins) -> Outcome[None] | None:
        shelf.hall.stopped_scans.set()
        return Done(task, None) if task.subject == "more" else None

    recorded: list[None] = []
    step = ScriptedStep(TaskKind.SCAN_FOLDER, stop_after_one, lambda: recorded.append(None))
    shelf.steps[TaskKind.SCAN_FOLDER] = step
    desk(shelf).turn()
    assert step.batches == [4]
    assert recorded
    assert [(task.path, task.state, task.attempts) for task in shelf.tasks()] == [(b"drop.pt", TaskState.QUEUED, 0)]
    assert not shelf.hall.stopped_scans.is_set()


def test_what_fails_while_the_daemon_stops_is_given_back_uncounted(shelf: StepShelf) -> None:
    owe(shelf, "a.safetensors", "b.safetensors")

    def stop(task: Task, _: Reins) -> Outcome[None]:
        shelf.hall.stopping.set()
        return Failed(task, TransientError("not asked: about to stop"))

    shelf.steps[KIND] = ScriptedStep(KIND, stop)
    desk(shelf).turn()
    assert [(task.state, task.attempts) for task in shelf.tasks()] == [(TaskState.QUEUED, 0)] * 2


def test_a_closed_hall_gives_back_what_is_in_hand_and_takes_no_late_result(shelf: StepShelf) -> None:
    owe(shelf, "a.safetensors", "b.safetensors")
    states: list[list[tuple[TaskState, int]]] = []
    recorded: list[None] = []

    def outlast_the_house(task: Task, _: Reins) -> Outcome[None]:
        shelf.hall.close()
        states.append([(each.state, each.crashes) for each in shelf.tasks()])
        return Done(task, None)

    shelf.steps[KIND] = ScriptedStep(KIND, outlast_the_house, lambda: recorded.append(None))
    assert desk(shelf).turn() is False
    assert states[0] == [(TaskState.QUEUED, 0)] * 2
    assert not recorded
    assert [(task.state, task.crashes) for task in shelf.tasks()] == [(TaskState.QUEUED, 0)] * 2
    assert shelf.store.journal.recover() == 0


@pytest.mark.parametrize("error", [DiskFull("full"), StoreError("lost")])
def test_a_late_error_touches_no_task_that_is_another_s_by_then(error: Exception, shelf: StepShelf) -> None:
    owe(shelf, "a.safetensors")

    def outlast_the_house(task: Task, _: Reins) -> Outcome[None]:
        shelf.hall.close()
        shelf.store.journal.claim(Lane.DESK, shelf.clock.now())
        raise error

    shelf.steps[KIND] = ScriptedStep(KIND, outlast_the_house)
    assert desk(shelf).turn() is False
    assert [task.state for task in shelf.tasks()] == [TaskState.RUNNING]


def test_what_is_claimed_from_a_closed_hall_is_given_back_at_once(shelf: StepShelf) -> None:
    owe(shelf, "a.safetensors")
    shelf.hall.close()
    assert desk(shelf).turn() is False
    assert [task.state for task in shelf.tasks()] == [TaskState.QUEUED]


def test_a_store_that_is_closed_behind_a_late_worker_is_no_lost_journal(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = desk(shelf)
    shelf.hall.close()
    monkeypatch.setattr(worker, "turn", raising(StoreError("closed")))
    worker.run()
    assert not shelf.fatal


def test_only_scans_heed_a_person_s_stop(shelf: StepShelf) -> None:
    shelf.hall.stopped_scans.set()
    WorkerReins(shelf.hall).check()
    with pytest.raises(Interrupted):
        ScanReins(shelf.hall, lambda: None).check()


def test_reins_tell_how_far_a_read_has_come(shelf: StepShelf) -> None:
    task = shelf.task(TaskKind.HASH_FILE, 1)
    WorkerReins(shelf.hall).advance(task, 4096)
    assert shelf.hall.in_hand == {0: (task, 4096)}


@pytest.mark.parametrize("error", [DiskFull("full"), TransientError("locked"), StoreError("lost")])
def test_what_the_journal_does_not_take_is_given_back(error: Exception, shelf: StepShelf) -> None:
    owe(shelf, "a.safetensors")
    shelf.steps[KIND] = ScriptedStep(KIND, records=raising(error))
    with pytest.raises(type(error)):
        desk(shelf).turn()
    (left,) = shelf.tasks()
    assert (left.state, left.attempts) == (TaskState.QUEUED, 0)
    assert not shelf.hall.in_hand


def test_giving_back_waits_as_long_as_the_disk_is_full(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    owe(shelf, "a.safetensors")
    monkeypatch.setattr(room, "PAUSE_SECONDS", 0.001)
    shelf.steps[KIND] = ScriptedStep(KIND, records=raising(DiskFull("full")))
    journal = shelf.store.journal
    genuine, refusals = journal.release, [DiskFull("still full")] * 3

    def release(tasks: Any) -> None:
        if refusals:
            raise refusals.pop()
        genuine(tasks)

    monkeypatch.setattr(journal, "release", release)
    with pytest.raises(DiskFull):
        desk(shelf).turn()
    assert not refusals
    assert [task.state for task in shelf.tasks()] == [TaskState.QUEUED]


def test_giving_back_ends_with_the_daemon(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    owe(shelf, "a.safetensors")
    shelf.steps[KIND] = ScriptedStep(KIND, records=raising(DiskFull("full")))
    monkeypatch.setattr(shelf.store.journal, "release", raising(DiskFull("still full")))
    shelf.hall.stopping.set()
    with pytest.raises(DiskFull):
        desk(shelf).turn()
    assert shelf.store.journal.recover() == 1


def test_a_worker_takes_what_lies_on_its_own_device(shelf: StepShelf) -> None:
    owe(shelf, "a.safetensors")
    assert Worker(Lane.DESK, shelf.hall, "8:2").turn() is False
    assert Worker(Lane.DESK, shelf.hall, DEVICE).turn() is True


def test_a_worker_without_a_device_asks_servers_and_touches_no_folder(shelf: StepShelf) -> None:
    asked = shelf.steps[TaskKind.ENRICH_MODEL] = ScriptedStep(TaskKind.ENRICH_MODEL)
    pictured = shelf.steps[TaskKind.FETCH_PREVIEWS] = ScriptedStep(TaskKind.FETCH_PREVIEWS)
    owe(shelf, "a.safetensors", kind=TaskKind.FETCH_PREVIEWS)
    shelf.store.journal.add([NewTask(TaskKind.ENRICH_MODEL, "7")], shelf.clock.now())
    worker = Worker(Lane.NETWORK, shelf.hall)
    assert worker.name == "worker-network"
    assert (worker.turn(), worker.turn()) == (True, False)
    assert (asked.batches, pictured.batches) == ([1], [])
    assert Worker(Lane.NETWORK, shelf.hall, DEVICE).turn() is True


def test_a_worker_that_is_dismissed_ends_when_it_has_put_down_what_it_holds(shelf: StepShelf) -> None:
    owe(shelf, "a.safetensors")
    worker = desk(shelf)

    def dismiss(task: Task, _: Reins) -> Outcome[None]:
        worker.dismiss()
        return Done(task, None, is_followed=False)

    shelf.steps[KIND] = ScriptedStep(KIND, dismiss)
    worker.run()
    assert worker.is_dismissed
    assert not shelf.tasks()


def test_a_step_that_gives_no_sign_of_life_is_told_by_its_silence(shelf: StepShelf) -> None:
    owe(shelf, "a.safetensors")
    worker = desk(shelf)
    told: list[float] = []

    def linger(task: Task, reins: Reins) -> Outcome[None]:
        shelf.clock.advance(7)
        told.append(worker.silent_seconds())
        reins.check()
        told.append(worker.silent_seconds())
        return Done(task, None, is_followed=False)

    shelf.steps[KIND] = ScriptedStep(KIND, linger)
    worker.turn()
    assert told == [7, 0]
    assert worker.silent_seconds() == 0


def test_a_worker_works_until_the_hall_closes(shelf: StepShelf) -> None:
    workers = [Worker(lane, shelf.hall, DEVICE) for lane in Lane]
    for worker in workers:
        worker.start()
    shelf.put("a.safetensors", builders.lora(1))
    shelf.store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras")], shelf.clock.now())
    shelf.hall.bell.ring()
    wait_until((shelf.root / "loras" / "a.html").exists)
    shelf.hall.stopping.set()
    shelf.hall.bell.ring()
    for worker in workers:
        worker.join(timeout=10)
        assert not worker.is_alive()


@pytest.mark.parametrize("error", [TransientError("locked"), KeyError("a bug")])
def test_a_worker_outlives_whatever_goes_wrong(
    error: Exception, shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "PAUSE_SECONDS", 0.001)
    worker = desk(shelf)
    errors = [error, error]

    def turn() -> bool:
        if errors:
            raise errors.pop()
        shelf.hall.stopping.set()
        return True

    monkeypatch.setattr(worker, "turn", turn)
    worker.run()
    assert not errors
    assert not shelf.fatal


def test_a_journal_that_is_lost_ends_the_daemon(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = desk(shelf)
    monkeypatch.setattr(worker, "turn", raising(StoreError("damaged")))
    worker.run()
    assert [str(error) for error in shelf.fatal] == ["damaged"]


def test_a_worker_sleeps_until_its_next_task_is_due(shelf: StepShelf) -> None:
    worker = desk(shelf)
    assert worker._idle_seconds() is None
    later = shelf.clock.now().replace(year=shelf.clock.now().year + 1)
    shelf.store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras", due_at=later)], shelf.clock.now())
    assert worker._idle_seconds() == 365 * 24 * 3600
    shelf.store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras")], shelf.clock.now())
    assert worker._idle_seconds() == 0.05
    assert Worker(Lane.DISK, shelf.hall, DEVICE)._idle_seconds() is None


def test_two_runs_that_share_a_scan_end_together(shelf: StepShelf) -> None:
    now = shelf.clock.now()
    ids = [shelf.store.runs.start(name, now) for name in ("first", "second")]
    for run_id in ids:
        shelf.store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras", run_id=run_id)], now)
    shelf.drain()
    assert all(run.ended_at is not None for run in shelf.store.runs.latest(10))
