from __future__ import annotations

import ctypes
import os
from functools import partial
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.task import Lane, NewTask, Priority, TaskKind, TaskState
from modelshelf.errors import DiskFull, ReaderDied
from modelshelf.steps import inspect_file
from modelshelf.steps.scan_folder import ScanFolder
from modelshelf.steps.step import Done, Interrupted
from modelshelf.store.suspects import CRASHES_UNTIL_ALONE
from modelshelf.worker import reins as room
from modelshelf.worker.reins import ReadingReins, ScanReins, WorkerReins
from modelshelf.worker.worker import Worker
from tests import builders
from tests.unit.steps.step_shelf import TRAITS
from tests.unit.store.store_builders import add_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelshelf.domain.model_file import ModelFile
    from modelshelf.domain.task import Task
    from modelshelf.shelf.walk import Listing
    from modelshelf.steps.step import Outcome, Reins
    from modelshelf.steps.sweep import Sweep
    from tests.unit.steps.step_shelf import StepShelf

MEGABYTE = 1024**2


class SlowStep:
    """Reads files of any size in one go each; `within` is called in the middle of the first one."""

    kind = TaskKind.HASH_FILE

    def __init__(self, shelf: StepShelf, within: Callable[[Task, Reins], None]) -> None:
        self.read: list[str] = []
        self._shelf = shelf
        self._within = [within]

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[ModelFile]]:
        return [self._read(task, reins) for task in tasks]

    def _read(self, task: Task, reins: Reins) -> Outcome[ModelFile]:
        file = self._shelf.store.files.get(int(task.subject))
        assert file is not None
        if self._within:
            self._within.pop()(task, reins)
        self.read.append(os.fsdecode(file.path))
        return Done(task, file, is_followed=False)

    def record(self, done: Sequence[Done[ModelFile]]) -> list[NewTask]:
        for each in done:
            self._shelf.store.files.record_unhashed(each.result.id, "read")
        return []


def notice(shelf: StepShelf, name: str, size_bytes: int, priority: Priority = Priority.REST) -> None:
    """Owe the hash of a file that is so large and so urgent."""
    file_id = add_file(shelf.store, name.encode(), folder_id="loras", priority=priority, size_bytes=size_bytes)
    shelf.store.database.execute("UPDATE files SET is_inspected = 1 WHERE id = ?", (file_id,))


def read_giant(
    shelf: StepShelf, within: Callable[[Task, Reins], None], priority: Priority = Priority.REST
) -> list[str]:
    """Let a worker read a giant, and `within` happen meanwhile; gives what was read, as it was finished."""
    notice(shelf, "giant.pt", 4000 * MEGABYTE, priority)
    step = shelf.steps[TaskKind.HASH_FILE] = SlowStep(shelf, within)
    assert Worker(Lane.DISK, shelf.hall, TRAITS.id).turn()
    return step.read


def test_a_drop_is_read_while_a_giant_pauses(shelf: StepShelf) -> None:
    def drop(task: Task, reins: Reins) -> None:
        reins.advance(task, 10)
        notice(shelf, "drop.pt", 10 * MEGABYTE, Priority.DROP)
        shelf.hall.bell.ring()
        shelf.clock.advance(1)
        reins.advance(task, 20)
        assert shelf.hall.in_hand == {task.id: (task, 20)}

    assert read_giant(shelf, drop) == ["drop.pt", "giant.pt"]
    assert not shelf.tasks()


@pytest.mark.parametrize(
    ("size_bytes", "priority", "is_ahead"),
    [
        (3999, Priority.PERSON, True),
        (4000, Priority.PERSON, False),
        (499, Priority.DROP, True),
        (500, Priority.DROP, False),
        (1, Priority.REST, False),
    ],
)
def test_only_what_is_more_urgent_and_smaller_than_the_rest_or_as_urgent_and_far_smaller_goes_ahead(
    size_bytes: int, priority: Priority, *, is_ahead: bool, shelf: StepShelf
) -> None:
    def drop(task: Task, reins: Reins) -> None:
        notice(shelf, "other.pt", size_bytes * MEGABYTE, priority)
        reins.advance(task, MEGABYTE)

    assert ("other.pt" in read_giant(shelf, drop, Priority.DROP)) is is_ahead
    shelf.drain()
    assert not shelf.tasks()


def test_what_was_tried_before_goes_ahead_too_but_no_suspect(shelf: StepShelf) -> None:
    def drop(task: Task, reins: Reins) -> None:
        for name in ("again.pt", "suspect.pt"):
            notice(shelf, name, MEGABYTE, Priority.DROP)
        shelf.store.journal.release(shelf.store.journal.claim(Lane.DISK, shelf.clock.now()))
        shelf.store.database.execute(
            "UPDATE tasks SET crashes = ? WHERE subject = ?",
            (CRASHES_UNTIL_ALONE, str(shelf.file("suspect.pt").id)),
        )
        reins.advance(task, MEGABYTE)

    assert read_giant(shelf, drop) == ["again.pt", "giant.pt"]


