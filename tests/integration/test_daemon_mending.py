"""The house looks after itself: dead threads, mounts that come and go, a clock that is set back."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf import daemon as room
from modelshelf import whereabouts
from modelshelf.config import load_config
from modelshelf.daemon import Doors, House
from modelshelf.domain.failure import FailureKind
from modelshelf.domain.task import Lane, NewTask, TaskKind
from modelshelf.errors import DiskFull, FileUnreadable, StoreError
from modelshelf.shelf import patience
from modelshelf.shelf.devices import DeviceTraits, device_of
from modelshelf.store.store import Store
from modelshelf.whereabouts import AWAY
from modelshelf.worker.staff import Staff
from tests import builders
from tests.idle import is_idle
from tests.logged import logged
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from modelshelf.domain.model_file import ModelFile

OTHER = DeviceTraits("9:9", "nfs4", is_local=False, is_honest=False, has_events=False)
CONFIG = """
input_paths: {{shelf: {{path: {0}/models, type: LORA}}}}
store: {{directory: {0}/state}}
api: {{base_url: "http://127.0.0.1:9"}}
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "models").mkdir()
    made = Store.open(tmp_path / "state" / "modelshelf.db")
    yield made
    made.close()


def build(tmp_path: Path, store: Store) -> House:
    path = tmp_path / "modelshelf.yaml"
    path.write_text(CONFIG.format(tmp_path))
    return House(load_config(path, {"HOME": str(tmp_path)}), store)


@pytest.fixture
def house(tmp_path: Path, store: Store) -> Iterator[House]:
    made = build(tmp_path, store)
    yield made
    made.close()


