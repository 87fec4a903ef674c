"""A mount that hangs, for real: mergerfs, frozen by SIGSTOP. Whoever asks it anything waits until it is thawed."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from modelshelf.watching.poke import poke
from tests import builders
from tests.acceptance.process import DaemonProcess
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.acceptance

CONFIG = """
input_paths:
  local: {{path: {0}/models, type: LORA}}
  remote: {{path: {0}/mounted, type: LORA}}
store: {{directory: {0}/state}}
watch: {{stability_delay: 1}}
offline: true
"""

LOCAL = """
input_paths:
  local: {{path: {0}/models, type: LORA}}
store: {{directory: {0}/state}}
watch: {{stability_delay: 1}}
offline: true
"""


class Mount:
    """A FUSE file system over `branch`, mounted at `point`, whose daemon can be frozen."""

    def __init__(self, branch: Path, point: Path) -> None:
        branch.mkdir()
        point.mkdir()
        self.branch = branch
        self._point = point
        self._process = subprocess.Popen(["mergerfs", "-f", "-o", "cache.attr=0,cache.entry=0", branch, point])
        wait_until(lambda: os.path.ismount(point))

    def freeze(self) -> None:
        """Let nobody get an answer any more."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Answer again, also what was asked meanwhile."""
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Unmount."""
        self.thaw()
        subprocess.run(["umount", "--lazy", self._point], check=True)
        self._process.terminate()
        self._process.wait(timeout=10)


def demand_mergerfs() -> None:
    """Skip where nothing can be mounted."""
    if shutil.which("mergerfs") is None or not os.access("/dev/fuse", os.R_OK | os.W_OK) or os.geteuid() != 0:
        pytest.skip("needs root, /dev/fuse and mergerfs: no mount to freeze")


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    demand_mergerfs()
    made = Mount(tmp_path / "branch", tmp_path / "mounted")
    yield made
    made.close()


@pytest.fixture
def daemon(tmp_path: Path, mount: Mount) -> Iterator[DaemonProcess]:
    """Give a daemon that has worked in both folders; it is killed at the end, whatever became of it."""
    process = DaemonProcess(tmp_path, "http://127.0.0.1:9", config=CONFIG.format(tmp_path))
    (mount.branch / "known.safetensors").write_bytes(builders.lora(1))
    os.utime(mount.branch / "known.safetensors", (1e9, 1e9))
    process.start()
    try:
        wait_until((mount.branch / "known.json").exists)
        describe_a_drop(process, "before")
        yield process
    finally:
        mount.thaw()
        if process.is_running:
            process.stop(signal.SIGKILL)


@pytest.fixture
def inner(tmp_path: Path) -> Iterator[Mount]:
    """Give a mount inside the local folder."""
    demand_mergerfs()
    (tmp_path / "models").mkdir()
    made = Mount(tmp_path / "branch", tmp_path / "models" / "inner")
    yield made
    made.close()


@pytest.fixture
def daemon_around(tmp_path: Path, inner: Mount) -> Iterator[DaemonProcess]:
    """Give a daemon, not started, of a local folder in which there is a mount."""
    process = DaemonProcess(tmp_path, "http://127.0.0.1:9", config=LOCAL.format(tmp_path))
    yield process
    inner.thaw()
    if process.is_running:
        process.stop(signal.SIGKILL)


def describe_a_drop(daemon: DaemonProcess, name: str) -> float:
    """Drop a file into the healthy folder; gives the seconds until its sidecar stands."""
    began = time.monotonic()
    (daemon.models / f"{name}.safetensors").write_bytes(builders.lora(sum(name.encode())))
    wait_until((daemon.models / f"{name}.json").exists, timeout=10)
    return time.monotonic() - began


def offline_reason(daemon: DaemonProcess) -> str | None:
    """Have the daemon go its round, and give why the mounted folder counts as away; None where it does not."""
    poke(daemon.state)
    with closing(sqlite3.connect(f"file:{daemon.state}/modelshelf.db?mode=ro", uri=True)) as store:
        (reason,) = store.execute("SELECT offline_reason FROM folders WHERE id = 'remote'").fetchone()
    return reason if reason is None else str(reason)


def hang_a_worker(daemon: DaemonProcess, mount: Mount) -> None:
    """Freeze the mount, and let a worker find out."""
    mount.freeze()
    daemon.command("scan", "remote")
    wait_until(lambda: daemon.ask("status")["running"])


def test_a_hung_mount_costs_its_own_folder_alone_and_comes_back_by_itself(daemon: DaemonProcess, mount: Mount) -> None:
    """F30."""
    hang_a_worker(daemon, mount)
    seconds = [describe_a_drop(daemon, f"meanwhile{number}") for number in range(3)]
    assert min(seconds) < 3
    wait_until(lambda: offline_reason(daemon), timeout=40)
    assert "answer" in str(offline_reason(daemon))
    describe_a_drop(daemon, "later")
    mount.thaw()
    wait_until(lambda: not offline_reason(daemon), timeout=40)
    (mount.branch / "new.safetensors").write_bytes(builders.lora(2))
    os.utime(mount.branch / "new.safetensors", (1e9, 1e9))
    daemon.command("scan", "remote")
    wait_until((mount.branch / "new.json").exists)
    assert daemon.ask("failures")["failures"] == []
    assert daemon.stop() == 0


def test_a_stop_is_done_within_ten_seconds_though_a_mount_hangs_and_so_is_the_next_start(
    daemon: DaemonProcess, mount: Mount
) -> None:
    """F30."""
    hang_a_worker(daemon, mount)
    began = time.monotonic()
    daemon.stop()
    assert time.monotonic() - began < 10
    daemon.start()
    describe_a_drop(daemon, "after")
    assert offline_reason(daemon)
    mount.thaw()
    wait_until(lambda: not offline_reason(daemon), timeout=40)
    assert daemon.ask("failures")["failures"] == []
    assert daemon.stop() == 0


def is_alive(daemon: DaemonProcess) -> bool:
    """Ask the daemon whether it is open and alive."""
    return daemon.command("status", "--alive").returncode == 0


def test_a_mount_inside_a_local_folder_that_hangs_holds_up_no_start_no_reload_and_no_stop(
    daemon_around: DaemonProcess, inner: Mount
) -> None:
    """F30."""
    inner.freeze()
    daemon_around.start()
    wait_until(lambda: is_alive(daemon_around), timeout=40)
    log = daemon_around.log.read_text()
    assert "folder_not_watched" in log
    assert "did not answer" in log
    (daemon_around.models / "beside.safetensors").write_bytes(builders.lora(77))
    assert daemon_around.command("scan").returncode == 0
    wait_until((daemon_around.models / "beside.json").exists, timeout=40)
    os.kill(daemon_around.pid, signal.SIGHUP)
    wait_until(lambda: "config_reloaded" in daemon_around.log.read_text(), timeout=40)
    wait_until(lambda: is_alive(daemon_around), timeout=40)
    began = time.monotonic()
    daemon_around.stop()
    assert time.monotonic() - began < 10


def test_a_local_folder_is_watched_as_soon_as_the_mount_inside_it_answers(
    daemon_around: DaemonProcess, inner: Mount
) -> None:
    """F30."""
    inner.freeze()
    daemon_around.start()
    wait_until(lambda: "folder_not_watched" in daemon_around.log.read_text(), timeout=40)
    inner.thaw()
    wait_until(lambda: "folder_watched" in daemon_around.log.read_text(), timeout=40)
    describe_a_drop(daemon_around, "after")
    describe_a_drop(daemon_around, "inner/within")
    assert daemon_around.stop() == 0
