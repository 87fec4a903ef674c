from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from modelshelf.errors import StoreError
from modelshelf.store.lock import StateLock, holder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHILD = """
import sys
from pathlib import Path
from modelshelf.store.lock import StateLock
StateLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(state: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", CHILD, str(state)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_told_who_the_first_is(tmp_path: Path) -> None:
    with another_process(tmp_path / "state") as first:
        assert holder(tmp_path / "state") == first.pid
        with pytest.raises(StoreError, match=f"pid {first.pid}"):
            StateLock(tmp_path / "state").acquire()


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    with another_process(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert holder(tmp_path) is None
        lock = StateLock(tmp_path)
        lock.acquire()
        assert holder(tmp_path) == os.getpid()
        lock.release()


def test_a_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    first, second = StateLock(tmp_path), StateLock(tmp_path)
    first.acquire()
    with pytest.raises(StoreError):
        second.acquire()
    first.release()
    first.release()
    second.acquire()
    second.release()
    assert holder(tmp_path) is None


def test_a_forked_child_does_not_keep_a_released_lock(tmp_path: Path) -> None:
    lock = StateLock(tmp_path)
    lock.acquire()
    descriptor = lock._descriptor
    assert descriptor is not None
    inherited = os.dup(descriptor)
    lock.release()
    assert holder(tmp_path) is None
    os.close(inherited)


def test_nobody_holds_a_lock_that_never_was(tmp_path: Path) -> None:
    assert holder(tmp_path / "nowhere") is None


def test_a_holder_that_left_no_pid_is_zero(tmp_path: Path) -> None:
    lock = StateLock(tmp_path)
    lock.acquire()
    (tmp_path / "lock").write_bytes(b"")
    assert holder(tmp_path) == 0
    with pytest.raises(StoreError, match="unknown"):
        StateLock(tmp_path).acquire()
    lock.release()


def test_a_state_directory_that_is_none_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    with pytest.raises(StoreError, match="lock"):
        StateLock(tmp_path / "state").acquire()
    with pytest.raises(StoreError, match="lock"):
        holder(tmp_path / "state")


def test_the_lock_is_for_its_owner_alone(tmp_path: Path) -> None:
    lock = StateLock(tmp_path / "state")
    lock.acquire()
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state" / "lock").stat().st_mode & 0o777 == 0o600
    lock.release()


def test_a_lock_on_a_full_disk_is_held_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    lock = StateLock(tmp_path)
    monkeypatch.setattr(os, "pwrite", refuse)
    lock.acquire()
    assert holder(tmp_path) == 0
    lock.release()
