"""Bulk reading under attack: files that kill, hang and fatten their reader, and a daemon that dies in the middle of it."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.chunk import ChunkState
from modelshelf.domain.task import Lane, Priority, TaskState
from modelshelf.worker.chunk_process import ChunkProcess
from modelshelf.worker.outputs import Outputs
from modelshelf.worker.worker import Worker
from tests import builders
from tests.acceptance.process import DaemonProcess
from tests.fakes import poison
from tests.unit.steps.step_shelf import TRAITS, StepShelf
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED = int(os.environ.get("MODELSHELF_SEED", "20"))
FILES = 40
KILLS = 4
CONFIG = """
input_paths: {{shelf: {{path: "{0}/models", type: LORA}}}}
store: {{directory: "{0}/state"}}
offline: true
"""


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StepShelf]:
    """Give a shelf read by a process that hangs for a second at most, and dies as the names of the files say."""
    monkeypatch.setenv("PYTHONPATH", str(poison.REPOSITORY))
    monkeypatch.setattr("modelshelf.steps.hash_file.hash_file", poison.hash_or_die)
    made = StepShelf(tmp_path)
    reader = ChunkProcess(Outputs(tmp_path / "outputs", made.clock), stall_seconds=3.0)
    made.hall = replace(made.hall, new_reader=lambda: reader)
    yield made
    reader.close()
    made.close()


def test_poisoned_files_cost_themselves_alone_and_say_why(shelf: StepShelf) -> None:
    poisons = {
        "crash.safetensors": "exit status 3",
        "abort.safetensors": "killed by SIGABRT",
        "hang.safetensors": "told nothing for 3 s",
        "memory.safetensors": "MemoryError",
    }
    sound = ["a.safetensors", "fine.safetensors", "once.safetensors", "z.safetensors"]
    for number, name in enumerate([*poisons, *sound]):
        shelf.put(name, builders.lora(number))
    shelf.scan(priority=Priority.REST)
    worker = Worker(Lane.DISK, shelf.hall, TRAITS.id)
    assert worker.turn()
    assert worker.turn() is False
    assert all(shelf.file(name).content_id is not None for name in sound)
    (chunk,) = shelf.store.chunks.latest(10)
    assert (chunk.state, chunk.done_files, chunk.failed_files) == (ChunkState.DONE, 8, 4)
    failures = {os.fsdecode(shelf.store.files.get(int(each.subject)).path): each for each in failed(shelf)}  # type: ignore[union-attr]
    assert failures.keys() == poisons.keys()
    for name, words in poisons.items():
        failure = failures[name]
        assert failure.state is TaskState.FAILED
        assert words in str(failure.last_error)
        output = Path(str(failure.last_error).rpartition(": ")[2])
        assert words in output.read_text()


def failed(shelf: StepShelf) -> list:  # type: ignore[type-arg]
    return shelf.store.journal.failures()


def ask(daemon: DaemonProcess, sql: str) -> list[tuple[object, ...]]:
    """Read what the daemon has written down."""
    with closing(sqlite3.connect(f"file:{daemon.state}/modelshelf.db?mode=ro", uri=True)) as store:
        return store.execute(sql).fetchall()


def readers_of(pid: int) -> set[int]:
    """Give the processes that a daemon has started and that are not gone."""
    return {int(each) for path in Path(f"/proc/{pid}/task").glob("*/children") for each in path.read_text().split()}


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended, whoever is to take note of it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.acceptance
def test_a_deep_scan_that_is_killed_again_and_again_is_done_in_the_end_and_leaves_no_reader(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    daemon = DaemonProcess(tmp_path, "http://127.0.0.1:9", config=CONFIG.format(tmp_path))
    for number in range(FILES):
        path = daemon.models / f"{number:02}.safetensors"
        path.write_bytes(builders.lora(number, padding_bytes=3_000_000))
        os.utime(path, (1e9, 1e9))
    with daemon:
        for _ in range(KILLS):
            wait_until(lambda: ask(daemon, "SELECT 1 FROM chunks WHERE state = 'running'") or is_all_read(daemon))
            threading.Event().wait(chance.uniform(0.0, 0.4))
            readers = readers_of(daemon.pid)
            daemon.stop(signal.SIGKILL)
            (daemon.state / "poke.sock").unlink()  # left by the one that was killed, it says nothing of the next one
            wait_until(lambda: all(map(is_gone, readers)))  # noqa: B023 -- waited for in this very round
            daemon.start()
        wait_until(lambda: is_all_read(daemon), timeout=60)
        assert daemon.ask("failures")["failures"] == []
        wait_until(lambda: ask(daemon, "SELECT 1 FROM chunks WHERE state != 'done'") == [])
        wait_until(lambda: not readers_of(daemon.pid))
        assert daemon.stop() == 0


def is_all_read(daemon: DaemonProcess) -> bool:
    """Tell whether every file is known by its hash."""
    (count,) = ask(daemon, "SELECT count(*) FROM files WHERE content_id IS NOT NULL AND scan_phase = 1")[0]
    return count == FILES


@pytest.mark.acceptance
def test_a_stop_in_the_middle_of_a_giant_that_nobody_waits_for_is_quick_and_leaves_no_reader(tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path, "http://127.0.0.1:9", config=CONFIG.format(tmp_path))
    size_bytes = 20 * 1024**3
    header = f'{{"hole":{{"dtype":"U8","shape":[{size_bytes}],"data_offsets":[0,{size_bytes}]}}}}'.encode()
    path = daemon.models / "giant.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    os.truncate(path, 8 + len(header) + size_bytes)
    os.utime(path, (1e9, 1e9))
    daemon.start()
    wait_until(lambda: ask(daemon, "SELECT 1 FROM tasks WHERE kind = 'hash_file' AND state = 'running'"))
    (reader,) = readers_of(daemon.pid)
    assert daemon.stop() == 0
    assert is_gone(reader)
    assert ask(daemon, "SELECT state, attempts, crashes FROM tasks WHERE kind = 'hash_file'") == [("queued", 0, 0)]
    assert ask(daemon, "SELECT state, attempts FROM chunks") == [("planned", 0)]
    path.unlink()
