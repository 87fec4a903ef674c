"""Telling: what the daemon says of its bulk work, and that it says nothing else."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from modelshelf.domain.hashes import Hashes
from modelshelf.domain.model_file import Fingerprint
from modelshelf.domain.progress import Forecast, Phase, Progress, Tally
from modelshelf.domain.task import Priority, Task, TaskKind
from modelshelf.domain.window import Windows, parse_windows
from modelshelf.errors import DiskFull
from modelshelf.progress import PROGRESS_STANDING, from_json, to_json
from modelshelf.worker import telling as room
from modelshelf.worker.leave import ON_DEMAND, Leave, Terms
from modelshelf.worker.telling import Gauge, Teller
from tests import builders
from tests.logged import logged
from tests.unit.steps.step_shelf import TRAITS, StepShelf
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEGA = 1_000_000
NIGHT = Windows(parse_windows(["01:00-06:00"]), ZoneInfo("UTC"))


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[StepShelf]:
    made = StepShelf(tmp_path)
    yield made
    made.close()


class Hands:
    """A gauge over a shelf, and what lies in the workers' hands as a test puts it there."""

    def __init__(self, shelf: StepShelf, leave: Leave | None = None) -> None:
        self.shelf = shelf
        self.hall = replace(shelf.hall, leave=leave or Leave())
        self.gauge = Gauge(self.hall, lambda: {TRAITS.id: frozenset(shelf.places)})
        self._ids = iter(range(1, 1000))

    def add(self, name: str, size_bytes: int, folder_id: str = "loras") -> int:
        """Have a file known by name and size alone; gives its id."""
        self.shelf.put(name, builders.lora(len(name)), folder_id)
        self.shelf.scan(name, folder_id=folder_id)
        file = self.shelf.file(name, folder_id)
        look = file.fingerprint
        sized = Fingerprint(size_bytes, look.mtime_ns, look.ctime_ns, look.inode)
        self.shelf.store.files.settle_fingerprint(file.id, sized)
        return file.id

    def hold(self, leave: Leave) -> None:
        """Go by another leave from here on."""
        self.hall = replace(self.hall, leave=leave)
        self.gauge._hall = self.hall

    def take(self, kind: TaskKind, subject: object, done: int = 0, **details: Any) -> Task:
        """Take a task in hand."""
        task = replace(self.shelf.task(kind, str(subject), **details), id=next(self._ids))
        self.hall.in_hand[task.id] = (task, done)
        return task

    def go_on(self, task: Task, done: int, seconds: float = 5.0) -> None:
        """Let a task come so far, in so much time."""
        self.shelf.clock.advance(seconds)
        self.hall.in_hand[task.id] = (task, done)

    def finish(self, task: Task, number: int = 1) -> None:
        """Record what a task has read, and put it down."""
        store, now = self.shelf.store, self.shelf.clock.now()
        sha256 = f"{number:064X}"
        content = store.contents.upsert(1, Hashes(sha256, sha256, None, sha256[:10], None, sha256[:8]), now)
        store.files.record_content(int(task.subject), content.id, read_at=now)
        del self.hall.in_hand[task.id]

    def look(self) -> Progress:
        """Read it off; something must be going on."""
        found = self.gauge.look()
        assert found is not None
        return found


def test_where_nothing_is_in_hand_nothing_goes_on(shelf: StepShelf) -> None:
    hands = Hands(shelf)
    hands.add("owed.safetensors", 10)
    assert hands.gauge.look() is None
    hands.take(TaskKind.WRITE_SIDECARS, 1)
    hands.take(TaskKind.IDENTIFY_CONTENT, 1)
    assert hands.gauge.look() is None


def test_a_walk_is_told_by_how_many_files_it_came_past_and_nothing_else(shelf: StepShelf) -> None:
    hands = Hands(shelf)
    walk = hands.take(TaskKind.SCAN_FOLDER, "loras")
    assert (hands.look().phase, hands.look().seen_files) == (Phase.WALKING, 0)
    hands.go_on(walk, 12_000)
    told = hands.look()
    assert (told.seen_files, told.stalled_since(told.told_at)) == (12_000, None)
    moved_at = told.told_at
    hands.go_on(walk, 12_000, seconds=59)
    assert hands.look().stalled_since(shelf.clock.now()) is None
    hands.go_on(walk, 12_000, seconds=2)
    assert hands.look().stalled_since(shelf.clock.now()) == moved_at


