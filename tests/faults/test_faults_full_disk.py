"""A disk that is full, wherever it hits: work waits, nothing is lost, and it goes on by itself."""

from __future__ import annotations

import os
import signal
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.cli import run as room
from modelshelf.cli.opening import Opening
from modelshelf.errors import DiskFull
from modelshelf.steps.hash_file import HashFile
from modelshelf.store.database import Database
from modelshelf.store.soundness import examine
from tests import builders
from tests.acceptance.shelf import events
from tests.faults.living_shelf import LivingShelf
from tests.faults.offline_daemon import daemon_over, is_read, owes_nothing, start
from tests.unit.steps.step_shelf import sha256
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from modelshelf.domain.task import Task
    from modelshelf.steps.step import Outcome, Reins
    from tests.faults.living_shelf import Told

pytestmark = pytest.mark.acceptance

CONTENT = builders.lora(41, padding_bytes=20_000)


def fill(disk: Path) -> Path:
    """Fill a disk to the last block; gives the file to remove."""
    ballast = disk / "ballast"
    try:
        with ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                grow(file.fileno(), size)
    except OSError:
        pass
    return ballast


def grow(descriptor: int, size: int) -> None:
    try:
        while True:
            os.write(descriptor, b"x" * size)
    except OSError:
        return


def test_on_a_full_disk_work_pauses_and_goes_on_by_itself_when_there_is_room(tmp_path: Path, small_disk: Path) -> None:
    """F46."""
    daemon = daemon_over(small_disk, tmp_path / "daemon.log")
    start(daemon)
    coming = {f"{number:02}.safetensors": builders.lora(number, padding_bytes=5000) for number in range(30)}
    (small_disk / "arriving").mkdir()
    for name, content in coming.items():
        (small_disk / "arriving" / name).write_bytes(content)
    pid = daemon.pid
    ballast = fill(small_disk)
    for name in coming:
        (small_disk / "arriving" / name).rename(daemon.models / name)
    wait_until(lambda: len(events(daemon, "journal_not_written")) >= 2)
    assert daemon.is_running
    ballast.unlink()
    wait_until(lambda: all(is_read(daemon.models / name) for name in coming), timeout=60)
    wait_until(lambda: owes_nothing(daemon))
    assert daemon.pid == pid
    assert {each["path"]: each["sha256"] for each in daemon.ask("list", "--limit", "100")["files"]} == {
        name: sha256(content) for name, content in coming.items()
    }
    assert not daemon.ask("failures")["failures"]
    assert len(events(daemon, "journal_not_written")) < 40
    assert not list(daemon.models.glob(".*.tmp"))
    assert daemon.stop() == 0
    assert not [event for event in ("journal_lost", "worker_stumbled", "step_broke") if events(daemon, event)]


@pytest.mark.usefixtures("impatient")
def test_a_result_that_finds_no_room_is_kept_later_and_held_against_nobody(
    small_disk: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F46."""
    shelf = LivingShelf(small_disk).open()
    genuine = HashFile.perform
    ballast: list[Path] = []

    def fill_meanwhile(step: HashFile, tasks: Sequence[Task], reins: Reins) -> Sequence[Outcome[Any]]:
        outcomes = genuine(step, tasks, reins)
        if not ballast:
            ballast.append(fill(small_disk))
        return outcomes

    monkeypatch.setattr(HashFile, "perform", fill_meanwhile)
    (shelf.models / "one.safetensors").write_bytes(CONTENT)
    wait_until(lambda: told.count("journal_not_written") >= 3)
    assert not shelf.store.journal.failures()
    ballast[0].unlink()
    shelf.await_hashed("one.safetensors", sha256(CONTENT))
    wait_until(lambda: is_read(shelf.models / "one.safetensors"))
    assert shelf.house.failure is None
    assert told.count("task_put_off") == 0
    shelf.close()


@pytest.mark.usefixtures("impatient")
def test_a_sidecar_that_finds_no_room_is_written_when_there_is_some(
    tmp_path: Path, small_disk: Path, told: Told
) -> None:
    """F46."""
    (small_disk / "models").mkdir()
    shelf = LivingShelf(tmp_path, small_disk / "models").open()
    (small_disk / "arriving").write_bytes(CONTENT)
    ballast = fill(small_disk)
    model = shelf.models / "one.safetensors"
    (small_disk / "arriving").rename(model)
    wait_until(lambda: told.count("task_put_off") >= 12)
    assert shelf.sha256(model.name) == sha256(CONTENT)
    assert os.listdir(shelf.models) == [model.name]
    ballast.unlink()
    wait_until(lambda: is_read(model) and model.with_suffix(".html").exists())
    shelf.rest()
    assert not shelf.store.journal.failures()
    assert not list(shelf.models.glob(".*"))
    shelf.close()


def add_until_full(database: Database) -> int:
    """Give how many events could be kept."""
    kept = 0
    try:
        while True:
            database.execute("INSERT INTO events (name, happened_at, details) VALUES ('x', ?, ?)", (kept, "x" * 20_000))
            kept += 1
    except DiskFull:
        return kept


def test_a_wal_that_cannot_be_moved_into_the_file_costs_nothing(small_disk: Path) -> None:
    """F46."""
    path = small_disk / "state" / "modelshelf.db"
    database = Database.open(path)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (15 << 20))
    kept = add_until_full(database)
    before = path.stat().st_size
    with pytest.raises(DiskFull):
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert database.rows("SELECT count(*) FROM events")[0][0] == kept > 100
    ballast.unlink()
    database.execute("INSERT INTO events (name, happened_at) VALUES ('x', 0)")
    database.close()
    assert path.stat().st_size > before
    examine(path, is_thorough=True)
    with closing(Database.open(path)) as again:
        assert again.rows("SELECT count(*) FROM events")[0][0] == kept + 1


def test_a_start_on_a_full_disk_waits_until_there_is_room(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F47."""
    daemon = daemon_over(small_disk, tmp_path / "daemon.log")
    start(daemon)
    (daemon.models / "one.safetensors").write_bytes(CONTENT)
    wait_until(lambda: is_read(daemon.models / "one.safetensors"))
    daemon.stop(signal.SIGKILL)
    (daemon.state / "modelshelf.db-shm").unlink()
    ballast = fill(small_disk)
    told: list[str] = []

    def note(error: Exception) -> None:
        told.append(str(error))
        if len(told) == 3:
            ballast.unlink()

    monkeypatch.setattr(room, "put_off", note)
    monkeypatch.setattr(room, "ROUND_SECONDS", 0.01)
    with room.tenure(Opening(small_disk / "modelshelf.yaml")) as store:
        assert store.files.at("shelf", b"one.safetensors") is not None
        assert store.journal.recover() >= 0
    assert len(told) == 3
    assert all("no space left" in each for each in told)
