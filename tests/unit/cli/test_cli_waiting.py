"""Waiting for an errand: what holds it up, what does not, and what Ctrl-C does."""

from __future__ import annotations

import os
import threading
from contextlib import closing
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.cli.backlog import Backlog, Bounds, read_backlog
from modelshelf.cli.opening import Opening
from modelshelf.cli.owing import Depth, Errand
from modelshelf.cli.waiting import LONGEST_LOOK_SECONDS, LOOKS_FOR_ABSENT, wait_beside
from modelshelf.clock import SystemClock
from modelshelf.daemon import House
from modelshelf.domain.failure import FailureKind
from modelshelf.domain.progress import Phase, Progress, Tally
from modelshelf.domain.task import Lane, NewTask, Priority, TaskKind
from modelshelf.errors import ModelshelfError, StoreError
from modelshelf.progress import PROGRESS_STANDING, to_json
from modelshelf.watching.poke import STOP_SCANS, WAKE, PokeSocket, poke
from modelshelf.worker.leave import Leave, Terms
from tests.unit.cli.cli_shelf import DAY, THEN, add, add_read, tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from modelshelf.config import Config
    from modelshelf.daemon import Doors
    from modelshelf.store.store import Store
    from tests.unit.cli.cli_shelf import CliShelf

LORAS = ("loras",)
ERRAND = Errand(LORAS, ())


def backlog(store: Store, errand: Errand = ERRAND, **bounds: Any) -> Backlog:
    return read_backlog(store, errand, Bounds(LORAS, **bounds))


def soon() -> timedelta:
    return SystemClock().now() - THEN + timedelta(seconds=30)