def test_reading_is_told_in_bytes_with_its_rate_the_file_in_hand_and_the_time_left(shelf: StepShelf) -> None:
    hands = Hands(shelf)
    file_id = hands.add("big.safetensors", 1000 * MEGA)
    hands.add("other.safetensors", 500 * MEGA)
    task = hands.take(TaskKind.HASH_FILE, file_id)
    before = hands.look()
    assert before.forecast is None
    hands.go_on(task, 500 * MEGA)
    told = hands.look()
    assert (told.phase, told.tally) == (Phase.READING, Tally(0, 0, 2, 1500 * MEGA))
    assert told.done_bytes == 500 * MEGA
    (device,) = told.devices
    assert (device.device, device.owed_bytes) == (TRAITS.id, 1000 * MEGA)
    assert device.bytes_per_second == pytest.approx(100 * MEGA)
    (file,) = device.files
    assert (file.file_id, file.folder_id, file.path) == (file_id, "loras", "big.safetensors")
    assert (file.size_bytes, file.done_bytes, file.time_left) == (1000 * MEGA, 500 * MEGA, timedelta(seconds=5))
    assert told.forecast == Forecast(told.told_at + timedelta(seconds=10), 1)


def test_what_is_recorded_between_two_looks_counts_though_nobody_saw_it_in_hand(shelf: StepShelf) -> None:
    hands = Hands(shelf)
    ids = [hands.add(f"{number}.safetensors", 100 * MEGA) for number in range(4)]
    first = hands.take(TaskKind.HASH_FILE, ids[0])
    hands.look()
    shelf.clock.advance(4)
    hands.finish(first, 1)
    hands.finish(hands.take(TaskKind.HASH_FILE, ids[1]), 2)
    hands.take(TaskKind.HASH_FILE, ids[2])
    told = hands.look()
    assert told.devices[0].bytes_per_second == pytest.approx(50 * MEGA)
    assert told.tally == Tally(2, 200 * MEGA, 2, 200 * MEGA)


def test_files_that_come_back_or_were_vouched_for_are_no_bytes_read(shelf: StepShelf) -> None:
    hands = Hands(shelf)
    known, owed = hands.add("known.safetensors", 900 * MEGA), hands.add("owed.safetensors", 100 * MEGA)
    hands.finish(hands.take(TaskKind.HASH_FILE, known))
    shelf.store.files.mark_missing([known], shelf.clock.now())
    shelf.clock.advance(60)
    hands.gauge.forget()
    task = hands.take(TaskKind.HASH_FILE, owed)
    hands.look()
    shelf.store.files.settle_fingerprint(known, shelf.file("known.safetensors").fingerprint)
    hands.go_on(task, 10 * MEGA)
    assert hands.look().devices[0].bytes_per_second == pytest.approx(2 * MEGA)


def test_a_device_that_gives_no_byte_stands_still_after_a_minute(shelf: StepShelf) -> None:
    hands = Hands(shelf)
    task = hands.take(TaskKind.HASH_FILE, hands.add("big.safetensors", 1000 * MEGA))
    hands.look()
    hands.go_on(task, MEGA)
    moved_at = hands.look().told_at
    for _ in range(11):
        hands.go_on(task, MEGA)
        assert hands.look().stalled_since(shelf.clock.now()) is None
    hands.go_on(task, MEGA)
    assert hands.look().stalled_since(shelf.clock.now()) == moved_at
    hands.go_on(task, 2 * MEGA)
    assert hands.look().stalled_since(shelf.clock.now()) is None


