"""The daemon dies, or is told to end, at the worst moments; nothing is lost, doubled, half-written or given up."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import builders
from tests.acceptance.process import DaemonProcess
from tests.acceptance.shelf import introduce, is_described
from tests.fakes.civitai_server import CivitaiStandIn
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.acceptance

KILLS = int(os.environ.get("MODELSHELF_KILLS", "24"))
"""`make kills` sets 200."""

SEED = int(os.environ.get("MODELSHELF_SEED") or random.randrange(1_000_000))
"""Told where the test fails; the same one gives the same moments again."""

KILLED_AT_WORK = KILLS // 8
"""So many kills, the first, come for certain while work is in hand: a request that is not answered."""

KILLED_WHEN_UP = 0.8
"""The other kills may come at any moment of the start."""

FILES = 2 * KILLS
GIBIBYTE = 1024**3
LATENCY_SECONDS = 0.02
UNANSWERED_SECONDS = 10.0
ASKING = "SELECT 1 FROM tasks WHERE kind = 'identify_content' AND state = 'running'"

CONFIG = """
input_paths:
  shelf: {{path: {0}/models, type: LORA}}
store: {{directory: {0}/state}}
api: {{base_url: "{1}", batch: {{rate_limit: 100000}}}}
watch: {{stability_delay: 1}}
"""

POISON = b"POISON"
KILLER = f"""
import ctypes
from modelshelf.formats import inspect
read = inspect._read
def killed_by_poison(file):
    return ctypes.string_at(0) if file.head(6) == {POISON!r} else read(file)
