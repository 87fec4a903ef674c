from __future__ import annotations

import ctypes
import functools
import itertools
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelshelf.errors import FileGone, ReaderDied, ReaderLost
from modelshelf.formats.hashes import blake3_file, hash_file
from modelshelf.formats.inspect import read_header
from modelshelf.steps.step import Interrupted
from modelshelf.worker import chunk_process as room
from modelshelf.worker import isolation, launcher, outputs
from modelshelf.worker.chunk_process import ChunkProcess
from modelshelf.worker.isolation import NARROW, Limits
from modelshelf.worker.launcher import Launcher
from modelshelf.worker.outputs import Outputs
from tests import builders
from tests.fakes import poison
from tests.fakes.clock import FakeClock
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MEGABYTE = 1024**2


def go_on() -> None:
    """Pull no reins."""


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(poison.REPOSITORY))


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Give the directory in which outputs are kept; it is not there yet."""
    return tmp_path / "state" / "outputs"


@pytest.fixture
def reader(kept: Path) -> Iterator[ChunkProcess]:
    made = ChunkProcess(Outputs(kept, FakeClock()))
    yield made
    made.close()
    wait_until(lambda: not children())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "a.safetensors"
    path.write_bytes(builders.lora(1, padding_bytes=9_000_000))
    return path


def children() -> set[str]:
    """Give the processes that this one has started and that are not gone."""
    return {pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()}


def pid_of(reader: ChunkProcess) -> int:
    """Have the child say which process it is."""
    pid: int = reader.read(os.getpid, (), {}, go_on)
    return pid


def test_one_child_reads_file_after_file_as_it_is_read_here(reader: ChunkProcess, model: Path) -> None:
    assert reader.read(read_header, (model,), {}, go_on) == read_header(model)
    pid = pid_of(reader)
    assert pid != os.getpid()
    for _ in range(2):
        assert reader.read(hash_file, (model,), {"is_dropped_behind": True}, go_on) == hash_file(model)
    assert reader.read(blake3_file, (model,), {}, go_on) == blake3_file(model)
    assert pid_of(reader) == pid
    reader.close()
    wait_until(lambda: not children())


def test_an_error_of_ours_comes_back_as_itself_and_costs_no_child(reader: ChunkProcess, tmp_path: Path) -> None:
    pid = pid_of(reader)
    with pytest.raises(FileGone, match="No such file"):
        reader.read(read_header, (tmp_path / "gone.safetensors",), {}, go_on)
    assert pid_of(reader) == pid


def test_a_child_tells_how_far_it_has_come_and_waits_until_it_may_go_on(reader: ChunkProcess, tmp_path: Path) -> None:
    path = tmp_path / "large.pt"
    path.write_bytes(bytes(13 * MEGABYTE))
    told: list[int] = []
    pid = pid_of(reader)

    def hold(done_bytes: int) -> None:
        told.append(done_bytes // MEGABYTE)
        position = Path(f"/proc/{pid}/io")
        if done_bytes == 4 * MEGABYTE:
            wait_until(lambda: Path(f"/proc/{pid}/wchan").read_text() in {"pipe_read", "anon_pipe_read", "0", ""})
            before = position.read_text()
            assert not select.select([], [], [], 0.05)[0]
            assert position.read_text() == before

    reader.read(hash_file, (path,), {"on_progress": hold}, go_on)
    assert told == [4, 8, 12, 13]


def test_a_small_file_needs_no_leave_to_go_on(reader: ChunkProcess, tmp_path: Path) -> None:
    path = tmp_path / "small.pt"
    path.write_bytes(bytes(3 * MEGABYTE))
    told: list[int] = []
    reader.read(hash_file, (path,), {"on_progress": told.append}, go_on)
    assert told == [3 * MEGABYTE]


@pytest.mark.parametrize(
    ("function", "args", "reason"),
    [
        (ctypes.string_at, (0,), "killed by SIGSEGV; its last words: Fatal Python error: Segmentation fault"),
        (os.abort, (), "killed by SIGABRT"),
        (os._exit, (3,), "exit status 3; its last words: none"),
        (os._exit, (0,), "exit status 0; its last words: none"),
        (bytearray, (isolation.MEMORY_BYTES,), "exit status 1; its last words: MemoryError"),
        (os.chdir, (b"/none/such",), "exit status 1; its last words: FileNotFoundError"),
    ],
)
def test_a_file_that_kills_its_reader_costs_itself_alone(
    function: Callable[..., object], args: tuple[object, ...], reason: str, reader: ChunkProcess
) -> None:
    pid = pid_of(reader)
    with pytest.raises(ReaderDied, match=reason):
        reader.read(function, args, {}, go_on)
    assert pid_of(reader) != pid


def test_all_that_a_reader_said_before_it_died_is_kept_in_a_file_that_the_reason_names(
    reader: ChunkProcess, kept: Path
) -> None:
    with pytest.raises(ReaderDied, match="its whole output: ") as caught:
        reader.read(poison.complain_and_die, (), {}, go_on)
    (path,) = kept.iterdir()
    assert str(path) in str(caught.value)
    content = path.read_text()
    assert "exit status 7" in content
    assert "first of all" in content
    assert content.count("\nand then another thing") == 1000


def test_outputs_that_cannot_be_kept_cost_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    reader = ChunkProcess(Outputs(tmp_path / "file" / "outputs", FakeClock()))
    with pytest.raises(ReaderDied, match=r"last words: none$"):
        reader.read(os._exit, (3,), {}, go_on)


def test_only_the_last_outputs_are_kept(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "MOST_KEPT", 2)
    keeper = Outputs(kept, FakeClock())
    for number in range(4):
        path = keeper.keep(b"%d" % number)
        assert path is not None
        os.utime(path, (number, number))
    assert {path.read_bytes() for path in kept.iterdir()} == {b"2", b"3"}


def test_a_reader_that_hangs_is_ended_and_one_that_is_held_by_us_is_not(kept: Path, model: Path) -> None:
    reader = ChunkProcess(Outputs(kept, FakeClock()), stall_seconds=0.3)
    pause = functools.partial(select.select, [], [], [])
    hold = lambda _: pause(0.5) and None  # noqa: E731
    assert reader.read(hash_file, (model,), {"on_progress": hold}, go_on).hashes == hash_file(model).hashes
    with pytest.raises(ReaderDied, match=r"it told nothing for 0\.3 s"):
        reader.read(time.sleep, (60,), {}, go_on)
    wait_until(lambda: not children())


def test_limits_are_those_of_each_call(reader: ChunkProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = Limits(memory_bytes=256 * MEGABYTE, cpu_seconds=1, seconds=30.0)
    with pytest.raises(ReaderDied, match="MemoryError"):
        reader.read(bytearray, (256 * MEGABYTE,), {}, go_on, narrow)
    with pytest.raises(ReaderDied, match="killed by SIGXCPU"):
        reader.read(max, (itertools.count(),), {}, go_on, narrow)
    with pytest.raises(ReaderDied, match=r"told nothing for 0\.1 s"):
        reader.read(time.sleep, (60,), {}, go_on, Limits(seconds=0.1))
    pid = pid_of(reader)
    reader.read(len, (b"",), {}, go_on, NARROW)
    assert reader.read(poison.allocate, (1200 * MEGABYTE,), {}, go_on) == 1200 * MEGABYTE
    assert pid_of(reader) == pid


def test_a_reader_that_has_read_much_is_no_suspect(reader: ChunkProcess) -> None:
    pid = pid_of(reader)
    for _ in range(3):
        reader.read(poison.spin, (0.8,), {}, go_on, Limits(cpu_seconds=1))
    assert pid_of(reader) == pid


@pytest.mark.parametrize("how", ["check", "progress"])
def test_a_stop_ends_the_child_at_once(how: str, reader: ChunkProcess, model: Path) -> None:
    def stop(*_: object) -> None:
        raise Interrupted

    began = time.monotonic()
    if how == "check":
        act = functools.partial(reader.read, time.sleep, (60,), {}, stop)
    else:
        act = functools.partial(reader.read, hash_file, (model,), {"on_progress": stop}, go_on)
    with pytest.raises(Interrupted):
        act()
    assert time.monotonic() - began < 10
    wait_until(lambda: not children())


def test_a_child_that_somebody_else_kills_proves_nothing(reader: ChunkProcess) -> None:
    pid = pid_of(reader)
    with pytest.raises(ReaderLost, match="killed by SIGKILL"):
        reader.read(time.sleep, (60,), {}, lambda: os.kill(pid, signal.SIGKILL))
    os.kill(pid_of(reader), signal.SIGKILL)
    wait_until(lambda: reader._line is None or reader._line.child.poll() is not None)
    assert pid_of(reader) != pid


def test_a_child_that_cannot_begin_proves_nothing(
    reader: ChunkProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ReaderLost, match="exit status 1"):
        reader.open(go_on)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(ReaderLost, match="no process could be started"):
        reader.open(go_on)


def test_a_child_that_never_says_that_it_is_there_is_not_waited_for(
    reader: ChunkProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mute = tmp_path / "mute"
    mute.write_text("#!/bin/sh\nexec sleep 60\n")
    mute.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(mute))
    monkeypatch.setattr(room, "START_SECONDS", 0.0)
    with pytest.raises(ReaderLost):
        reader.open(go_on)
    wait_until(lambda: not children())


def test_a_stop_does_not_wait_for_a_child_that_is_slow_to_begin(
    reader: ChunkProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mute = tmp_path / "mute"
    mute.write_text("#!/bin/sh\nexec sleep 60\n")
    mute.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(mute))
    asked: list[bool] = []

    def stop() -> None:
        asked.append(reader._line is not None and reader._line.child.poll() is None)
        raise Interrupted

    for begin in (lambda: reader.open(stop), lambda: reader.read(os.getpid, (), {}, stop)):
        with pytest.raises(Interrupted):
            begin()
        wait_until(lambda: not children())
    assert asked == [True, True]


def test_a_reader_lets_others_go_first_and_leaves_no_core(reader: ChunkProcess) -> None:
    niceness = min(19, os.nice(0) + isolation.NICENESS)
    assert reader.read(poison.manners, (), {}, go_on) == [niceness, 3, 1000, 0, isolation.MEMORY_BYTES]


def test_a_reader_holds_no_descriptor_of_the_daemon(reader: ChunkProcess, tmp_path: Path) -> None:
    with (tmp_path / "database").open("wb"):
        held = reader.read(os.listdir, ("/proc/self/fd",), {}, go_on)
    assert len(held) <= 5  # in, out, err, the mouth and this listing


def test_a_reader_outlives_the_thread_that_asked_for_it(reader: ChunkProcess) -> None:
    asking = threading.Thread(target=reader.open, args=(go_on,))
    asking.start()
    asking.join()
    pid = pid_of(reader)
    assert not select.select([], [], [], 0.2)[0]
    assert pid_of(reader) == pid


def test_children_are_started_from_one_thread_that_lives_on() -> None:
    starter = Launcher()
    children_of_it = [starter.start("modelshelf.worker.chunk_process") for _ in range(2)]
    parents = {status_of(child.pid, "PPid") for child in children_of_it}
    starters = {
        int(path.parent.name)
        for path in Path("/proc/self/task").glob("*/children")
        if {str(child.pid) for child in children_of_it} & set(path.read_text().split())
    }
    assert parents == {os.getpid()}
    assert len(starters) == 1
    assert starters != {threading.get_native_id()}
    for child in children_of_it:
        isolation.end_child(child)


def status_of(pid: int, field: str) -> int:
    """Give a number that the kernel tells of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    parent = (
        "import pathlib, sys; from modelshelf.clock import SystemClock; "
        "from modelshelf.worker.chunk_process import ChunkProcess; from modelshelf.worker.outputs import Outputs; "
        "reader = ChunkProcess(Outputs(pathlib.Path('/none'), SystemClock())); "
        "reader.read(pathlib.Path.read_bytes, (pathlib.Path(sys.argv[1]),), {}, lambda: None)"
    )
    process = subprocess.Popen([sys.executable, "-c", parent, fifo])
    writer = os.open(fifo, os.O_WRONLY)  # when that is open, so is the child's end
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    wait_until(lambda: not has_reader(writer))
    os.close(writer)


def test_a_child_uses_as_many_threads_as_it_may_just_now(tmp_path: Path) -> None:
    allowed = iter([1, 2])
    reader = ChunkProcess(Outputs(tmp_path, FakeClock()), threads=lambda: next(allowed))
    try:
        assert [reader.read(poison.allowed_threads, (), {}, lambda: None) for _ in range(2)] == [1, 2]
    finally:
        reader.close()


def has_reader(pipe: int) -> bool:
    """Tell whether anybody holds the other end of a pipe."""
    poll = select.poll()
    poll.register(pipe, 0)
    return not poll.poll(0)


def test_a_child_that_waits_to_go_on_ends_when_nobody_is_there_to_let_it(model: Path) -> None:
    call = isolation.Call(hash_file, (model,), {}, is_progress_told=True, cpu_seconds=0, memory_bytes=2**32)
    child = launcher.LAUNCHER.start("modelshelf.worker.chunk_process")
    isolation.send(child.stdin, call)
    assert child.stdin is not None
    child.stdin.close()
    child.wait(20)
    assert child.stderr is not None
    assert b"the parent is gone" in child.stderr.read()
    isolation.end_child(child)