def test_a_file_that_waits_for_leave_in_the_middle_is_paused_and_neither_slow_nor_stuck(shelf: StepShelf) -> None:
    hands = Hands(shelf)
    task = hands.take(TaskKind.HASH_FILE, hands.add("big.safetensors", 1000 * MEGA), priority=Priority.REST)
    hands.look()
    hands.go_on(task, 100 * MEGA, seconds=1)
    assert hands.look().phase is Phase.READING
    hands.hold(Leave({"loras": Terms(windows=NIGHT)}))
    hands.go_on(task, 100 * MEGA, seconds=3600)
    told = hands.look()
    assert (told.phase, len(told.devices[0].files), told.devices[0].moved_at) == (Phase.PAUSED, 1, None)
    assert told.devices[0].bytes_per_second == pytest.approx(100 * MEGA)
    hands.hold(Leave())
    assert hands.look().stalled_since(shelf.clock.now()) is None, "it has leave again since just now"
    hands.go_on(task, 200 * MEGA, seconds=1)
    told = hands.look()
    assert (told.phase, told.stalled_since(told.told_at)) == (Phase.READING, None)
    assert told.devices[0].bytes_per_second == pytest.approx(100 * MEGA, rel=0.01)


def test_what_somebody_wants_at_once_by_now_does_not_rest_any_more(shelf: StepShelf) -> None:
    hands = Hands(shelf, Leave({"loras": Terms(windows=NIGHT)}))
    task = hands.take(TaskKind.HASH_FILE, hands.add("big.safetensors", 1000 * MEGA), priority=Priority.REST)
    assert hands.look().phase is Phase.PAUSED
    hands.go_on(replace(task, priority=Priority.PERSON), 5 * MEGA)
    assert hands.look().phase is Phase.READING


def test_what_a_person_asked_for_needs_no_leave_and_can_stand_still(shelf: StepShelf) -> None:
    hands = Hands(shelf, Leave({"loras": Terms(windows=NIGHT)}))
    task = hands.take(TaskKind.HASH_FILE, hands.add("big.safetensors", 1000 * MEGA), priority=Priority.PERSON)
    began_at = hands.look().told_at
    hands.go_on(task, 0, seconds=61)
    told = hands.look()
    assert (told.phase, told.stalled_since(told.told_at)) == (Phase.READING, began_at)


def test_a_pause_between_two_batches_is_no_standstill_and_slows_no_rate(shelf: StepShelf) -> None:
    hands = Hands(shelf)
    ids = [hands.add(f"{number}.safetensors", 100 * MEGA) for number in range(3)]
    task = hands.take(TaskKind.HASH_FILE, ids[0])
    hands.look()
    shelf.clock.advance(1)
    hands.finish(task)
    walk = hands.take(TaskKind.SCAN_FOLDER, "loras")
    hands.look()
    hands.go_on(walk, 5, seconds=1000)
    hands.look()
    hands.take(TaskKind.HASH_FILE, ids[1])
    told = hands.look()
    assert told.stalled_since(shelf.clock.now()) is None
    assert told.devices[0].bytes_per_second == pytest.approx(100 * MEGA)


def test_the_time_in_which_nothing_was_in_hand_slows_no_rate(shelf: StepShelf) -> None:
    hands = Hands(shelf)
    ids = [hands.add(f"{number}.safetensors", 100 * MEGA) for number in range(2)]
    task = hands.take(TaskKind.HASH_FILE, ids[0])
    hands.look()
    shelf.clock.advance(1)
    hands.finish(task)
    walk = hands.take(TaskKind.SCAN_FOLDER, "loras")
    hands.look()
    hands.go_on(walk, 5, seconds=100_000)
    task = hands.take(TaskKind.HASH_FILE, ids[1])
    assert hands.look().devices[0].bytes_per_second == pytest.approx(100 * MEGA)
    hands.go_on(task, 50 * MEGA, seconds=0.5)
    assert hands.look().devices[0].bytes_per_second == pytest.approx(100 * MEGA)