def notice(house: House, tmp_path: Path, name: str) -> ModelFile | None:
    """Drop a file and give its row once there is one."""
    (tmp_path / "models" / name).write_bytes(builders.lora(sum(name.encode())))
    wait_until(lambda: house.store.files.at("shelf", name.encode()))
    return house.store.files.at("shelf", name.encode())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_watch_thread_that_died_is_replaced_and_what_it_missed_is_found(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die() -> None:
        raise KeyError("a bug")

    house.open()
    wait_until(lambda: is_idle(house))
    monkeypatch.setattr(house.watch, "_hand_on", die)
    (tmp_path / "models" / "missed.safetensors").write_bytes(builders.lora(1))
    wait_until(lambda: not house.watch.is_alive())
    assert not house.is_alive()
    house.mend()
    assert house.is_alive()
    wait_until(lambda: house.store.files.at("shelf", b"missed.safetensors"))
    assert notice(house, tmp_path, "later.safetensors")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_died_is_replaced(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die() -> None:
        raise SystemExit

    house.open()
    desk = house.workers[0]
    monkeypatch.setattr(desk, "turn", die)
    house.bell.ring()
    wait_until(lambda: not desk.is_alive())
    assert not house.is_alive()
    house.mend()
    assert house.is_alive()
    assert desk.name in {worker.name for worker in house.workers}
    assert notice(house, tmp_path, "later.safetensors")


def test_where_all_is_well_nobody_is_replaced(house: House) -> None:
    house.open()
    threads = [house.watch, *house.workers]
    house.mend()
    assert [house.watch, *house.workers] == threads


def test_nobody_is_replaced_once_the_journal_is_lost_or_the_house_closes(house: House) -> None:
    house.open()
    house.fail(StoreError("damaged"))
    house.close()
    house.mend()
    house.failure = None
    house.mend()
    assert not any(worker.is_alive() for worker in house.workers)


@pytest.mark.parametrize("part", ["demand_own", "look_around", "watch.is_alive", "settle_in"])
def test_a_stop_in_the_middle_of_a_round_replaces_nobody(
    part: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.open()
    workers, watch = house.workers, house.watch

    def close(*_: object) -> bool:
        house.close()
        return False

    def close_for_good() -> bool:
        monkeypatch.undo()
        return close()

    def close_and_settle() -> None:
        house.close()
        house._settle_in(house.places["shelf"])

    owner, name, meanwhile = {
        "demand_own": (house.store.database, "demand_own", close),
        "look_around": (house._whereabouts, "look_around", close),
        "watch.is_alive": (watch, "is_alive", close_for_good),
        "settle_in": (house._whereabouts, "look_around", close_and_settle),
    }[part]
    monkeypatch.setattr(owner, name, meanwhile)
    with logged() as said:
        house.mend()
    assert not {"watch_replaced", "worker_replaced", "folder_watched"} & {each["event"] for each in said}
    assert (house.workers, house.watch) == (workers, watch)


def test_a_mount_over_a_folder_is_noticed_and_its_device_gets_a_worker(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[str] = []
    house.open()
    wait_until(lambda: is_idle(house))
    monkeypatch.setattr(house.watch, "renew", renewed.append)
    house.mend()
    assert renewed == []
    monkeypatch.setattr(whereabouts, "mount_table", lambda: frozenset({b"changed"}))
    house.mend()
    assert renewed == []  # something else was mounted
    monkeypatch.setattr(whereabouts, "mount_table", lambda: frozenset({b"changed again"}))
    monkeypatch.setattr(whereabouts, "device_of", lambda _: OTHER)
    before = house.store.folders.state("shelf").last_scan_at
    house.mend()
    assert renewed == ["shelf"]
    assert house.places["shelf"].traits == OTHER
    assert house.calendar._scheduler.get_job("scan:shelf").trigger.interval < timedelta(minutes=20)
    wait_until(lambda: house.store.folders.state("shelf").last_scan_at != before)
    house.places["more"] = replace(house.places["shelf"], traits=replace(OTHER, id="9:10"))
    house.mend()
    assert sum(worker.lane is Lane.DISK for worker in house.workers) == 2


def test_a_folder_that_was_away_at_the_start_is_watched_as_what_it_is_when_it_comes(
    tmp_path: Path, store: Store
) -> None:
    (tmp_path / "models").rmdir()
    house = build(tmp_path, store)
    assert house.places["shelf"].traits is AWAY
    house.open()
    try:
        assert house.store.folders.state("shelf").offline_since is not None
        assert not house.watch.is_alive_for("shelf")
        (tmp_path / "models").mkdir()
        house.mend()
        assert house.places["shelf"].traits is not AWAY
        assert house.watch.is_alive_for("shelf")
        assert notice(house, tmp_path, "first.safetensors")
    finally:
        house.close()


def test_a_dead_mount_holds_up_neither_the_start_nor_a_round(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()

    def hang(path: Path) -> DeviceTraits:
        answers.wait(60)
        return device_of(path)

    monkeypatch.setattr(whereabouts, "device_of", hang)
    monkeypatch.setattr(patience.Patience.__init__, "__defaults__", (0.01,))
    house = build(tmp_path, store)
    house.open()
    try:
        house.mend()
        assert house.store.folders.state("shelf").offline_since is not None
        monkeypatch.undo()
        answers.set()
        wait_until(lambda: house.mend() or house.store.folders.state("shelf").offline_since is None)  # type: ignore[func-returns-value]
        assert notice(house, tmp_path, "first.safetensors")
    finally:
        house.close()


def test_a_folder_whose_worker_is_held_is_asked_and_is_away_for_as_long_as_it_does_not_answer(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    house.open()
    wait_until(lambda: is_idle(house))
    with monkeypatch.context() as held:
        held.setattr(Staff, "silent_devices", lambda _: {house.places["shelf"].traits.id})
        house.mend()
        assert house.store.folders.state("shelf").offline_since is None  # it answers: its worker is only slow
        held.setattr(whereabouts, "await_answer", lambda _: answers.wait(60))
        held.setattr(house._whereabouts._patience, "_seconds", 0.01)
        house.mend()
    state = house.store.folders.state("shelf")
    assert state.offline_since is not None
    assert "did not answer" in str(state.offline_reason)
    assert house.hall.lanes.folders() == set()
    assert house.is_alive()
    answers.set()
    wait_until(lambda: house.mend() or house.store.folders.state("shelf").offline_since is None)  # type: ignore[func-returns-value]
    assert notice(house, tmp_path, "later.safetensors")


def test_a_machine_that_does_not_tell_its_mounts_is_served_all_the_same(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> frozenset[bytes]:
        raise FileUnreadable("no /proc here")

    monkeypatch.setattr(whereabouts, "mount_table", refuse)
    monkeypatch.setattr(whereabouts, "device_of", refuse)
    house.open()
    wait_until(lambda: is_idle(house))
    before = house.store.folders.state("shelf").last_scan_at
    house.mend()
    house.mend()
    assert notice(house, tmp_path, "first.safetensors")
    assert house.store.folders.state("shelf").last_scan_at == before  # found by its event, not by scans without end


def test_where_the_clock_is_set_back_nothing_waits_for_the_old_time(house: House) -> None:
    store, now = house.store, house.clock.now()
    store.folders.sync(house.config.folders())
    far = now + timedelta(days=30)
    store.journal.add([NewTask(TaskKind.RENDER_GALLERY, "shelf", due_at=far), NewTask(TaskKind.ENRICH_MODEL, "7")], now)
    [model] = store.journal.claim(Lane.NETWORK, now)
    store.journal.retry_at(model, far, "server sulks", FailureKind.API, now)
    house.heed_clock(3600)
    assert not store.journal.owed(until=house.clock.now())
    house.heed_clock(-3600)
    owed = store.journal.owed(until=house.clock.now())
    assert owed == {TaskKind.RENDER_GALLERY: 1, TaskKind.ENRICH_MODEL: 1, TaskKind.SCAN_FOLDER: 1}


def test_a_house_that_could_not_open_can_be_closed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise DiskFull("no space left")

    monkeypatch.setattr(house.store.folders, "sync", refuse)
    with pytest.raises(DiskFull):
        house.open()
    assert house.close() == []


def test_a_house_that_opened_halfway_can_be_closed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise DiskFull("no space left")

    monkeypatch.setattr(house.watch, "open", refuse)
    with pytest.raises(DiskFull):
        house.open()
    assert house.close() == []
    assert not any(worker.is_alive() for worker in house.workers)


def test_a_house_with_a_hung_request_closes_soon_and_counts_no_crash(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, asked = threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> dict[str, object]:
        asked.set()
        answers.wait(60)
        return {}

    monkeypatch.setattr(room, "NETWORK_CLOSE_SECONDS", 0.05)
    monkeypatch.setattr(house.client, "versions_by_hash", hang)
    target = tmp_path / "models" / "asked.safetensors"
    target.write_bytes(builders.lora(1))
    os.utime(target, (1e9, 1e9))
    house.open()
    assert asked.wait(20)
    began = house.clock.monotonic()
    stuck = house.close()
    assert house.clock.monotonic() - began < room.CLOSE_SECONDS / 2
    assert len(stuck) == 1
    assert stuck[0].startswith("worker-network")
    assert house.store.journal.recover() == 0
    answers.set()
    wait_until(lambda: not any(worker.is_alive() for worker in house.workers))
    assert house.store.journal.owed("shelf")[TaskKind.IDENTIFY_CONTENT] == 1


def test_a_worker_that_waits_for_its_turn_at_the_server_stops_at_once(house: House) -> None:
    house.open(Doors(has_watch=False, has_calendar=False))
    pacing = house.client._asker._pacing
    for _ in range(100):
        pacing._reserve()
    errors: list[Exception] = []

    def wait_for_turn() -> None:
        try:
            pacing.take_turn()
        except Exception as error:  # noqa: BLE001 - kept for the test
            errors.append(error)

    waiting = threading.Thread(target=wait_for_turn)
    waiting.start()
    house.close()
    waiting.join(5)
    assert [type(error).__name__ for error in errors] == ["NotAsked"]


def test_a_journal_that_takes_nothing_back_does_not_keep_the_house_open(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise DiskFull("no space left")

    house.open()
    monkeypatch.setattr(type(house.hall), "close", lambda _: refuse())
    assert house.close() == []


def test_a_bare_mount_point_with_a_stray_file_does_not_come_back_until_models_do(house: House, tmp_path: Path) -> None:
    house.open()
    assert notice(house, tmp_path, "known.safetensors")
    wait_until(lambda: is_idle(house))
    (tmp_path / "models").rename(tmp_path / "mounted")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / ".keep").touch()
    wait_until(lambda: house.store.folders.state("shelf").offline_since is not None)
    house.mend()
    assert house.store.folders.state("shelf").offline_since is not None
    (tmp_path / "models" / ".keep").unlink()
    (tmp_path / "models").rmdir()
    (tmp_path / "mounted").rename(tmp_path / "models")
    house.mend()
    wait_until(lambda: house.store.folders.state("shelf").offline_since is None)
    known = house.store.files.at("shelf", b"known.safetensors")
    assert known is not None
    assert known.missing_since is None
