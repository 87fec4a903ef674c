from __future__ import annotations

import ctypes
import itertools
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelshelf.errors import FileGone, FileUnreadable, ReaderDied, ReaderLost, TransientError
from modelshelf.formats.hashes import hash_file
from modelshelf.formats.inspect import read_header
from modelshelf.steps.step import Interrupted
from modelshelf.worker import isolation as room
from modelshelf.worker.isolation import Call, Ears, Limits, allowed_seconds, read_apart
from tests import builders
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable


def go_on() -> None:
    """Pull no reins."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "a.safetensors"
    path.write_bytes(builders.lora(1, padding_bytes=9_000_000))
    return path


def children() -> set[str]:
    """Give the processes that this one has started and that are not gone."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_what_a_child_reads_is_what_is_read_here(model: Path) -> None:
    assert read_apart(read_header, (model,), {}, go_on) == read_header(model)
    assert read_apart(hash_file, (model,), {"is_dropped_behind": True}, go_on) == hash_file(model)


def test_a_child_tells_how_far_it_has_come(model: Path) -> None:
    told: list[int] = []
    read_apart(hash_file, (model,), {"on_progress": told.append}, go_on)
    assert told == [4 * 1024**2, 8 * 1024**2, model.stat().st_size]


def test_an_error_of_ours_comes_back_as_itself(tmp_path: Path) -> None:
    with pytest.raises(FileGone, match="No such file"):
        read_apart(read_header, (tmp_path / "gone.safetensors",), {}, go_on)
    with pytest.raises(FileUnreadable, match="a directory"):
        read_apart(read_header, (tmp_path,), {}, go_on)


@pytest.mark.parametrize(
    ("function", "args", "reason"),
    [
        (ctypes.string_at, (0,), "killed by SIGSEGV; its last words: Fatal Python error: Segmentation fault"),
        (os.abort, (), "killed by SIGABRT; its last words: Fatal Python error: Aborted"),
        (os._exit, (3,), "exit status 3; its last words: none"),
        (os._exit, (0,), "exit status 0; its last words: none"),
        (bytearray, (room.MEMORY_BYTES,), "exit status 1; its last words: MemoryError"),
        (os.chdir, (b"/none/such",), "exit status 1; its last words: FileNotFoundError: .Errno 2. No such file"),
    ],
)
def test_a_child_that_dies_is_told_with_the_manner_of_its_death(
    function: Callable[..., object], args: tuple[object, ...], reason: str
) -> None:
    with pytest.raises(ReaderDied, match=reason):
        read_apart(function, args, {}, go_on)


def test_a_child_that_computes_for_ever_is_ended_by_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "CPU_SECONDS", 1)
    with pytest.raises(ReaderDied, match="killed by SIGXCPU"):
        read_apart(max, (itertools.count(),), {}, go_on)


def test_a_child_within_narrower_limits_is_held_to_them() -> None:
    narrow = Limits(memory_bytes=256 * 1024**2, cpu_seconds=1, seconds=30.0)
    with pytest.raises(ReaderDied, match="its last words: MemoryError"):
        read_apart(bytearray, (256 * 1024**2,), {}, go_on, narrow)
    with pytest.raises(ReaderDied, match="killed by SIGXCPU"):
        read_apart(max, (itertools.count(),), {}, go_on, narrow)


def test_a_child_that_waits_for_ever_is_ended_by_the_clock() -> None:
    with pytest.raises(ReaderDied, match="it took more than 0"):
        read_apart(time.sleep, (600,), {}, go_on, Limits(seconds=0.1))
    assert not children()


def test_a_child_that_somebody_else_kills_proves_nothing() -> None:
    def kill() -> None:
        for child in children():
            os.kill(int(child), signal.SIGKILL)

    with pytest.raises(TransientError, match="killed by SIGKILL"):
        read_apart(time.sleep, (60,), {}, kill)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_child_leaves_it_to_its_parent_when_to_stop(number: signal.Signals, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(read_apart(Path.read_bytes, (fifo,), {}, go_on)))
    reader.start()
    writer = os.open(fifo, os.O_WRONLY)
    for child in Path("/proc/self/task").glob("*/children"):
        for process in child.read_text().split():
            os.kill(int(process), number)
    os.write(writer, b"all the same")
    os.close(writer)
    reader.join(20)
    assert read == [b"all the same"]