def test_files_to_read_hold_it_up_with_their_bytes(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add(store, b"a.safetensors")
        add(store, b"elsewhere.safetensors", "checkpoints")
        found = backlog(store)
    assert (found.files, found.size_bytes, found.count) == (1, 1013, 1)


def test_a_file_that_is_not_whole_holds_nothing_up(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add(store, b"growing.safetensors", waiting_reason="its writer has it open")
        again = NewTask(TaskKind.SCAN_FOLDER, "loras", path=b"growing.safetensors", due_at=THEN + soon())
        store.journal.add([again], THEN)
        assert backlog(store).count == 0


def test_a_question_that_waits_for_its_next_try_holds_nothing_up(shelf: CliShelf) -> None:
    with shelf.store() as store:
        _, content_id = add_read(store, b"a.safetensors", 1)
        store.contents.owe_lookup(content_id, THEN)
        assert backlog(store).questions == 1
        (task,) = store.journal.claim(Lane.NETWORK, THEN)
        store.journal.retry_at(task, THEN + soon(), "no answer", FailureKind.API, THEN)
        assert backlog(store).count == 0


def test_without_network_no_question_is_waited_for(shelf: CliShelf) -> None:
    with shelf.store() as store:
        _, content_id = add_read(store, b"a.safetensors", 1)
        store.contents.owe_lookup(content_id, THEN)
        assert backlog(store, is_offline=True).count == 0


def test_a_gallery_that_lingers_is_waited_for_but_not_one_that_failed(shelf: CliShelf) -> None:
    with shelf.store() as store:
        store.journal.add([NewTask(TaskKind.RENDER_GALLERY, "loras", due_at=THEN + soon())], THEN)
        assert backlog(store).writings == 1
        store.journal.add([NewTask(TaskKind.RENDER_GALLERY, "checkpoints", due_at=THEN + soon())], THEN)
        assert backlog(store).writings == 1
        (task,) = store.journal.claim(Lane.DESK, THEN + soon(), LORAS)
        store.journal.retry_at(task, THEN + soon(), "read-only", FailureKind.ACCESS, THEN)
        assert backlog(store).count == 0


def errand(depth: Depth, path: bytes = b"") -> Errand:
    return Errand(LORAS, (), (("loras", path),), depth)


def test_a_quick_scan_waits_for_the_walk_alone(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add(store, b"a.safetensors")
        store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras", run_id=1)], THEN)
        assert backlog(store, errand(Depth.QUICK)) == Backlog(1, 0, 0, 0, 0)
        (task,) = [task for task in store.journal.claim(Lane.DESK, THEN) if task.kind is TaskKind.SCAN_FOLDER]
        assert backlog(store, errand(Depth.QUICK)).scans == 1
        store.journal.retry_at(task, THEN + soon(), "not mounted", FailureKind.ACCESS, THEN)
        assert backlog(store, errand(Depth.QUICK)).count == 0


def test_a_deep_scan_waits_for_what_a_person_wants_read_below_its_path_and_not_for_the_rest(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add(store, b"style/a.safetensors")
        add(store, b"other.safetensors")
        _, content_id = add_read(store, b"known.safetensors", 1)
        store.contents.owe_lookup(content_id, THEN)
        assert backlog(store, errand(Depth.DEEP, b"style")).count == 0
        store.reading.raise_to("loras", b"", Priority.PERSON)
        assert backlog(store, errand(Depth.DEEP, b"style")) == Backlog(0, 1, 1019, 0, 0)
        assert backlog(store, errand(Depth.DEEP)).files == 2


def test_a_deep_scan_that_nobody_goes_on_with_writes_what_it_learnt_but_asks_nobody(shelf: CliShelf) -> None:
    with shelf.store() as store:
        file_id, content_id = add_read(store, b"known.safetensors", 1)
        store.contents.owe_lookup(content_id, THEN)
        store.journal.add([NewTask(TaskKind.WRITE_SIDECARS, str(file_id))], THEN)
        assert backlog(store, errand(Depth.DEEP)).count == 0
        assert backlog(store, errand(Depth.DEEP), is_alone=True) == Backlog(0, 0, 0, 0, 1)


def test_nobody_waits_for_a_window_but_for_what_needs_none(shelf: CliShelf) -> None:
    with shelf.store() as store:
        add(store, b"bulk.safetensors")
        add(store, b"asked.safetensors")
        store.reading.raise_to("loras", b"asked.safetensors", Priority.PERSON)
        found = backlog(store, held={"loras": "outside its window"})
        assert (found.files, found.size_bytes, found.held_files) == (1, 1017, 1)
        assert (backlog(store).files, backlog(store).held_files) == (2, 0)


def test_what_is_left_to_its_window_is_said(
    shelf: CliShelf, house: type[FakeHouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses_are(monkeypatch, poking(shelf))
    house.terms = {"loras": Terms(has_background=False)}
    with shelf.store() as store:
        add(store, b"bulk.safetensors")
    answer = shelf.run("scan", "loras", "--wait")
    assert answer.code == 0
    assert "- Still to be read: 1 model, 1016 B" in answer.out
    document = shelf.run("scan", "loras", "--wait", "--json").document
    assert (document["owed_files"], document["owed_bytes"]) == (1, 1016)


def test_beside_a_daemon_what_it_holds_back_is_not_waited_for(shelf: CliShelf) -> None:
    with shelf.store() as store, shelf.daemon():
        add(store, b"bulk.safetensors")
        told = Progress(THEN, Phase.PAUSED, Tally(), held={"loras": "on demand only"})
        store.standing.put(PROGRESS_STANDING, to_json(told))
        wait(shelf, store, lambda _: pytest.fail("there is nothing to wait for"))


def test_without_a_daemon_a_quick_scan_reads_nothing(
    shelf: CliShelf, house: type[FakeHouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses_are(monkeypatch, poking(shelf))
    assert shelf.run("scan", "loras", "--wait", "--deep").code == 0
    with shelf.store() as store:
        add(store, b"owed.safetensors")
    answer = shelf.run("scan", "loras", "--quick", "--wait")
    assert answer.code == 0
    assert "- Still to be read: 1 model" in answer.out
    assert [made.is_reading for made in house.made] == [True, False]


def test_what_lasts_is_looked_at_less_often(shelf: CliShelf) -> None:
    paused: list[float] = []

    def pause(seconds: float) -> None:
        paused.append(seconds)
        if len(paused) == 200:
            raise KeyboardInterrupt

    with shelf.store() as store, shelf.daemon():
        store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras")], THEN)
        with pytest.raises(KeyboardInterrupt):
            wait(shelf, store, pause)
    assert paused[0] < paused[20] < LONGEST_LOOK_SECONDS == paused[150]


def wait(shelf: CliShelf, store: Store, pause: Callable[[float], None]) -> None:
    wait_beside(Opening(shelf.config), store, ERRAND, pause)


def test_it_waits_until_the_daemon_has_done_it(shelf: CliShelf) -> None:
    with shelf.store() as store, shelf.daemon():
        store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras")], THEN)
        paused: list[float] = []

        def pause(seconds: float) -> None:
            paused.append(seconds)
            if len(paused) == 3:
                store.journal.settle(store.journal.claim(Lane.DESK, THEN + DAY))

        wait(shelf, store, pause)
    assert len(paused) == 3


def test_a_daemon_that_goes_away_meanwhile_is_an_error(shelf: CliShelf) -> None:
    with shelf.store() as store:
        store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras")], THEN)
        with pytest.raises(ModelshelfError, match="the daemon stopped meanwhile"):
            wait(shelf, store, lambda _: None)


def test_a_folder_that_is_offline_is_not_waited_for_but_given_a_moment_to_be_found_back(shelf: CliShelf) -> None:
    paused: list[float] = []
    with shelf.store() as store, shelf.daemon():
        store.folders.set_offline("loras", "not mounted?", THEN)
        store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras")], THEN)
        wait(shelf, store, paused.append)
        assert len(tasks(store)) == 1
    assert len(paused) == LOOKS_FOR_ABSENT


class FakeHouse:
    """A house whose workers take one piece of work at each look; it keeps what was done to it."""

    made: list[FakeHouse]
    terms: Mapping[str, Terms]
    failure: StoreError | None = None
    heed = House.heed

    def __init__(self, config: Config, store: Store, *, is_reading: bool) -> None:
        self.store = store
        self.is_reading = is_reading
        self.clock = SystemClock()
        self.has_watch = True
        self.closed_count = 0
        self.hall = SimpleNamespace(leave=Leave(FakeHouse.terms), stopped_scans=threading.Event())
        self.bell = SimpleNamespace(ring=self._work)
        FakeHouse.made.append(self)

    def open(self, doors: Doors) -> None:
        self.has_watch = doors.has_watch or doors.has_calendar

    def close(self) -> None:
        self.closed_count += 1

    def _work(self) -> None:
        for task in self.store.journal.claim(Lane.DESK, THEN.replace(year=2100)):
            self.store.runs.count(task.run_id, total=3, added=2)
            self.store.journal.settle([task])


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> type[FakeHouse]:
    """Let errands be done in a fake house, without touching this process's signals."""
    FakeHouse.made, FakeHouse.failure, FakeHouse.terms = [], None, {}
    monkeypatch.setattr("modelshelf.daemon.House", FakeHouse)
    monkeypatch.setattr("modelshelf.shelf.lease.prepare_leases", lambda: None)
    return FakeHouse


def poking(shelf: CliShelf, message: bytes = WAKE) -> Callable[[float], None]:
    """Give a pause in which another process pokes."""

    def pause(_seconds: float) -> None:
        poke(shelf.state, message)

    return pause


def pauses_are(monkeypatch: pytest.MonkeyPatch, pause: Callable[[float], None]) -> None:
    monkeypatch.setattr("modelshelf.cli.waiting.do_alone.__defaults__", (pause,))


def test_without_a_daemon_the_scan_is_done_here_under_the_lock_and_without_a_watch(
    shelf: CliShelf, house: type[FakeHouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    holders: list[int | None] = []

    def pause(seconds: float) -> None:
        holders.append(Opening(shelf.config).daemon_pid())
        poking(shelf)(seconds)

    pauses_are(monkeypatch, pause)
    answer = shelf.run("scan", "loras", "--wait")
    assert answer.code == 0
    assert answer.out == (
        "Scan complete! Found 3 model files\n- Added: 2 new models to database\n"
        "- Updated: 0 models with new metadata\n- Calculated: 0 hashes\n"
    )
    (made,) = house.made
    assert (made.has_watch, made.closed_count) == (False, 1)
    assert set(holders) == {os.getpid()}
    assert Opening(shelf.config).daemon_pid() is None


def test_another_process_can_stop_a_scan_that_is_done_here(
    shelf: CliShelf, house: type[FakeHouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses_are(monkeypatch, poking(shelf, STOP_SCANS))
    shelf.run("scan", "--wait")
    assert house.made[0].hall.stopped_scans.is_set()


def test_a_journal_that_is_lost_ends_it(
    shelf: CliShelf, house: type[FakeHouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    house.failure = StoreError("damaged")
    answer = shelf.run("scan", "--wait")
    assert (answer.code, answer.err) == (1, "Error: damaged\n")
    assert house.made[0].closed_count == 1


def test_ctrl_c_ends_what_is_done_here_and_keeps_the_rest_noted(
    shelf: CliShelf, house: type[FakeHouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses_are(monkeypatch, interrupting(1))
    answer = shelf.run("scan", "--wait")
    assert answer.code == 130
    assert "what is left stays noted" in answer.err
    with shelf.store() as store:
        assert len(tasks(store)) == 2


def test_a_second_ctrl_c_drops_what_would_be_done_here(
    shelf: CliShelf, house: type[FakeHouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses_are(monkeypatch, interrupting(1))
    press = interrupting(1)
    monkeypatch.setattr(house, "close", lambda _self: press(0))
    answer = shelf.run("scan", "--wait")
    assert answer.code == 130
    assert "The scan is stopped." in answer.err
    with shelf.store() as store:
        assert tasks(store) == []


def interrupting(times: int) -> Callable[[float], None]:
    """Give a pause in which Ctrl-C is pressed, so many times in all."""
    left = [times]

    def pause(_seconds: float) -> None:
        if left[0]:
            left[0] -= 1
            raise KeyboardInterrupt

    return pause


def test_one_ctrl_c_ends_the_waiting_and_the_scan_goes_on(shelf: CliShelf, capsys: pytest.CaptureFixture[str]) -> None:
    with shelf.store() as store, shelf.daemon():
        store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras")], THEN)
        with pytest.raises(KeyboardInterrupt):
            wait(shelf, store, interrupting(1))
        assert len(tasks(store)) == 1
    assert "The daemon goes on without you" in capsys.readouterr().err


def test_a_second_ctrl_c_stops_the_scan(shelf: CliShelf, capsys: pytest.CaptureFixture[str]) -> None:
    with shelf.store() as store, shelf.daemon(), closing(PokeSocket(shelf.state)) as socket:
        store.journal.add([NewTask(TaskKind.SCAN_FOLDER, "loras")], THEN)
        store.journal.claim(Lane.DESK, THEN)
        with pytest.raises(KeyboardInterrupt):
            wait(shelf, store, interrupting(2))
        assert socket.messages() == [STOP_SCANS]
    assert "The scan is stopped." in capsys.readouterr().err


def test_scan_waits_beside_a_daemon_and_sums_up(shelf: CliShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon's part is done in the pauses."""

    def work(_seconds: float) -> None:
        with shelf.store() as store:
            for task in store.journal.claim(Lane.DESK, THEN.replace(year=2100)):
                store.runs.count(task.run_id, total=3, added=2)
                store.journal.settle([task])

    monkeypatch.setattr("modelshelf.cli.waiting.wait_beside.__defaults__", (work,))
    with shelf.store():
        pass
    with shelf.daemon():
        answer = shelf.run("scan", "loras", "--wait")
        document = shelf.run("scan", "loras", "--wait", "--json").document
    assert answer.code == 0
    assert answer.out == (
        "Scan complete! Found 3 model files\n- Added: 2 new models to database\n"
        "- Updated: 0 models with new metadata\n- Calculated: 0 hashes\n"
    )
    assert document["is_done"] is True
    assert document["statistics"]["total"] == 3
