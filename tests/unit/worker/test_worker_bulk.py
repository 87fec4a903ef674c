from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.chunk import ChunkState
from modelshelf.domain.task import ORDER, Lane, NewTask, Priority, TaskKind, TaskState
from modelshelf.errors import DiskFull, FileUnreadable, ReaderDied, ReaderLost, TransientError
from modelshelf.steps.step import Interrupted
from modelshelf.worker import bulk, chunk_run
from modelshelf.worker.bulk_reins import BulkReins, rest_seconds
from modelshelf.worker.isolation import NARROW
from modelshelf.worker.lanes import DeviceLanes
from modelshelf.worker.leave import ON_DEMAND, Leave
from modelshelf.worker.reader import ReaderHere
from modelshelf.worker.worker import Worker
from tests import builders
from tests.logged import logged
from tests.unit.steps.step_shelf import TRAITS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime
    from pathlib import Path

    from modelshelf.domain.chunk import Chunk
    from modelshelf.domain.task import Task
    from modelshelf.worker.isolation import Limits
    from tests.unit.steps.step_shelf import StepShelf

LARGE_BYTES = 9 * 1024**2


@dataclass(frozen=True, slots=True)
class FakeLeave(Leave):
    """Leave that a test gives and takes: `reasons` by folder, `rates` by device."""

    reasons: dict[str, str] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    changes: list[datetime] = field(default_factory=list)

    def held(self, folder_ids: Collection[str], now: datetime) -> dict[str, str]:
        return {each: reason for each, reason in self.reasons.items() if each in folder_ids}

    def next_change(self, now: datetime) -> datetime | None:
        return min(self.changes, default=None)

    def allowance(self, device: str, now: datetime) -> float | None:
        return self.rates.get(device)


class ScriptedReader(ReaderHere):
    """Reads here, and does what a test has arranged for a name before; `limits` are those of each read."""

    def __init__(self) -> None:
        self.read_names: list[str] = []
        self.limits: list[Limits] = []
        self.acts: dict[str, list[Callable[[], object]]] = {}
        self.is_closed = False
        self.openings: list[ReaderLost] = []

    def open(self, check: Callable[[], None]) -> None:
        check()
        self.is_closed = False
        if self.openings:
            raise self.openings.pop()

    def read(self, function: Any, args: Any, options: Any, check: Any, *limits: Any) -> Any:
        path: Path = args[0]
        self.read_names.append(f"{function.__name__} {path.name}")
        self.limits += limits
        acts = self.acts.get(path.name, [])
        if acts:
            acts.pop(0)()
        return super().read(function, args, options, check)

    def close(self) -> None:
        self.is_closed = True


class Deep:
    """A shelf whose bulk is read by a scripted reader, under leave that a test gives."""

    def __init__(self, shelf: StepShelf) -> None:
        self.shelf = shelf
        self.leave = FakeLeave()
        self.reader = ScriptedReader()
        shelf.hall = replace(shelf.hall, leave=self.leave, new_reader=lambda: self.reader)
        self.worker = Worker(Lane.DISK, shelf.hall, TRAITS.id)

    def put(self, *names: str, size_bytes: int = 0) -> None:
        """Have files noticed that nobody waits for."""
        for name in names:
            self.shelf.put(name, builders.lora(sum(name.encode()), padding_bytes=size_bytes))
        self.shelf.scan(priority=Priority.REST)

    def drop(self, name: str) -> None:
        """Have a file noticed that somebody waits for, and looked at by the desk."""
        self.shelf.put(name, builders.lora(sum(name.encode())))
        self.shelf.scan(name, priority=Priority.DROP)
        Worker(Lane.DESK, self.shelf.hall, TRAITS.id).turn()
        self.shelf.clock.advance(1)
        self.shelf.hall.bell.ring()

    def chunks(self) -> list[Chunk]:
        """Give the chunks that ended, the first first."""
        return self.shelf.store.chunks.latest(100)[::-1]

    def is_hashed(self, name: str) -> bool:
        """Tell whether a file is known by its hash."""
        return self.shelf.file(name).content_id is not None


@pytest.fixture
def deep(shelf: StepShelf) -> Deep:
    return Deep(shelf)


def raising(error: BaseException) -> Callable[[], object]:
    def raise_it() -> None:
        raise error

    return raise_it


# in chunks