def test_a_giant_reads_on_for_as_long_as_it_paused_before_it_pauses_again(shelf: StepShelf) -> None:
    pauses: list[int] = []

    def let_by(_: Task, done_bytes: int) -> None:
        pauses.append(done_bytes)
        shelf.hall.bell.ring()
        shelf.clock.advance(2)

    reins, task = ReadingReins(shelf.hall, let_by), shelf.task(TaskKind.HASH_FILE, 1)
    for eighth in range(40):
        reins.advance(task, eighth)
        shelf.clock.advance(0.125)
    assert pauses == [0, 16, 32]


def test_nobody_holds_a_giant_for_longer_than_five_seconds_between(shelf: StepShelf) -> None:
    pauses: list[int] = []

    def let_by(_: Task, done_bytes: int) -> None:
        pauses.append(done_bytes)
        shelf.hall.bell.ring()
        shelf.clock.advance(3600)

    reins, task = ReadingReins(shelf.hall, let_by), shelf.task(TaskKind.HASH_FILE, 1)
    for second in range(12):
        reins.advance(task, second)
        shelf.clock.advance(1)
    assert pauses == [0, room.LONGEST_STRETCH_SECONDS, 2 * room.LONGEST_STRETCH_SECONDS]


def test_where_nothing_new_came_nothing_is_looked_for(shelf: StepShelf) -> None:
    looks: list[int] = []
    reins, task = (
        ReadingReins(shelf.hall, lambda _, done_bytes: looks.append(done_bytes)),
        shelf.task(TaskKind.HASH_FILE, 1),
    )
    for number in range(10):
        reins.advance(task, number)
        shelf.clock.advance(10)
    assert looks == [0]


def test_a_stop_in_a_pause_keeps_what_was_finished_and_gives_the_giant_back(shelf: StepShelf) -> None:
    def drop(task: Task, reins: Reins) -> None:
        notice(shelf, "drop.pt", 10 * MEGABYTE, Priority.DROP)
        step._within.append(lambda *_: shelf.hall.stopping.set())
        reins.advance(task, MEGABYTE)
        reins.advance(task, 2 * MEGABYTE)

    notice(shelf, "giant.pt", 4000 * MEGABYTE)
    step = shelf.steps[TaskKind.HASH_FILE] = SlowStep(shelf, drop)
    Worker(Lane.DISK, shelf.hall, TRAITS.id).turn()
    assert [(task.state, task.attempts, task.crashes) for task in shelf.tasks()] == [(TaskState.QUEUED, 0, 0)]
    assert shelf.file("giant.pt").hash_skipped_reason is None