def test_of_a_batch_the_files_are_told_that_have_begun_and_are_not_done(shelf: StepShelf) -> None:
    hands = Hands(shelf)
    done, begun, waiting = (hands.add(f"{name}.safetensors", MEGA) for name in ("done", "begun", "waiting"))
    hands.take(TaskKind.HASH_FILE, done, MEGA)
    hands.take(TaskKind.HASH_FILE, begun, MEGA // 2)
    hands.take(TaskKind.HASH_FILE, waiting)
    (device,) = hands.look().devices
    assert [file.file_id for file in device.files] == [begun]
    assert device.done_bytes == MEGA + MEGA // 2


def test_a_file_that_is_verified_is_no_part_of_what_is_owed(shelf: StepShelf) -> None:
    hands = Hands(shelf)
    file_id = hands.add("known.safetensors", 100 * MEGA)
    hands.finish(hands.take(TaskKind.HASH_FILE, file_id))
    hands.gauge.forget()
    shelf.clock.advance(60)
    task = hands.take(TaskKind.VERIFY_FILE, file_id)
    hands.look()
    hands.go_on(task, 50 * MEGA)
    told = hands.look()
    assert told.phase is Phase.VERIFYING
    assert (told.done_bytes, told.devices[0].done_bytes) == (100 * MEGA, 0)
    assert told.devices[0].files[0].is_verified
    assert told.devices[0].bytes_per_second == pytest.approx(10 * MEGA)


def test_a_hostile_name_is_told_as_text_fit_for_eyes(shelf: StepShelf) -> None:
    hands = Hands(shelf)
    name = "a\x1b[31m\n\u202e\udcff.safetensors"
    hands.take(TaskKind.HASH_FILE, hands.add(name, MEGA), 1)
    told = hands.look()
    assert told.devices[0].files[0].path == "a\\x1b[31m\\n\\u202e\\xff.safetensors"
    assert from_json(to_json(told)) == told


def test_a_file_that_was_forgotten_meanwhile_is_not_told(shelf: StepShelf) -> None:
    hands = Hands(shelf)
    hands.take(TaskKind.HASH_FILE, 4711, 5)
    assert hands.look().devices == ()


def test_what_waits_for_its_window_says_why_and_how_many_nights_it_takes(shelf: StepShelf) -> None:
    hands = Hands(shelf, Leave({"loras": Terms(windows=NIGHT)}))
    first, _ = hands.add("a.safetensors", 3600 * MEGA), hands.add("b.safetensors", 10 * 3600 * MEGA)
    task = hands.take(TaskKind.HASH_FILE, first)
    hands.look()
    shelf.clock.advance(3600)
    hands.finish(task)
    told = hands.look()
    assert told.phase is Phase.PAUSED
    assert told.held == {"loras": "outside its window until Sun 01:00"}
    assert told.held_until == datetime(2026, 8, 9, 1, tzinfo=UTC)
    assert told.forecast == Forecast(datetime(2026, 8, 10, 6, tzinfo=UTC), 2)


def test_what_is_read_on_demand_only_is_no_part_of_the_time_left(shelf: StepShelf) -> None:
    shelf.add_folder("rare")
    hands = Hands(shelf, Leave({"rare": Terms(has_background=False)}))
    task = hands.take(TaskKind.HASH_FILE, hands.add("a.safetensors", 200 * MEGA))
    hands.add("b.safetensors", 10**15, "rare")
    hands.look()
    hands.go_on(task, 100 * MEGA, seconds=10)
    told = hands.look()
    assert told.held == {"rare": ON_DEMAND}
    assert told.forecast == Forecast(told.told_at + timedelta(seconds=10), 1)


def test_a_folder_that_is_only_read_on_demand_never_ends_and_says_so(shelf: StepShelf) -> None:
    hands = Hands(shelf, Leave({"loras": Terms(has_background=False)}))
    hands.add("a.safetensors", 100)
    told = hands.look()
    assert (told.phase, told.held, told.forecast) == (Phase.PAUSED, {"loras": ON_DEMAND}, None)


def test_what_takes_longer_than_a_month_has_no_end(shelf: StepShelf) -> None:
    hands = Hands(shelf)
    task = hands.take(TaskKind.HASH_FILE, hands.add("a.safetensors", 10**15))
    hands.look()
    hands.go_on(task, MEGA)
    assert hands.look().forecast == Forecast(None)


def test_questions_are_told_beside_it_and_not_without_network(shelf: StepShelf) -> None:
    hands = Hands(shelf)
    hands.finish(hands.take(TaskKind.HASH_FILE, hands.add("a.safetensors", 5)))
    content = shelf.content("a.safetensors")
    shelf.store.contents.owe_lookup(content.id, shelf.clock.now())
    hands.take(TaskKind.SCAN_FOLDER, "loras")
    hands.take(TaskKind.IDENTIFY_CONTENT, content.id)
    assert (hands.look().questions, hands.look().asked) == (1, 1)
    hands.gauge._hall = replace(hands.hall, is_offline=True)
    assert hands.look().questions == 0


def test_rates_of_an_earlier_daemon_tell_the_time_that_waiting_work_will_take(shelf: StepShelf) -> None:
    leave = Leave({"loras": Terms(windows=NIGHT)})
    hands = Hands(shelf, leave)
    hands.add("b.safetensors", 3600 * MEGA)
    task = hands.take(TaskKind.HASH_FILE, hands.add("a.safetensors", 3600 * MEGA))
    hands.look()
    shelf.clock.advance(3600)
    hands.finish(task)
    told = hands.look()
    later = Hands(shelf, leave)
    assert later.look().forecast is None
    later.gauge.recall(told)
    assert later.look().forecast == told.forecast
    assert told.forecast is not None


@pytest.mark.parametrize("document", [None, "", "{", "[]", '{"phase": "dancing"}'])
def test_what_nobody_wrote_is_no_progress(document: str | None) -> None:
    assert from_json(document) is None


class Scribe:
    """A teller over a shelf, and how often it wrote."""

    def __init__(self, shelf: StepShelf, monkeypatch: pytest.MonkeyPatch, leave: Leave | None = None) -> None:
        self.hands = Hands(shelf, leave)
        self.teller = Teller(self.hands.hall, self.hands.gauge)
        self.puts = 0
        self._standing = shelf.store.standing
        put = type(self._standing).put

        def counting(standing: object, name: str, value: str) -> None:
            self.puts += 1
            put(self._standing, name, value)

        monkeypatch.setattr(type(self._standing), "put", counting)
        monkeypatch.setattr(room, "SETTLE_SECONDS", 0.001)
        monkeypatch.setattr(room, "TELL_SECONDS", 0.002)

    @property
    def told(self) -> Progress | None:
        """What stands there for other processes."""
        return from_json(self._standing.get(PROGRESS_STANDING))


@pytest.fixture
def scribe(shelf: StepShelf, monkeypatch: pytest.MonkeyPatch) -> Scribe:
    return Scribe(shelf, monkeypatch)


def test_work_is_told_while_it_goes_on_and_taken_back_when_it_is_done(scribe: Scribe) -> None:
    task = scribe.hands.take(TaskKind.SCAN_FOLDER, "loras", 5)
    assert scribe.teller.tell()
    assert scribe.told is not None
    assert scribe.told.seen_files == 5
    del scribe.hands.hall.in_hand[task.id]
    assert not scribe.teller.tell()
    assert scribe.told is None


def test_what_comes_after_a_silence_begins_anew(shelf: StepShelf, scribe: Scribe) -> None:
    hands = scribe.hands
    for number, rate in ((1, 100), (2, 10)):
        task = hands.take(TaskKind.HASH_FILE, hands.add(f"{number}.safetensors", 1000 * MEGA))
        scribe.teller.tell()
        hands.go_on(task, rate * MEGA, seconds=1)
        scribe.teller.tell()
        assert scribe.told is not None
        assert scribe.told.devices[0].bytes_per_second == pytest.approx(rate * MEGA)
        hands.finish(task, number)
        scribe.teller.tell()
        shelf.clock.advance(60)


def test_where_nothing_goes_on_nothing_is_written(shelf: StepShelf, scribe: Scribe) -> None:
    before = shelf.store.database.rows("PRAGMA data_version")[0][0], shelf.store.database._connection.total_changes
    for _ in range(3):
        assert not scribe.teller.tell()
    after = shelf.store.database.rows("PRAGMA data_version")[0][0], shelf.store.database._connection.total_changes
    assert (scribe.puts, after) == (0, before)


def test_what_only_waits_is_told_once_and_again_when_it_changes(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    scribe = Scribe(shelf, monkeypatch, Leave({"loras": Terms(windows=NIGHT)}))
    scribe.hands.add("a.safetensors", 5)
    for _ in range(3):
        assert not scribe.teller.tell()
        shelf.clock.advance(60)
    assert scribe.puts == 1
    scribe.hands.add("b.safetensors", 5)
    scribe.teller.tell()
    assert scribe.puts == 2


def test_a_file_that_rests_is_told_once_and_nobody_looks_until_the_bell_rings(shelf: StepShelf, scribe: Scribe) -> None:
    hands = scribe.hands
    task = hands.take(TaskKind.HASH_FILE, hands.add("big.safetensors", 1000 * MEGA), priority=Priority.REST)
    hands.go_on(task, 100 * MEGA)
    assert scribe.teller.tell()
    hands.hold(Leave({"loras": Terms(windows=NIGHT)}))
    assert not scribe.teller.tell()
    assert scribe.told is not None
    assert scribe.told.phase is Phase.PAUSED
    hands.hold(Leave())
    assert scribe.teller.tell()


def test_a_moment_between_two_batches_is_not_the_end(shelf: StepShelf, scribe: Scribe) -> None:
    task = scribe.hands.take(TaskKind.SCAN_FOLDER, "loras")
    scribe.teller.tell()
    looks = iter([None, scribe.hands.gauge.look()])
    scribe.hands.gauge.look = lambda: next(looks)  # type: ignore[method-assign]
    assert scribe.teller.tell()
    assert scribe.told is not None
    assert task


def test_a_full_disk_costs_the_telling_and_nothing_else(scribe: Scribe, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise DiskFull("no space left")

    monkeypatch.setattr("modelshelf.store.standing.Standing.put", refuse)
    scribe.hands.take(TaskKind.SCAN_FOLDER, "loras")
    with logged() as entries:
        assert scribe.teller.tell()
    assert [entry["event"] for entry in entries] == ["progress_not_told"]


def test_it_sleeps_until_the_bell_rings_and_tells_until_the_work_is_done(scribe: Scribe) -> None:
    hall = scribe.hands.hall
    scribe.teller.start()
    try:
        task = scribe.hands.take(TaskKind.SCAN_FOLDER, "loras", 1)
        hall.bell.ring()
        wait_until(lambda: scribe.told is not None and scribe.puts > 2)
        del hall.in_hand[task.id]
        wait_until(lambda: scribe.told is None)
        written = scribe.puts
        hall.bell.ring()
        assert scribe.puts == written
    finally:
        hall.stopping.set()
        hall.bell.ring()
        scribe.teller.close(5)
    assert not scribe.teller.is_alive()


def test_a_house_that_closes_takes_back_what_it_said_of_work_in_hand(scribe: Scribe) -> None:
    scribe.hands.take(TaskKind.SCAN_FOLDER, "loras")
    scribe.teller.start()
    scribe.hands.hall.bell.ring()
    wait_until(lambda: scribe.told is not None)
    scribe.hands.hall.stopping.set()
    scribe.hands.hall.bell.ring()
    scribe.teller.close(5)
    assert scribe.told is None


def test_a_house_that_was_never_open_has_said_nothing(scribe: Scribe) -> None:
    scribe.teller.close(5)
    assert scribe.puts == 0


def test_what_a_killed_daemon_said_is_taken_back_and_its_rates_are_kept(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Scribe(shelf, monkeypatch)
    task = first.hands.take(TaskKind.HASH_FILE, first.hands.add("a.safetensors", 100 * MEGA))
    first.teller.tell()
    first.hands.go_on(task, 50 * MEGA)
    first.teller.tell()
    second = Scribe(shelf, monkeypatch)
    second.hands.hall.in_hand.clear()
    recalled = threading.Event()
    recall = second.hands.gauge.recall

    def recalling(progress: Progress) -> None:
        recall(progress)
        recalled.set()

    second.hands.gauge.recall = recalling  # type: ignore[method-assign]
    second.teller.start()
    wait_until(lambda: second.told is None)
    second.hands.hall.stopping.set()
    second.hands.hall.bell.ring()
    second.teller.close(5)
    assert recalled.is_set()