def test_what_nobody_waits_for_is_inspected_and_hashed_in_a_chunk_by_the_reader(deep: Deep) -> None:
    deep.put("a.safetensors", "b.safetensors")
    assert Worker(Lane.DESK, deep.shelf.hall, TRAITS.id).turn() is False
    assert deep.worker.turn()
    assert deep.is_hashed("a.safetensors")
    assert deep.is_hashed("b.safetensors")
    assert deep.reader.read_names == [
        "read_header a.safetensors",
        "read_header b.safetensors",
        "hash_file a.safetensors",
        "hash_file b.safetensors",
    ]
    (chunk,) = deep.chunks()
    assert (chunk.state, chunk.done_files, chunk.failed_files, chunk.reason) == (ChunkState.DONE, 2, 0, None)
    assert chunk.done_bytes == chunk.size_bytes
    assert deep.worker.turn() is False
    assert not deep.shelf.hall.in_hand


def test_what_somebody_waits_for_is_read_here_and_at_once(deep: Deep) -> None:
    deep.drop("now.safetensors")
    assert deep.worker.turn()
    assert deep.is_hashed("now.safetensors")
    assert not deep.reader.read_names
    assert not deep.chunks()


def test_a_chunk_is_recorded_a_few_files_at_a_time(deep: Deep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_run, "BATCH_FILES", 2)
    deep.put(*(f"{number}.safetensors" for number in range(5)))
    known: list[int] = []

    def note() -> None:
        (count,) = deep.shelf.store.database.rows("SELECT count(*) FROM files WHERE content_id IS NOT NULL")[0]
        known.append(count)

    for number in range(5):
        deep.reader.acts[f"{number}.safetensors"] = [note, note]
    assert deep.worker.turn()
    assert known == [0, 0, 0, 0, 2, 2, 2, 2, 4, 4]


def test_a_batch_has_so_many_bytes_and_a_large_file_one_of_its_own(deep: Deep, monkeypatch: pytest.MonkeyPatch) -> None:
    deep.put("a.safetensors", "b.safetensors", "c.safetensors")
    size_bytes = deep.shelf.file("a.safetensors").fingerprint.size_bytes
    monkeypatch.setattr(chunk_run, "BATCH_BYTES", 2 * size_bytes)
    assert deep.worker.turn()
    names = [name[-13:-12] for name in deep.reader.read_names]
    assert names == ["a", "b", "a", "b", "c", "c"]


def test_what_is_to_be_verified_comes_after_all_that_is_to_be_read(deep: Deep) -> None:
    deep.put("old.safetensors")
    assert deep.worker.turn()
    deep.shelf.store.journal.add(
        [NewTask(TaskKind.VERIFY_FILE, str(deep.shelf.file("old.safetensors").id), priority=Priority.VERIFY)],
        deep.shelf.clock.now(),
    )
    deep.put("new.safetensors")
    deep.reader.read_names.clear()
    while deep.worker.turn():
        pass
    assert [name.split()[1] for name in deep.reader.read_names] == ["new.safetensors"] * 2 + ["old.safetensors"]


def test_what_failed_before_is_tried_again_by_the_reader_and_before_the_next_chunk(deep: Deep) -> None:
    deep.put("again.safetensors")
    deep.reader.acts["again.safetensors"] = [raising(FileUnreadable("not now"))]
    assert deep.worker.turn()
    (task,) = deep.shelf.tasks(TaskKind.INSPECT_FILE)
    assert (task.state, task.attempts) == (TaskState.QUEUED, 1)
    assert deep.chunks()[0].failed_files == 1
    assert deep.worker._idle_seconds() == (task.due_at - deep.shelf.clock.now()).total_seconds()
    deep.shelf.clock.advance(3600)
    deep.put("next.safetensors")
    deep.reader.read_names.clear()
    assert deep.worker.turn()
    assert deep.reader.read_names == ["read_header again.safetensors"]


def test_pickles_are_scanned_by_the_reader_within_narrow_limits(deep: Deep) -> None:
    deep.shelf.put("a.ckpt", builders.torch_zip(1))
    deep.shelf.scan(priority=Priority.REST)
    assert deep.worker.turn()
    assert deep.reader.limits == [NARROW]


# poison


@pytest.mark.parametrize("error", [ReaderDied("it died"), ReaderLost("somebody killed it")])
def test_a_file_that_ends_its_reader_is_read_once_more_after_all_others(deep: Deep, error: BaseException) -> None:
    deep.put("a.safetensors", "bad.safetensors", "c.safetensors")
    deep.reader.acts["bad.safetensors"] = [lambda: None, raising(error)]
    with logged() as events:
        assert deep.worker.turn()
    assert [name for name in deep.reader.read_names if "hash" in name] == [
        "hash_file a.safetensors",
        "hash_file bad.safetensors",
        "hash_file c.safetensors",
        "hash_file bad.safetensors",
    ]
    assert deep.is_hashed("bad.safetensors")
    assert deep.chunks()[0].failed_files == 0
    assert [each["reason"] for each in events if each["event"] == "reader_died"] == [str(error)]
    assert not deep.shelf.hall.read_in_vain