inspect._read = killed_by_poison
"""
"""Stands for a bug in a parser: whatever process reads a header that begins so dies of SIGSEGV. Python loads it at its start."""


@pytest.fixture
def civitai() -> Iterator[CivitaiStandIn]:
    with CivitaiStandIn() as stand_in:
        stand_in.latency_seconds = LATENCY_SECONDS
        yield stand_in


@pytest.fixture
def daemon(tmp_path: Path, civitai: CivitaiStandIn) -> Iterator[DaemonProcess]:
    config = CONFIG.format(tmp_path, civitai.base_url)
    with DaemonProcess(tmp_path, civitai.base_url, config=config) as process:
        yield process


def ask_store(daemon: DaemonProcess, sql: str) -> list[tuple[object, ...]]:
    """Read what the daemon has written down."""
    with closing(sqlite3.connect(f"file:{daemon.state}/modelshelf.db?mode=ro", uri=True)) as store:
        return store.execute(sql).fetchall()


def test_a_daemon_killed_at_random_moments_while_files_arrive_loses_nothing(
    daemon: DaemonProcess, civitai: CivitaiStandIn
) -> None:
    """F41."""
    began = time.monotonic()
    chance = random.Random(SEED)
    sys.stdout.write(f"MODELSHELF_SEED={SEED}\n")
    contents = {
        f"file{number:03}.safetensors": builders.lora(100 + number, padding_bytes=20_000) for number in range(FILES)
    }
    for name, content in contents.items():
        introduce(civitai, content, name)
    arrival = threading.Thread(target=arrive, args=(daemon.models, contents, chance.random()))
    arrival.start()
    had_work = 0
    for number in range(KILLS):
        if number < KILLED_AT_WORK:
            civitai.latency_seconds = UNANSWERED_SECONDS
            wait_until(lambda: ask_store(daemon, ASKING))
        else:
            civitai.latency_seconds = LATENCY_SECONDS
            threading.Event().wait(chance.uniform(0.0, 0.8))
        daemon.stop(signal.SIGKILL)
        had_work += bool(ask_store(daemon, "SELECT 1 FROM tasks WHERE state = 'running'"))
        if chance.random() < KILLED_WHEN_UP:
            (daemon.state / "poke.sock").unlink(missing_ok=True)  # so that it is waited for until it serves
        daemon.start()
    arrival.join()
    models = [daemon.models / name for name in contents]
    wait_until(lambda: all(is_described(model) for model in models), timeout=240)
    wait_until(lambda: not daemon.ask("status")["owed"], timeout=60)

    listed = daemon.ask("list", "--limit", "10000")["files"]
    assert sorted(each["path"] for each in listed) == sorted(contents)
    assert len({each["sha256"] for each in listed}) == FILES
    assert not daemon.ask("failures")["failures"]
    assert not [path for path in daemon.models.rglob("*") if path.name.endswith(".tmp")]
    lookups = [request for request in civitai.requests if "by-hash" in request.path]
    assert len(lookups) <= FILES + KILLS
    seconds = time.monotonic() - began
    assert had_work >= KILLED_AT_WORK
    sys.stdout.write(f"{KILLS} kills, {had_work} at work, {FILES} files, {len(lookups)} lookups, {seconds:.0f} s\n")


def arrive(directory: Path, contents: dict[str, bytes], seed: float) -> None:
    """Drop the files one after another, some in pieces, for as long as the daemon is killed."""
    chance = random.Random(seed)
    for name, content in contents.items():
        with (directory / name).open("wb") as opened:
            half = len(content) // 2
            opened.write(content[:half])
            opened.flush()
            threading.Event().wait(chance.uniform(0, 0.1))
            opened.write(content[half:])
        threading.Event().wait(chance.uniform(0, 0.3))


def drop_giant(daemon: DaemonProcess) -> Path:
    """Drop a sound file of 20 GiB that takes no room: but for its header it is a hole."""
    size_bytes = 20 * GIBIBYTE
    header = f'{{"hole":{{"dtype":"U8","shape":[{size_bytes}],"data_offsets":[0,{size_bytes}]}}}}'.encode()
    path = daemon.models.parent / "giant"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    os.truncate(path, 8 + len(header) + size_bytes)
    return path.rename(daemon.models / "giant.safetensors")


def read_bytes(daemon: DaemonProcess) -> int:
    """Give how much the daemon, or who reads for it, has read since it was started."""
    tasks = Path(f"/proc/{daemon.pid}/task").glob("*/children")
    readers = [int(pid) for path in tasks for pid in path.read_text().split()]
    return sum(_read_bytes(pid) for pid in [daemon.pid, *readers])


def _read_bytes(pid: int) -> int:
    fields = Path(f"/proc/{pid}/io").read_text().split()
    return int(fields[fields.index("rchar:") + 1])


def test_a_stop_in_the_middle_of_a_giant_is_quick_and_it_is_read_from_its_beginning_again(
    daemon: DaemonProcess,
) -> None:
    """F43."""
    giant = drop_giant(daemon)
    wait_until(lambda: read_bytes(daemon) > GIBIBYTE)
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 10
    left = ask_store(daemon, "SELECT state, attempts, crashes FROM tasks WHERE kind = 'hash_file'")
    assert left == [("queued", 0, 0)]
    assert ask_store(daemon, "SELECT content_id FROM files") == [(None,)]
    daemon.start()
    wait_until(lambda: read_bytes(daemon) > GIBIBYTE)
    assert ask_store(daemon, "SELECT state, crashes FROM tasks WHERE kind = 'hash_file'") == [("running", 0)]
    assert daemon.stop() == 0
    giant.unlink()


def test_a_small_drop_is_described_while_a_giant_is_read(daemon: DaemonProcess) -> None:
    giant = drop_giant(daemon)
    wait_until(lambda: read_bytes(daemon) > GIBIBYTE)
    small = daemon.models / "small.safetensors"
    content = builders.lora(7, padding_bytes=10 * 1024**2)
    began = time.monotonic()
    small.write_bytes(content)
    wait_until(small.with_suffix(".json").exists, timeout=10)
    assert time.monotonic() - began < 5
    running = ask_store(
        daemon, "SELECT f.name FROM tasks t JOIN files f ON f.id = t.subject WHERE t.kind = 'hash_file'"
    )
    assert running == [(b"giant.safetensors",)]
    giant.unlink()


def test_a_file_that_kills_whoever_reads_it_is_given_up_soon_and_its_neighbours_are_not(
    tmp_path: Path, civitai: CivitaiStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F44."""
    (tmp_path / "sitecustomize.py").write_text(KILLER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    daemon = DaemonProcess(tmp_path, civitai.base_url, config=CONFIG.format(tmp_path, civitai.base_url))
    deaths = 0

    def is_done() -> bool:
        nonlocal deaths
        if not daemon.is_running:
            deaths += 1
            daemon.start()
        is_failed = ask_store(daemon, "SELECT 1 FROM tasks WHERE kind = 'inspect_file' AND state = 'failed'")
        return bool(is_failed) and all(path.with_suffix(".json").exists() for path in neighbours)

    with daemon:
        neighbours = [daemon.models / f"file{number}.safetensors" for number in range(5)]
        for number, path in enumerate(neighbours[:4]):
            path.write_bytes(builders.lora(number))
        (daemon.models / "file2a.safetensors").write_bytes(POISON + builders.lora(9))
        neighbours[4].write_bytes(builders.lora(4))
        wait_until(is_done, timeout=60)
        assert deaths <= 4, deaths
        (failure,) = daemon.ask("failures")["failures"]
        assert "killed by SIGSEGV" in failure["reason"]
        daemon.command("scan", "--wait")
        assert daemon.stop() == 0
