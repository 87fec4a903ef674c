"""The journal under a full, damaged, locked, read-only or stolen disk: nothing owed is lost, and no person is needed."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from modelshelf.cli import run as room
from modelshelf.cli.opening import Opening
from modelshelf.clock import SystemClock
from modelshelf.domain.task import TaskState
from modelshelf.errors import StoreError
from modelshelf.store.backups import backups_of, make_backup
from modelshelf.store.database import Database
from modelshelf.store.migrations import MIGRATIONS
from modelshelf.store.store import Store
from tests import builders
from tests.acceptance.shelf import events
from tests.faults.living_shelf import LivingShelf
from tests.faults.offline_daemon import CONFIG, daemon_over, is_read, owes_nothing, start
from tests.unit.steps.step_shelf import StepShelf, sha256
from tests.unit.store.damage import damage_pages, folder_ids
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.acceptance.process import DaemonProcess
    from tests.faults.living_shelf import Told


pytestmark = pytest.mark.acceptance

CONTENT = builders.lora(41, padding_bytes=20_000)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    made = daemon_over(tmp_path)
    yield made
    if made.is_running:
        made.stop(signal.SIGKILL)


@pytest.fixture
def second(tmp_path: Path) -> Iterator[DaemonProcess]:
    """Give another daemon over the same folder and state."""
    made = daemon_over(tmp_path, tmp_path / "second.log")
    yield made
    if made.is_running:
        made.stop(signal.SIGKILL)


# F45


def test_a_second_daemon_says_who_the_first_is_and_leaves(daemon: DaemonProcess) -> None:
    """F45."""
    start(daemon)
    second = daemon.command("run")
    assert second.returncode == 1
    assert f"another modelshelf (pid {daemon.pid})" in second.stderr
    (daemon.models / "one.safetensors").write_bytes(CONTENT)
    wait_until(lambda: is_read(daemon.models / "one.safetensors"))
    assert daemon.stop() == 0


def test_of_two_daemons_without_a_lock_between_them_the_earlier_one_leaves(
    daemon: DaemonProcess, second: DaemonProcess
) -> None:
    """F45."""
    daemon._environment["WATCHDOG_USEC"] = "1000000"  # a round every half second
    start(daemon)
    (daemon.state / "lock").unlink()
    start(second)
    models = [daemon.models / f"{number}.safetensors" for number in range(3)]
    for number, model in enumerate(models):
        model.write_bytes(builders.lora(number))
    wait_until(lambda: not daemon.is_running)
    assert "taken over" in daemon.log.read_text()
    wait_until(lambda: all(is_read(model) for model in models) and owes_nothing(second))
    assert not second.ask("failures")["failures"]
    assert second.stop() == 0


# F48


def zero(path: Path) -> None:
    path.write_bytes(b"")


def garble_the_midst(path: Path) -> None:
    pages = path.stat().st_size // 4096
    damage_pages(path, first=pages // 4, count=pages // 2)


def test_a_damaged_store_is_healed_at_the_start_and_nothing_is_hashed_again(daemon: DaemonProcess) -> None:
    """F48."""
    path = daemon.state / "modelshelf.db"
    model = daemon.models / "one.safetensors"
    start(daemon)
    model.write_bytes(CONTENT)
    wait_until(lambda: is_read(model) and owes_nothing(daemon))
    make_backup(path, SystemClock().now())
    sidecar = model.with_suffix(".json").read_bytes()
    for number, damage in enumerate((zero, garble_the_midst), start=1):
        daemon.stop(signal.SIGKILL)
        damage(path)
        start(daemon)
        wait_until(lambda expected=number: len(events(daemon, "folder_scanned")) > expected)  # type: ignore[misc]
        wait_until(lambda: owes_nothing(daemon))
        (listed,) = daemon.ask("list")["files"]
        assert (listed["path"], listed["sha256"]) == (model.name, sha256(CONTENT))
        assert len(events(daemon, "store_restored")) == number
    assert len(events(daemon, "file_hashed")) == 1
    assert model.with_suffix(".json").read_bytes() == sidecar
    assert daemon.stop() == 0


def test_with_no_good_backup_the_shelf_is_read_again(daemon: DaemonProcess) -> None:
    """F48."""
    path = daemon.state / "modelshelf.db"
    model = daemon.models / "one.safetensors"
    start(daemon)
    model.write_bytes(CONTENT)
    wait_until(lambda: is_read(model) and owes_nothing(daemon))
    daemon.stop()
    garble_the_midst(path)
    sidecar = model.with_suffix(".json").read_bytes()
    start(daemon)
    wait_until(lambda: len(events(daemon, "file_hashed")) == 2 and owes_nothing(daemon))
    assert len(events(daemon, "store_begun_anew")) == 1
    assert json.loads(model.with_suffix(".json").read_bytes()) == json.loads(sidecar)
    assert daemon.stop() == 0


def test_the_database_of_another_program_is_refused_and_left_as_it_is(daemon: DaemonProcess) -> None:
    """F48."""
    path = daemon.state / "modelshelf.db"
    Store.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 77")
    before = path.read_bytes()
    done = daemon.command("run")
    assert (done.returncode, "another program" in done.stderr) == (1, True)
    assert path.read_bytes() == before
    assert not list(daemon.state.glob("*.corrupt-*"))


def test_damage_that_a_step_meets_ends_the_daemon_and_is_no_fault_of_the_task(tmp_path: Path) -> None:
    """F48."""
    shelf = StepShelf(tmp_path)
    shelf.put("one.safetensors", CONTENT)
    shelf.look_through()
    with shelf.store.database.transaction():
        shelf.store.database.execute("UPDATE headers SET body = x'00'")
        shelf.store.database.execute("DELETE FROM tasks")
    with pytest.raises(StoreError, match="damaged"):
        shelf.look_through(is_forced=True)
    assert not [task for task in shelf.tasks() if task.state is TaskState.FAILED or task.attempts]
    shelf.close()


# F49

MIGRATING = """
import sys, time
from pathlib import Path
from modelshelf.store.database import Database
from modelshelf.store.migrations import MIGRATIONS