def test_a_full_disk_in_a_pause_costs_the_giant_nothing(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> list[Task]:
        raise DiskFull("full")

    monkeypatch.setattr(shelf.store.journal, "claim_ahead", refuse)
    assert read_giant(shelf, lambda task, reins: reins.advance(task, MEGABYTE)) == ["giant.pt"]
    assert not shelf.tasks()


def test_a_file_that_was_forgotten_meanwhile_lets_nobody_by(shelf: StepShelf) -> None:
    worker = Worker(Lane.DISK, shelf.hall, TRAITS.id)
    worker._let_reading_by(shelf.task(TaskKind.HASH_FILE, 77), 0)
    assert not shelf.tasks()


def test_only_a_suspect_is_read_in_a_process_of_its_own(shelf: StepShelf) -> None:
    assert WorkerReins(shelf.hall).read(os.getpid) == os.getpid()
    assert WorkerReins(shelf.hall, is_apart=True).read(os.getpid) != os.getpid()
    assert ScanReins(shelf.hall, lambda: None, is_apart=True).read(os.getpid) != os.getpid()
    assert ReadingReins(shelf.hall, lambda *_: None, is_apart=True).read(os.getpid) != os.getpid()


def suspect(shelf: StepShelf, name: str) -> None:
    """Let a file be in hand twice when the daemon dies."""
    shelf.put(name, builders.lora(1))
    shelf.scan()
    for _ in range(CRASHES_UNTIL_ALONE):
        assert shelf.store.journal.claim(Lane.DESK, shelf.clock.now())
        shelf.store.journal.recover(shelf.clock.now())


def test_an_innocent_suspect_is_inspected_and_hashed_like_any_other(shelf: StepShelf) -> None:
    suspect(shelf, "a.safetensors")
    shelf.drain()
    assert shelf.content("a.safetensors").hashes.sha256
    assert not [task for task in shelf.tasks() if task.crashes]


def test_only_a_child_that_dies_makes_a_suspect_failed(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    suspect(shelf, "a.safetensors")
    monkeypatch.setattr(inspect_file, "read_header", ctypes.string_at)
    shelf.drain()
    (failed,) = shelf.store.journal.failures()
    assert (failed.kind, failed.state, failed.failure_kind) == (
        TaskKind.INSPECT_FILE,
        TaskState.FAILED,
        ReaderDied.kind,
    )
    assert "last words" in str(failed.last_error)


def test_reins_are_heard_from_whenever_a_step_asks(shelf: StepShelf) -> None:
    reins = WorkerReins(shelf.hall)
    shelf.clock.advance(5)
    reins.check()
    assert reins.heard_at == shelf.clock.monotonic()
    shelf.hall.stopping.set()
    with pytest.raises(Interrupted):
        reins.check()


def test_a_reader_that_is_mute_is_no_sign_of_life_and_one_that_tells_is(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    reins, task = WorkerReins(shelf.hall, is_apart=True), shelf.task(TaskKind.HASH_FILE, 1)
    began_at = reins.heard_at
    heard: list[float] = []

    def read_mutely(
        _: object, __: object, options: dict[str, Callable[[int], None]], check: Callable[[], None]
    ) -> None:
        shelf.clock.advance(5)
        check()
        heard.append(reins.heard_at - began_at)
        options["on_progress"](1)
        heard.append(reins.heard_at - began_at)

    monkeypatch.setattr(room, "read_apart", read_mutely)
    reins.read(lambda **_: None, on_progress=lambda done_bytes: reins.advance(task, done_bytes))
    assert heard == [0, 5]
    shelf.hall.stopping.set()
    with pytest.raises(Interrupted):
        reins.read(lambda **_: None)


def act_in_scan(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch, after: bytes, within: Callable[[], None]) -> None:
    """Let `within` happen when a scan of the whole folder has compared the directory `after`."""
    compare = ScanFolder._compare

    def compare_and_act(self: ScanFolder, sweep: Sweep, listing: Listing) -> None:
        compare(self, sweep, listing)
        if listing.directory == after and not sweep.task.path:
            within()
            shelf.hall.bell.ring()
            shelf.clock.advance(1)

    monkeypatch.setattr(ScanFolder, "_compare", compare_and_act)


def test_a_drop_is_noticed_and_inspected_while_a_whole_folder_is_scanned(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        shelf.put(f"{number}/old.safetensors", builders.lora(number))
    shelf.look_through()
    order: list[str] = []

    def drop() -> None:
        shelf.put("0/drop.safetensors", builders.lora(9))
        scan = NewTask(TaskKind.SCAN_FOLDER, "loras", path=b"0/drop.safetensors", priority=Priority.DROP)
        shelf.store.journal.add([scan, NewTask(TaskKind.RENDER_GALLERY, "loras")], shelf.clock.now())

    def note() -> None:
        file = shelf.store.files.at("loras", b"0/drop.safetensors")
        order.append("unknown" if file is None else "known")

    act_in_scan(shelf, monkeypatch, b"0", drop)
    act_in_scan(shelf, monkeypatch, b"1", lambda: None)
    act_in_scan(shelf, monkeypatch, b"2", note)
    shelf.store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras")], shelf.clock.now())
    assert Worker(Lane.DESK, shelf.hall, TRAITS.id).turn()
    assert order == ["known"]
    shelf.drain()
    assert shelf.content("0/drop.safetensors").hashes.sha256
    assert len(shelf.events("file_went_missing")) == 0


def test_what_is_no_more_urgent_than_a_scan_waits_for_its_end(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.put("0/old.safetensors", builders.lora(1))
    shelf.look_through()
    owed = NewTask(TaskKind.RENDER_GALLERY, "loras", priority=Priority.CHANGED)
    left: list[int] = []
    act_in_scan(shelf, monkeypatch, b"", lambda: shelf.store.journal.add([owed], shelf.clock.now()))
    act_in_scan(shelf, monkeypatch, b"0", lambda: left.append(len(shelf.tasks(TaskKind.RENDER_GALLERY))))
    shelf.store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras", priority=Priority.VERIFY)], shelf.clock.now())
    assert Worker(Lane.DESK, shelf.hall, TRAITS.id).turn()
    assert left == [1]


def test_a_scan_that_is_let_by_clears_nobody_s_stop(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        shelf.put(f"{number}/old.safetensors", builders.lora(number))
    shelf.look_through()
    run_id = shelf.store.runs.start(None, shelf.clock.now())

    def drop_and_stop() -> None:
        drop = NewTask(TaskKind.SCAN_FOLDER, "loras", path=b"0/none.safetensors", priority=Priority.PERSON + 1)
        shelf.store.journal.add([drop], shelf.clock.now())
        genuine = shelf.store.files.at

        def stop(folder_id: str, path: bytes) -> ModelFile | None:
            shelf.hall.stopped_scans.set()
            return genuine(folder_id, path)

        monkeypatch.setattr(type(shelf.store.files), "at", lambda _, folder_id, path: stop(folder_id, path))

    compared: list[str] = []
    for name in ("0", "1"):
        act_in_scan(shelf, monkeypatch, name.encode(), partial(compared.append, name))
    act_in_scan(shelf, monkeypatch, b"0", drop_and_stop)
    scan = NewTask(TaskKind.SCAN_FOLDER, "loras", priority=Priority.PERSON, run_id=run_id)
    shelf.store.journal.add([scan], shelf.clock.now())
    Worker(Lane.DESK, shelf.hall, TRAITS.id).turn()
    assert compared == ["0"]
    assert not shelf.tasks(TaskKind.SCAN_FOLDER)
    run = shelf.store.runs.get(run_id)
    assert run is not None
    assert run.ended_at is not None
    assert not shelf.hall.stopped_scans.is_set()
