"""The daemon's main thread: what it does on a signal, at a reload, and where the house cannot be opened."""

from __future__ import annotations

import signal
import threading
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import pytest

from modelshelf import __version__, logs, systemd
from modelshelf.cli import run as room
from modelshelf.cli.aside import Aside, LastResort
from modelshelf.cli.exits import Exit
from modelshelf.cli.health import VERSION_STANDING, last_work
from modelshelf.cli.opening import Opening
from modelshelf.cli.run import Foreground
from modelshelf.daemon import House
from modelshelf.errors import DiskFull, FileGone, StoreError, UsageError
from modelshelf.store.store import Store
from modelshelf.watching.poke import PokeSocket, poke
from tests.logged import logged
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from modelshelf.errors import ModelshelfError

CONFIG = """
input_paths: {{shelf: {{path: {0}/models, type: LORA}}}}
store: {{directory: {0}/state}}
logging: {{level: INFO, file: {{directory: "{0}", filename: first.log}}}}
offline: true
"""


class Told:
    """What systemd was told, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fields: list[str] = []
        monkeypatch.setattr(systemd, "notify", self._take)

    def _take(self, **fields: str) -> None:
        self.fields += [f"{name}={value}" for name, value in fields.items()]

    def count(self, beginning: str) -> int:
        """Tell how often something was said."""
        return sum(field.startswith(beginning) for field in self.fields)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    return Told(monkeypatch)


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    path = tmp_path / "modelshelf.yaml"
    path.write_text(CONFIG.format(tmp_path))
    return path


@pytest.fixture
def codes() -> list[int]:
    """Give the exit codes with which the process was left at once."""
    return []


@pytest.fixture
def foreground(config_path: Path, codes: list[int], told: Told) -> Iterator[Foreground]:
    opening = Opening(config_path)
    store = Store.open(opening.store_path)
    with LastResort(60, codes.append) as last_resort:
        made = Foreground(opening, store, last_resort)
        yield made
        made._house.close()
        made._stop_listening()
        for aside in (made._round, made._pulse):
            aside.wait(20)
        last_resort.is_needed = False
    store.close()
    logs._install(())


@pytest.fixture
def door(foreground: Foreground) -> Iterator[PokeSocket]:
    """Give the poke socket, poked, so that nobody waits for half a minute."""
    directory = foreground._config.state_directory
    with closing(PokeSocket(directory)) as made:
        poke(directory)
        yield made


def test_a_stop_that_comes_with_a_reload_is_not_forgotten(
    foreground: Foreground, door: PokeSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreground, "_reload", lambda: foreground._note(signal.SIGTERM, None))
    foreground._note(signal.SIGHUP, None)
    foreground._note(signal.SIGHUP, None)
    assert foreground._serve(door)
    assert foreground._signals == [signal.SIGTERM]
    poke(foreground._config.state_directory)
    assert not foreground._serve(door)


def test_a_second_ctrl_c_leaves_at_once(foreground: Foreground, codes: list[int]) -> None:
    foreground._note(signal.SIGINT, None)
    assert codes == []
    foreground._note(signal.SIGINT, None)
    assert codes == [Exit.INTERRUPTED]


def test_a_service_manager_may_ask_twice(foreground: Foreground, codes: list[int]) -> None:
    foreground._note(signal.SIGTERM, None)
    foreground._note(signal.SIGTERM, None)
    assert codes == []


def test_a_full_disk_at_the_start_is_waited_for(
    foreground: Foreground, door: PokeSocket, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine, refusals = House.open, [DiskFull("no space left for the store")] * 2

    def open_if_there_is_room(house: House) -> None:
        if refusals:
            raise refusals.pop()
        genuine(house)

    monkeypatch.setattr(House, "open", open_if_there_is_room)
    foreground._open()
    assert told.count("READY=1") == 0
    assert told.count("STATUS=cannot begin yet: no space left") == 1
    assert told.count("EXTEND_TIMEOUT_USEC=") == 1
    assert foreground._serve(door)
    assert told.count("READY=1") == 0
    poke(foreground._config.state_directory)
    assert foreground._serve(door)
    assert told.count("READY=1") == 1
    wait_until(lambda: told.count("WATCHDOG=1"))
    assert foreground._house.is_alive()


def test_any_other_error_at_the_start_is_shown_and_what_was_opened_is_closed(
    foreground: Foreground, codes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise StoreError("damaged")

    monkeypatch.setattr(foreground, "_listen_to_signals", lambda: None)
    monkeypatch.setattr(foreground._house.calendar, "open", refuse)
    with pytest.raises(StoreError, match="damaged"):
        foreground.run()
    assert not any(worker.is_alive() for worker in foreground._house.workers)
    assert foreground._last_resort.code == Exit.FAILED


def test_a_lost_journal_ends_the_daemon_with_its_error(foreground: Foreground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreground, "_listen_to_signals", lambda: None)
    monkeypatch.setattr(room, "ROUND_SECONDS", 0.01)
    foreground._wait_seconds = 0.01

    def lose(_: House) -> None:
        raise StoreError("gone")

    monkeypatch.setattr(House, "mend", lose)
    with pytest.raises(StoreError, match="gone"):
        foreground.run()


def test_a_heartbeat_is_sent_and_a_question_answered_only_while_all_is_alive(
    foreground: Foreground, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[str] = []
    foreground._open()
    foreground._beat(foreground._house, foreground._round, lambda: answers.append("alive"))
    assert (told.count("WATCHDOG=1"), answers) == (1, ["alive"])
    monkeypatch.setattr(foreground._house.workers[0], "is_alive", lambda: False)
    foreground._beat(foreground._house, foreground._round, lambda: answers.append("alive"))
    assert (told.count("WATCHDOG=1"), answers) == (1, ["alive"])


def test_a_house_that_is_not_open_lives_and_answers_nobody(foreground: Foreground, told: Told) -> None:
    answers: list[str] = []
    foreground._beat(foreground._house, foreground._round, lambda: answers.append("alive"))
    assert (told.count("WATCHDOG=1"), answers) == (1, [])
    foreground._open()
    foreground._beat(foreground._house, foreground._round, lambda: answers.append("alive"))
    assert answers == ["alive"]


def test_a_round_that_is_held_for_minutes_is_told_of_once_and_costs_no_heartbeat(
    foreground: Foreground, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
    monkeypatch.setattr(room, "BEAT_PATIENCE_SECONDS", 0.01)
    foreground._open()
    gate, held = threading.Event(), Aside("round")
    held.begin(partial(_wait_for, gate))

    def beat() -> None:
        foreground._beat(foreground._house, held, lambda: None)

    with logged() as said:
        beat()
        assert not told.count("STATUS=watching 1 folder; nothing owed; its round")
        monkeypatch.setattr(room, "LATE_SECONDS", 0.0)
        beat()
        beat()
        gate.set()
        held.wait(20)
        beat()
    assert [each["event"] for each in said if each["event"] == "round_held"] == ["round_held"]
    standing = [field for field in told.fields if field.startswith("STATUS=")]
    assert ["its round is held up" in field for field in standing][-2:] == [True, False]
    assert told.count("WATCHDOG=1") == 4


@pytest.mark.parametrize(("allowed", "wait_seconds"), [("20000000", 10), ("600000000", 30), ("", 30)])
def test_a_heartbeat_comes_as_often_as_systemd_waits_for_it(
    allowed: str, wait_seconds: float, config_path: Path, monkeypatch: pytest.MonkeyPatch, codes: list[int]
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", allowed)
    opening = Opening(config_path)
    with closing(Store.open(opening.store_path)) as store, LastResort(60, codes.append) as last_resort:
        foreground = Foreground(opening, store, last_resort)
        assert foreground._wait_seconds == wait_seconds
        foreground._stop_listening()


def test_a_round_that_a_dead_mount_holds_does_not_hold_the_main_thread(
    foreground: Foreground, door: PokeSocket, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, held = threading.Event(), list[None]()

    def hang() -> None:
        held.append(None)
        answers.wait(60)

    foreground._open()
    monkeypatch.setattr(room, "BEAT_PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(foreground._house, "mend", hang)
    assert foreground._serve(door)
    wait_until(lambda: held)
    wait_until(lambda: told.count("WATCHDOG=1") == 1)
    foreground._note(signal.SIGTERM, None)
    poke(foreground._config.state_directory)
    assert not foreground._serve(door)
    assert len(held) == 1
    answers.set()


def test_a_reload_takes_the_new_key_and_the_new_log(
    foreground: Foreground, config_path: Path, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_secrets", ())
    foreground._open()
    text = CONFIG.format(tmp_path).replace("first.log", "second.log") + 'api: {key: "a-new-key-of-mine"}\n'
    config_path.write_text(text)
    foreground._reload()
    logs.get_log("test").info("key_shown", key="a-new-key-of-mine")
    assert "a-new-key-of-mine" not in (tmp_path / "second.log").read_text()
    assert "config_reloaded" in (tmp_path / "second.log").read_text()
    assert told.count("READY=1") == 2


def test_a_configuration_that_cannot_be_found_again_changes_nothing(
    foreground: Foreground, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise UsageError("the current directory is gone")

    foreground._open()
    house = foreground._house
    monkeypatch.setattr(foreground, "_opening", _Refusing(refuse))
    foreground._reload()
    assert foreground._house is house
    assert told.count("READY=1") == 2


def _wait_for(gate: threading.Event) -> None:
    gate.wait(60)


class _Refusing:
    def __init__(self, load_config: object) -> None:
        self.load_config = load_config


def test_a_clock_that_jumps_is_heeded_in_the_round(foreground: Foreground, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[float] = []
    foreground._open()
    monkeypatch.setattr(foreground._house, "heed_clock", heard.append)
    foreground._go_round(foreground._house, 1.0)
    foreground._go_round(foreground._house, -3600.0)
    assert heard == [-3600.0]


@pytest.mark.parametrize("error", [DiskFull("full"), FileGone("the table of mounts is not there")])
def test_a_round_that_meets_an_error_is_left_for_the_next(
    error: ModelshelfError, foreground: Foreground, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise error

    monkeypatch.setattr(foreground._house, "mend", refuse)
    with logged() as said:
        foreground._go_round(foreground._house, 0.0)
    assert foreground._house.failure is None
    assert [(each["event"], each["reason"]) for each in said] == [("round_not_finished", str(error))]


def test_what_a_signal_writes_is_read_away(foreground: Foreground) -> None:
    foreground._mouth.send(b"\x0f" * 100)
    foreground._drain()
    with pytest.raises(BlockingIOError):
        foreground._ear.recv(1)


def test_a_lost_journal_is_heard_at_once_and_not_at_the_next_round(foreground: Foreground) -> None:
    foreground._house.fail(StoreError("gone"))
    assert foreground._ear.recv(1) == b"!"
    foreground._mouth.close()
    foreground._wake()


def test_a_round_tells_what_the_work_before_it_cost_and_the_start_which_version_this_is(
    foreground: Foreground, door: PokeSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelshelf.cli.health.REPORT_SECONDS", 0.0)
    foreground._open()
    assert foreground._store.standing.get(VERSION_STANDING) == __version__
    with logged() as told:
        assert foreground._serve(door)
        wait_until(lambda: any(event["event"] == "vitals_taken" for event in told))
    assert last_work(foreground._store) is not None