def endless(database):
    database.execute("CREATE TABLE colours (name TEXT)")
    database.execute("UPDATE folders SET path = x'00'")
    for number in range(20_000):
        database.execute("INSERT INTO colours VALUES (?)", ("x" * 500,))
    print("half-way", flush=True)
    time.sleep(60)

Database.open(Path(sys.argv[1]), (*MIGRATIONS, endless))
"""


def test_a_migration_that_is_killed_half_way_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    """F49."""
    path = tmp_path / "state" / "modelshelf.db"
    with closing(Database.open(path)) as database:
        database.execute("INSERT INTO folders (id, path) VALUES ('a', x'2F61')")
    with subprocess.Popen([sys.executable, "-c", MIGRATING, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "half-way\n"
        child.kill()
    with closing(Store.begin_tenure(path, SystemClock())) as store:
        (state,) = store.folders.states()
        assert str(state.path) == "/a"
        assert store.database.rows("PRAGMA user_version")[0][0] == len(MIGRATIONS)
        assert not store.database.rows("SELECT 1 FROM sqlite_master WHERE name = 'colours'")
    (backup,) = backups_of(path, SystemClock().now())
    assert folder_ids(backup.path) == ["a"]


# F50


@pytest.mark.usefixtures("impatient")
def test_while_another_process_holds_the_store_work_waits_and_then_goes_on(tmp_path: Path, told: Told) -> None:
    """F50."""
    shelf = LivingShelf(tmp_path).open()
    with closing(sqlite3.connect(shelf.store.database.path, isolation_level=None)) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        (shelf.models / "one.safetensors").write_bytes(CONTENT)
        assert not shelf.house.is_alive()
        wait_until(lambda: told.count("journal_not_written") >= 3)
        assert shelf.house.failure is None
        foreign.execute("ROLLBACK")
    shelf.await_hashed("one.safetensors", sha256(CONTENT))
    assert shelf.house.is_alive()
    assert not shelf.store.journal.failures()
    shelf.close()


@pytest.mark.usefixtures("impatient")
def test_a_start_while_another_process_holds_the_store_is_put_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F50."""
    (tmp_path / "models").mkdir()
    config = tmp_path / "modelshelf.yaml"
    config.write_text(CONFIG.format(tmp_path))
    path = tmp_path / "state" / "modelshelf.db"
    Store.open(path).close()
    foreign = sqlite3.connect(path, isolation_level=None)
    foreign.execute("BEGIN EXCLUSIVE")
    told: list[str] = []

    def note(error: Exception) -> None:
        told.append(str(error))
        if len(told) == 2:
            foreign.execute("ROLLBACK")

    monkeypatch.setattr(room, "put_off", note)
    with room.tenure(Opening(config)) as store:
        assert store.database.is_alive()
    foreign.close()
    assert len(told) == 2
    assert all("another process holds" in each for each in told)


# F51


def test_a_read_only_state_directory_is_named_and_nothing_else_happens(tmp_path: Path, small_disk: Path) -> None:
    """F51."""
    daemon = daemon_over(small_disk, tmp_path / "daemon.log")
    start(daemon)
    (daemon.models / "one.safetensors").write_bytes(CONTENT)
    wait_until(lambda: is_read(daemon.models / "one.safetensors") and owes_nothing(daemon))
    daemon.stop(signal.SIGKILL)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    done = daemon.command("run")
    assert (done.returncode, "Read-only file system" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    start(daemon)
    wait_until(lambda: owes_nothing(daemon))
    assert len(events(daemon, "file_hashed")) == 1
    assert daemon.stop() == 0


# F52


def test_a_backup_made_while_the_daemon_works_restores(daemon: DaemonProcess) -> None:
    """F52."""
    contents = {f"{number:02}.safetensors": builders.lora(number, padding_bytes=5000) for number in range(20)}
    start(daemon)
    for number, (name, content) in enumerate(contents.items()):
        (daemon.models / name).write_bytes(content)
        if number % 10 == 9:
            make_backup(daemon.state / "modelshelf.db", SystemClock().now() - timedelta(hours=number))
    wait_until(lambda: all(is_read(daemon.models / name) for name in contents))
    beside = daemon.command("restore")
    assert (beside.returncode, f"pid {daemon.pid}" in beside.stderr) == (1, True)
    assert daemon.stop() == 0
    backups = daemon.ask("backups")["backups"]
    assert len(backups) == 2
    for backup in backups:
        assert daemon.ask("restore", backup["backup"])["backup"] == backup["backup"]
    start(daemon)
    wait_until(lambda: events(daemon, "folder_scanned") and owes_nothing(daemon))
    wait_until(lambda: len(daemon.ask("list", "--limit", "100")["files"]) == 20 and owes_nothing(daemon))
    assert {each["path"]: each["sha256"] for each in daemon.ask("list", "--limit", "100")["files"]} == {
        name: sha256(content) for name, content in contents.items()
    }
    assert not daemon.ask("failures")["failures"]
    assert daemon.stop() == 0