def test_a_child_that_cannot_begin_proves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(TransientError, match="exit status 1"):
        read_apart(len, (b"",), {}, go_on)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(TransientError, match="no process could be started"):
        read_apart(len, (b"",), {}, go_on)


def test_a_large_file_may_take_longer(tmp_path: Path) -> None:
    path = tmp_path / "giant"
    path.touch()
    os.truncate(path, 100 * 1024**3)
    assert allowed_seconds(path, "more") == room.CPU_SECONDS + 5120
    assert allowed_seconds(bytes(40 * 1024**2)) == room.CPU_SECONDS + 2
    assert allowed_seconds(tmp_path / "gone") == allowed_seconds() == room.CPU_SECONDS


def test_a_stop_ends_the_child_at_once() -> None:
    def stop() -> None:
        raise Interrupted

    began = time.monotonic()
    with pytest.raises(Interrupted):
        read_apart(time.sleep, (60,), {}, stop)
    assert time.monotonic() - began < 10
    wait_until(lambda: not children())


def test_what_progress_raises_ends_the_child(model: Path) -> None:
    def refuse(_: int) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        read_apart(hash_file, (model,), {"on_progress": refuse}, go_on)
    wait_until(lambda: not children())


def test_a_child_has_limits_lets_others_go_first_and_leaves_no_core() -> None:
    child = (
        "import os, resource as r; "
        "from modelshelf.worker import isolation as room; "
        "room._bind_to(os.getppid()); room._limit(r.RLIMIT_AS, room.MEMORY_BYTES); room._limit(r.RLIMIT_CORE, 0); "
        "room._limit(r.RLIMIT_AS, 2 * room.MEMORY_BYTES); "
        "print(r.getrlimit(r.RLIMIT_AS), r.getrlimit(r.RLIMIT_CORE), os.nice(0), open('/proc/self/oom_score_adj').read())"
    )
    said = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True).stdout
    limit = room.MEMORY_BYTES
    niceness = min(19, os.nice(0) + room.NICENESS)
    assert said.split() == f"({limit}, {limit}) (0, 0) {niceness} 1000".split()


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    parent = (
        "import pathlib, sys; from modelshelf.worker.isolation import read_apart; "
        "read_apart(pathlib.Path.read_bytes, (pathlib.Path(sys.argv[1]),), {}, lambda: None)"
    )
    process = subprocess.Popen([sys.executable, "-c", parent, fifo])
    writer = os.open(fifo, os.O_WRONLY)  # when that is open, so is the child's end
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    wait_until(lambda: not has_reader(writer))
    os.close(writer)


def has_reader(pipe: int) -> bool:
    """Tell whether anybody holds the other end of a pipe."""
    poll = select.poll()
    poll.register(pipe, 0)
    return not poll.poll(0)


def test_a_child_whose_parent_is_gone_before_it_is_bound_does_nothing() -> None:
    call = pickle.dumps(Call(print, ("done",), {}, is_progress_told=False, cpu_seconds=1, memory_bytes=2**30))
    child = subprocess.run(
        [sys.executable, "-c", "from modelshelf.worker.isolation import serve; serve()", "1"],
        input=len(call).to_bytes(8) + call,
        capture_output=True,
        check=False,
    )
    assert child.returncode == 1
    assert b"the parent is gone" in child.stderr
    assert b"done" not in child.stdout + child.stderr


def test_a_child_that_was_killed_and_does_not_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "END_SECONDS", 0.05)
    with subprocess.Popen(["/bin/sleep", "60"], stdout=subprocess.PIPE) as child:
        with monkeypatch.context() as held:
            held.setattr(child, "kill", go_on)  # as one whose device does not answer takes no signal
            death = Ears(child, 1).death(has_begun=True)
        child.kill()
    assert isinstance(death, ReaderLost)
    assert "does not end" in str(death)