def test_a_file_that_does_so_twice_is_given_up_and_the_chunk_is_done(deep: Deep) -> None:
    deep.put("a.safetensors", "bad.safetensors", "c.safetensors")
    deep.reader.acts["bad.safetensors"] = [raising(ReaderDied(f"death {number}")) for number in (1, 2)]
    assert deep.worker.turn()
    (chunk,) = deep.chunks()
    assert (chunk.state, chunk.done_files, chunk.failed_files) == (ChunkState.DONE, 3, 1)
    (failure,) = deep.shelf.store.journal.failures()
    assert (failure.state, failure.last_error) == (TaskState.FAILED, "death 2")
    assert deep.is_hashed("c.safetensors")
    assert deep.worker.turn() is False


def test_what_was_put_off_and_then_ends_two_readers_is_given_up_too(deep: Deep) -> None:
    deep.put("bad.safetensors")
    deep.reader.acts["bad.safetensors"] = [
        raising(FileUnreadable("not now")),
        raising(ReaderDied("first")),
        raising(ReaderDied("second")),
    ]
    assert deep.worker.turn()
    deep.shelf.clock.advance(3600)
    while deep.worker.turn():
        pass
    (failure,) = deep.shelf.store.journal.failures()
    assert (failure.state, failure.last_error) == (TaskState.FAILED, "second")


def test_a_chunk_does_not_wait_for_a_second_reading_that_somebody_else_has_in_hand(
    deep: Deep, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep.put("bad.safetensors")
    deep.reader.acts["bad.safetensors"] = [raising(ReaderDied("dead"))]
    monkeypatch.setattr(deep.shelf.store.journal, "claim_bulk", lambda *_, **__: [])
    assert deep.worker.turn()
    assert [(chunk.state, chunk.failed_files) for chunk in deep.chunks()] == [(ChunkState.DONE, 0)]
    assert deep.shelf.hall.read_in_vain


def test_what_killed_its_readers_is_tried_again_alone_and_apart_when_a_person_says_so(
    deep: Deep, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep.put("bad.safetensors")
    deep.reader.acts["bad.safetensors"] = [raising(ReaderDied("dead"))] * 2
    assert deep.worker.turn()
    assert deep.shelf.store.journal.bring_back(None, deep.shelf.clock.now()) == 1
    deep.reader.read_names.clear()
    apart: list[Any] = []
    monkeypatch.setattr("modelshelf.worker.reins.read_apart", lambda function, *_: apart.append(function))
    assert deep.worker.turn() is False
    Worker(Lane.DESK, deep.shelf.hall, TRAITS.id).turn()
    assert len(apart) == 1
    assert not deep.reader.read_names


def test_where_no_reader_can_be_had_nothing_is_blamed_and_it_is_tried_again_soon(deep: Deep) -> None:
    deep.put("a.safetensors")
    deep.reader.openings = [ReaderLost("no process could be started")]
    with logged() as events:
        assert deep.worker.turn()
    assert [each["event"] for each in events if each["level"] == "warning"] == ["reader_not_started"]
    assert [(task.state, task.attempts) for task in deep.shelf.tasks(TaskKind.INSPECT_FILE)] == [(TaskState.QUEUED, 0)]
    assert deep.worker.turn() is False
    assert deep.worker._idle_seconds() == bulk.PAUSE_SECONDS
    deep.shelf.clock.advance(bulk.PAUSE_SECONDS)
    while deep.worker.turn():
        pass
    assert deep.is_hashed("a.safetensors")
    assert [chunk.state for chunk in deep.chunks()] == [ChunkState.DONE]


def test_a_stop_while_a_reader_is_had_is_no_fault_of_a_file(deep: Deep) -> None:
    deep.put("a.safetensors")
    checked: list[bool] = []

    def open_slowly(check: Callable[[], None]) -> None:
        check()
        checked.append(True)
        deep.shelf.hall.stopping.set()
        check()
        checked.append(False)

    deep.reader.open = open_slowly  # type: ignore[method-assign]
    assert deep.worker.turn()
    assert checked == [True]
    assert [(task.state, task.attempts) for task in deep.shelf.tasks(TaskKind.INSPECT_FILE)] == [(TaskState.QUEUED, 0)]


# leave


def test_a_folder_without_leave_is_not_read_until_it_has_it(deep: Deep) -> None:
    deep.put("a.safetensors")
    deep.leave.reasons["loras"] = "outside its window"
    opens_at = deep.shelf.clock.now() + timedelta(hours=3)
    deep.leave.changes.append(opens_at)
    assert deep.worker.turn() is False
    assert deep.worker._idle_seconds() == 3 * 3600
    assert Worker(Lane.DESK, deep.shelf.hall, TRAITS.id)._idle_seconds() is None, "no suspect waits for leave"
    deep.leave.reasons.clear()
    assert deep.worker.turn()
    assert deep.is_hashed("a.safetensors")


def test_what_failed_before_in_a_folder_without_leave_waits_too(deep: Deep) -> None:
    deep.put("a.safetensors")
    deep.shelf.store.journal.release(deep.shelf.store.journal.claim(Lane.DESK, deep.shelf.clock.now()))
    deep.leave.reasons["loras"] = "outside its window"
    assert deep.worker.turn() is False
    assert deep.worker._idle_seconds() is None
    deep.leave.reasons.clear()
    assert deep.worker._idle_seconds() == 0.05
    assert deep.worker.turn()


def test_a_drop_in_a_folder_without_leave_is_read(deep: Deep) -> None:
    deep.leave.reasons["loras"] = "on demand only"
    deep.drop("now.safetensors")
    assert deep.worker.turn()
    assert deep.is_hashed("now.safetensors")


def test_leave_that_ends_between_batches_gives_the_chunk_back_and_what_is_done_is_kept(
    deep: Deep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk_run, "BATCH_FILES", 1)
    deep.put("a.safetensors", "b.safetensors")
    deep.reader.acts["a.safetensors"] = [lambda: deep.leave.reasons.update(loras="it is too hot")]
    assert deep.worker.turn()
    assert (deep.is_hashed("a.safetensors"), deep.is_hashed("b.safetensors")) == (True, False)
    (chunk,) = deep.shelf.store.chunks.planned(10)
    assert chunk.reason == "it is too hot"
    assert deep.worker.turn() is False
    deep.leave.reasons.clear()
    assert deep.worker.turn()
    assert deep.is_hashed("b.safetensors")
    assert [name for name in deep.reader.read_names if "hash" in name] == [
        "hash_file a.safetensors",
        "hash_file b.safetensors",
    ]


class Resting:
    """Stands for the bell while somebody waits: each wait does the next thing that a test has arranged."""

    def __init__(self, deep: Deep, monkeypatch: pytest.MonkeyPatch, *acts: Callable[[], object]) -> None:
        self.seconds: list[float | None] = []
        self._acts = [*acts]
        monkeypatch.setattr(type(deep.shelf.hall.bell), "wait", lambda _, __, seconds: self._wait(seconds))

    def _wait(self, seconds: float | None) -> None:
        self.seconds.append(seconds)
        self._acts.pop(0)()


def test_a_window_that_closes_in_the_middle_of_a_file_holds_it_until_it_opens_and_lets_drops_by(
    deep: Deep, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep.put("large.safetensors", size_bytes=LARGE_BYTES)
    seen: list[object] = []

    def look() -> None:
        (chunk,) = deep.shelf.store.chunks.running()
        seen.append((chunk.reason, deep.worker.silent_seconds(), deep.is_hashed("drop.safetensors")))
        deep.shelf.clock.advance(600)

    def open_it() -> None:
        look()
        deep.leave.reasons.clear()

    def close_it_and_drop() -> None:
        deep.leave.reasons["loras"] = "outside its window"
        deep.drop("drop.safetensors")
        deep.leave.changes.append(deep.shelf.clock.now() + timedelta(seconds=7))

    resting = Resting(deep, monkeypatch, look, open_it)
    deep.reader.acts["large.safetensors"] = [lambda: None, close_it_and_drop]
    assert deep.worker.turn()
    assert seen == [("outside its window", 0.0, True)] * 2
    assert resting.seconds == [7, 0.05]
    assert deep.is_hashed("large.safetensors")
    assert deep.reader.read_names.count("hash_file large.safetensors") == 1
    (chunk,) = deep.chunks()
    assert (chunk.state, chunk.reason) == (ChunkState.DONE, None)


@pytest.mark.parametrize("how", ["held", "slowly"])
def test_a_file_in_hand_that_somebody_wants_at_once_is_read_on_without_leave_and_at_full_speed(
    deep: Deep, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    deep.put("large.safetensors", size_bytes=LARGE_BYTES)

    def hold() -> None:
        if how == "held":
            deep.leave.reasons["loras"] = ON_DEMAND
            ask()
        else:
            deep.leave.rates[TRAITS.id] = 1.0

    def ask() -> None:
        deep.shelf.store.reading.raise_to("loras", b"", Priority.PERSON)

    pay = BulkReins._pay
    urgent: list[int] = []

    def paying(reins: BulkReins, task: Task, done_bytes: int) -> None:
        urgent.append(deep.shelf.hall.in_hand[task.id][0].priority)
        pay(reins, task, done_bytes)

    monkeypatch.setattr(BulkReins, "_pay", paying)
    resting = Resting(deep, monkeypatch, ask)
    deep.reader.acts["large.safetensors"] = [lambda: None, hold]
    assert deep.worker.turn()
    assert len(resting.seconds) == (how == "slowly")
    assert urgent[-1] == Priority.PERSON
    assert deep.is_hashed("large.safetensors")
    assert deep.reader.read_names.count("hash_file large.safetensors") == 1


@pytest.mark.parametrize("how", ["stop", "dismissal"])
def test_a_file_that_is_held_is_put_down_at_once_when_it_must_be(
    how: str, deep: Deep, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep.put("large.safetensors", size_bytes=LARGE_BYTES)
    resting = Resting(deep, monkeypatch, deep.shelf.hall.stopping.set if how == "stop" else deep.worker.dismiss)
    hold = lambda: deep.leave.reasons.update(loras="the machine runs on its battery")  # noqa: E731
    deep.reader.acts["large.safetensors"] = [lambda: None, hold]
    assert deep.worker.turn()
    assert resting.seconds == [60]
    assert [(task.state, task.attempts, task.crashes) for task in deep.shelf.tasks(TaskKind.HASH_FILE)] == [
        (TaskState.QUEUED, 0, 0)
    ]
    assert deep.shelf.store.chunks.running() == []


def test_a_file_whose_window_closed_does_not_hold_a_folder_that_has_leave(
    deep: Deep, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep.shelf.add_folder("b")
    deep.put("large.safetensors", size_bytes=LARGE_BYTES)

    def notice_in_b() -> None:
        deep.shelf.put("b.safetensors", builders.lora(5), "b")
        deep.shelf.scan("", "b", priority=Priority.REST)

    resting = Resting(deep, monkeypatch, lambda: None, notice_in_b)
    hold = lambda: deep.leave.reasons.update(loras="outside its window")  # noqa: E731
    deep.reader.acts["large.safetensors"] = [lambda: None, hold]
    assert deep.worker.turn()
    assert len(resting.seconds) == 2, "it rests while b owes nothing, and not a moment longer"
    assert [(task.state, task.attempts) for task in deep.shelf.tasks(TaskKind.HASH_FILE)] == [(TaskState.QUEUED, 0)]
    while deep.worker.turn():
        pass
    in_b = deep.shelf.store.files.at("b", b"b.safetensors")
    assert in_b is not None
    assert in_b.content_id is not None
    assert not deep.is_hashed("large.safetensors")
    deep.leave.reasons.clear()
    while deep.worker.turn():
        pass
    assert deep.is_hashed("large.safetensors")


def test_a_file_of_a_folder_that_is_read_on_demand_only_is_never_rested_with(
    deep: Deep, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep.put("large.safetensors", size_bytes=LARGE_BYTES)
    resting = Resting(deep, monkeypatch)
    hold = lambda: deep.leave.reasons.update(loras=ON_DEMAND)  # noqa: E731
    deep.reader.acts["large.safetensors"] = [lambda: None, hold]
    assert deep.worker.turn()
    assert resting.seconds == []
    assert [(task.state, task.attempts) for task in deep.shelf.tasks(TaskKind.HASH_FILE)] == [(TaskState.QUEUED, 0)]


def test_the_bell_rings_when_a_file_that_rested_is_read_on(deep: Deep, monkeypatch: pytest.MonkeyPatch) -> None:
    deep.put("large.safetensors", size_bytes=LARGE_BYTES)
    bell, rings = deep.shelf.hall.bell, [0]

    def open_it() -> None:
        rings[0] = bell.rings
        deep.leave.reasons.clear()

    Resting(deep, monkeypatch, open_it)
    hold = lambda: deep.leave.reasons.update(loras="outside its window")  # noqa: E731
    deep.reader.acts["large.safetensors"] = [lambda: None, hold]
    heard: list[int] = []
    rest = BulkReins._wait_for_leave

    def note_rings(self: BulkReins, *args: Any) -> None:
        rest(self, *args)
        heard.append(bell.rings - rings[0] if rings[0] else 0)

    monkeypatch.setattr(BulkReins, "_wait_for_leave", note_rings)
    assert deep.worker.turn()
    assert heard[0] == 1


@pytest.mark.parametrize("kind", [TaskKind.INSPECT_FILE, TaskKind.HASH_FILE])
def test_what_is_suspected_of_killing_the_daemon_is_read_when_its_folder_has_leave(
    kind: TaskKind, deep: Deep, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart: list[Any] = []
    monkeypatch.setattr("modelshelf.worker.reins.read_apart", lambda function, *_: apart.append(function))
    deep.put("a.safetensors")
    if kind is TaskKind.HASH_FILE:
        deep.shelf.do(TaskKind.INSPECT_FILE, "a.safetensors")
    subject = str(deep.shelf.file("a.safetensors").id)
    deep.shelf.store.journal.add([NewTask(kind, subject, priority=Priority.REST)], deep.shelf.clock.now())
    deep.shelf.store.database.execute("UPDATE tasks SET crashes = 2 WHERE kind = ?", (kind,))
    worker = Worker(ORDER[kind].lane, deep.shelf.hall, TRAITS.id)
    deep.leave.reasons["loras"] = "outside its window"
    assert worker.turn() is False
    assert worker._idle_seconds() is None
    deep.leave.changes.append(deep.shelf.clock.now() + timedelta(hours=3))
    assert worker._idle_seconds() == 3 * 3600, "and no sooner: it would turn and turn"
    deep.leave.reasons.clear()
    assert worker._idle_seconds() == 0.05
    worker.turn()
    assert len(apart) == 1


def test_who_has_no_leave_looks_again_when_that_may_change(deep: Deep) -> None:
    assert rest_seconds(deep.shelf.hall) == 60
    for seconds, expected in ((600, 60), (30, 30), (-5, 0.05)):
        deep.leave.changes[:] = [deep.shelf.clock.now() + timedelta(seconds=seconds)]
        assert rest_seconds(deep.shelf.hall) == expected


def test_reading_keeps_to_the_rate_that_it_has_leave_for(deep: Deep, monkeypatch: pytest.MonkeyPatch) -> None:
    deep.put("large.safetensors", size_bytes=LARGE_BYTES)
    deep.leave.rates[TRAITS.id] = 1024**2
    clock, waited = deep.shelf.clock, 0.0

    def wait(_: object, __: int, seconds: float) -> None:
        nonlocal waited
        waited += seconds
        clock.advance(seconds)

    monkeypatch.setattr(type(deep.shelf.hall.bell), "wait", wait)
    began_at = clock.monotonic()
    assert deep.worker.turn()
    assert waited == pytest.approx(8)  # two blocks of 4 MiB; the rest is waited for before the next file
    assert clock.monotonic() - began_at == pytest.approx(8)
    deep.put("small.safetensors")
    assert deep.worker.turn()
    assert waited == pytest.approx(8 + deep.shelf.file("large.safetensors").fingerprint.size_bytes / 1024**2 - 8)


def test_a_stop_ends_a_wait_for_the_rate(deep: Deep, monkeypatch: pytest.MonkeyPatch) -> None:
    deep.put("large.safetensors", size_bytes=LARGE_BYTES)
    deep.leave.rates[TRAITS.id] = 1.0
    Resting(deep, monkeypatch, deep.shelf.hall.stopping.set)
    assert deep.worker.turn()
    assert not deep.is_hashed("large.safetensors")
    assert [task.attempts for task in deep.shelf.tasks(TaskKind.HASH_FILE)] == [0]


# drops


def test_a_drop_overtakes_a_chunk_between_files_and_within_one(deep: Deep) -> None:
    deep.put("a.safetensors", size_bytes=LARGE_BYTES)
    deep.put("b.safetensors")
    order: list[str] = []
    hashed = deep.shelf.steps[TaskKind.HASH_FILE]

    class Noting:
        kind = TaskKind.HASH_FILE

        def perform(self, tasks: Any, reins: Any) -> Any:
            return hashed.perform(tasks, reins)

        def record(self, done: Any) -> Any:
            order.extend(os.fsdecode(each.result.file.path) for each in done)
            return hashed.record(done)

    deep.shelf.steps[TaskKind.HASH_FILE] = Noting()
    deep.reader.acts["b.safetensors"] = [lambda: None, lambda: deep.drop("first.safetensors")]
    deep.reader.acts["a.safetensors"] = [lambda: None, lambda: deep.drop("second.safetensors")]
    assert deep.worker.turn()
    assert order[:1] == ["first.safetensors"]
    assert order[1:2] == ["second.safetensors"]
    assert set(order[2:]) == {"a.safetensors", "b.safetensors"}


# what goes wrong


def test_a_stop_in_the_middle_of_a_chunk_keeps_what_is_done_and_gives_the_rest_back(deep: Deep) -> None:
    deep.put("a.safetensors", "b.safetensors")
    deep.reader.acts["b.safetensors"] = [lambda: None, deep.shelf.hall.stopping.set]
    assert deep.worker.turn()
    assert (deep.is_hashed("a.safetensors"), deep.is_hashed("b.safetensors")) == (True, False)
    assert [(task.state, task.attempts) for task in deep.shelf.tasks(TaskKind.HASH_FILE)] == [(TaskState.QUEUED, 0)]
    (chunk,) = deep.shelf.store.chunks.planned(10)
    assert chunk.reason == "cut off"


def test_a_folder_that_goes_away_ends_its_chunk_for_now(deep: Deep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_run, "BATCH_FILES", 1)
    deep.put("a.safetensors", "b.safetensors")
    state = deep.shelf.store.folders
    deep.reader.acts["a.safetensors"] = [
        lambda: None,
        lambda: state.set_offline("loras", "not mounted", deep.shelf.clock.now()),
    ]
    assert deep.worker.turn()
    (chunk,) = deep.shelf.store.chunks.planned(10)
    assert chunk.reason == "its folder is away"
    assert deep.worker.turn() is False


def test_a_reader_that_is_mute_on_a_device_that_went_away_is_no_fault_of_the_file(deep: Deep) -> None:
    deep.put("a.safetensors")
    folders = {"loras"}
    hall = replace(deep.shelf.hall, lanes=DeviceLanes(lambda: {TRAITS.id: frozenset(folders)}))
    disk_bulk = bulk.DiskBulk(hall, TRAITS.id, lambda _: True, lambda: False)
    reins = BulkReins(hall, disk_bulk)
    reins._watch()
    deep.shelf.clock.advance(11)
    reins._watch()
    folders.clear()
    with pytest.raises(Interrupted):
        reins._watch()
    reins.check()
    reins._watch()


def test_a_chunk_whose_end_the_journal_does_not_take_is_ended_at_the_next_turn(
    deep: Deep, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep.put("a.safetensors")
    chunks = deep.shelf.store.chunks
    genuine, refusals = chunks.end, [DiskFull("full")]

    def end(*args: Any) -> None:
        if refusals:
            raise refusals.pop()
        genuine(*args)

    monkeypatch.setattr(chunks, "end", end)
    with pytest.raises(DiskFull):
        deep.worker.turn()
    assert len(chunks.running()) == 1
    assert deep.worker.turn() is False
    assert [chunk.state for chunk in deep.chunks()] == [ChunkState.DONE]


class FullDisk:
    """A disk that is full whenever the end of a chunk is to be written, until there is room."""

    def __init__(self, deep: Deep, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = True
        genuine = deep.shelf.store.chunks.end

        def end(*args: Any) -> None:
            if self.is_full:
                raise DiskFull("full")
            genuine(*args)

        monkeypatch.setattr(deep.shelf.store.chunks, "end", end)


def test_a_chunk_that_could_not_be_ended_is_put_down_though_its_folder_has_no_leave_by_now(
    deep: Deep, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep.put("a.safetensors")
    disk = FullDisk(deep, monkeypatch)
    with pytest.raises(DiskFull):
        deep.worker.turn()
    disk.is_full = False
    deep.leave.reasons["loras"] = "outside its window"
    assert deep.worker.turn() is False
    assert deep.shelf.store.chunks.running() == []


@pytest.mark.parametrize("how", ["room", "stop"])
def test_a_worker_that_is_dismissed_puts_its_chunk_down_first_and_waits_for_room_but_not_at_a_stop(
    how: str, deep: Deep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk_run, "BATCH_FILES", 1)
    deep.put("a.safetensors", "b.safetensors")
    disk = FullDisk(deep, monkeypatch)
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        disk.is_full = how == "stop" or len(waits) < 3
        return how == "stop"

    monkeypatch.setattr(deep.shelf.hall.stopping, "wait", wait)
    deep.reader.acts["a.safetensors"] = [deep.worker.dismiss]
    with logged() as events:
        deep.worker.run()
    assert len(waits) == (2 if how == "stop" else 3)
    assert {each["event"] for each in events if each["level"] == "warning"} == {"journal_not_written"}
    assert deep.reader.is_closed
    if how == "stop":
        assert len(deep.shelf.store.chunks.running()) == 1
        return
    assert deep.shelf.store.chunks.running() == []
    other = Worker(Lane.DISK, deep.shelf.hall, TRAITS.id)
    while other.turn():
        pass
    assert deep.is_hashed("b.safetensors")


def test_a_journal_that_takes_no_note_of_a_chunk_costs_its_file_nothing(
    deep: Deep, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep.put("large.safetensors", size_bytes=LARGE_BYTES)
    chunks = deep.shelf.store.chunks
    genuine, refusals, told = chunks.note, [TransientError("locked")] * 2, []

    def note(*args: Any, **facts: Any) -> None:
        if refusals:
            raise refusals.pop()
        told.append(facts["held_reason"])
        genuine(*args, **facts)

    def look_again() -> None:
        deep.shelf.clock.advance(chunk_run.NOTE_SECONDS - 1)

    def open_it() -> None:
        look_again()
        deep.leave.reasons.clear()

    monkeypatch.setattr(chunks, "note", note)
    Resting(deep, monkeypatch, look_again, look_again, look_again, look_again, open_it)
    hold = lambda: deep.leave.reasons.update(loras="outside its window")  # noqa: E731
    deep.reader.acts["large.safetensors"] = [lambda: None, hold]
    with logged() as events:
        assert deep.worker.turn()
    assert [each["event"] for each in events if each["level"] == "warning"] == ["journal_not_written"] * 2
    assert told[0] == "outside its window", "it is said again, but not at every look"
    assert deep.is_hashed("large.safetensors")
    assert deep.reader.read_names.count("hash_file large.safetensors") == 1


def test_a_journal_that_tells_of_no_drops_costs_the_file_in_hand_nothing(
    deep: Deep, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep.put("large.safetensors", size_bytes=LARGE_BYTES)
    journal = deep.shelf.store.journal
    genuine, refusals = journal.claim, [TransientError("another process holds the store")]

    def claim(*args: Any, **options: Any) -> list[Task]:
        if refusals:
            raise refusals.pop()
        return genuine(*args, **options)

    def lock() -> None:
        monkeypatch.setattr(journal, "claim", claim)
        deep.shelf.clock.advance(1)
        deep.shelf.hall.bell.ring()

    deep.reader.acts["large.safetensors"] = [lambda: None, lock]
    assert deep.worker.turn()
    assert not refusals
    assert deep.is_hashed("large.safetensors")


def test_a_hall_that_closed_meanwhile_takes_no_word_of_a_chunk(deep: Deep) -> None:
    deep.put("a.safetensors")
    deep.reader.acts["a.safetensors"] = [deep.shelf.hall.close]
    assert deep.worker.turn() is False or True
    assert len(deep.shelf.store.chunks.running()) == 1
    assert deep.shelf.store.chunks.recover() == 1


def test_a_chunk_says_that_it_lives_every_few_seconds(deep: Deep, monkeypatch: pytest.MonkeyPatch) -> None:
    deep.put("large.safetensors", size_bytes=LARGE_BYTES)
    told: list[tuple[int, str | None]] = []
    genuine = deep.shelf.store.chunks.note

    def note(chunk_id: int, now: datetime, **facts: Any) -> None:
        told.append((facts["done_bytes"] // 1024**2, facts["held_reason"]))
        genuine(chunk_id, now, **facts)

    monkeypatch.setattr(deep.shelf.store.chunks, "note", note)
    advance = BulkReins.advance

    def advance_slowly(self: BulkReins, task: Task, done_bytes: int) -> None:
        deep.shelf.clock.advance(3)
        advance(self, task, done_bytes)

    monkeypatch.setattr(BulkReins, "advance", advance_slowly)
    assert deep.worker.turn()
    assert told == [(8, None), (9, None), (9, None)]


# the reader's life


def test_a_reader_with_nothing_to_do_is_let_go(deep: Deep, monkeypatch: pytest.MonkeyPatch) -> None:
    deep.put("a.safetensors")
    assert deep.worker.turn()
    assert deep.worker._bulk is not None
    assert deep.worker._bulk.is_reading
    assert deep.worker.turn() is False
    room_seconds, seen = [], []

    def wait(_: object, __: int, seconds: float | None) -> None:
        room_seconds.append(seconds)
        seen.append(deep.reader.is_closed)
        if len(seen) == 2:
            deep.shelf.hall.stopping.set()

    monkeypatch.setattr(type(deep.shelf.hall.bell), "wait", wait)
    deep.worker.run()
    assert seen == [False, True]
    assert room_seconds[0] == 2.0


def test_a_worker_that_ends_lets_its_reader_go(deep: Deep) -> None:
    deep.put("a.safetensors")
    assert deep.worker.turn()
    deep.shelf.hall.stopping.set()
    deep.worker.run()
    assert deep.reader.is_closed


def test_a_reader_that_is_needed_again_in_a_moment_is_kept(deep: Deep, monkeypatch: pytest.MonkeyPatch) -> None:
    deep.put("a.safetensors")
    deep.reader.acts["a.safetensors"] = [raising(FileUnreadable("not now"))]
    assert deep.worker.turn()
    (task,) = deep.shelf.tasks(TaskKind.INSPECT_FILE)
    deep.shelf.clock.advance((task.due_at - deep.shelf.clock.now()).total_seconds() - 1)
    resting = Resting(deep, monkeypatch, deep.shelf.hall.stopping.set)
    deep.worker._take_turn()
    assert resting.seconds == [pytest.approx(1)]
    assert not deep.reader.is_closed
