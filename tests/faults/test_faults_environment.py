"""What the daemon stands on gives way: its output, its log file, its descriptors, its configuration, its own life."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import builders
from tests.acceptance.process import DaemonProcess
from tests.acceptance.shelf import introduce, is_described
from tests.faults.grounds import mounted
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.civitai_server import CivitaiStandIn

pytestmark = pytest.mark.acceptance

QUICK = """
input_paths:
  shelf: {{path: {models}, type: LORA}}
store: {{directory: {state}}}
api: {{base_url: "{api_url}", batch: {{rate_limit: 100000}}}}
watch: {{stability_delay: 1}}
"""


class ShellDaemon(DaemonProcess):
    """The daemon as a line of shell starts it: `beginning` stands before the command, `end` behind it."""

    beginning = ""
    end = ""

    def start(self) -> None:
        """Start and wait until it serves, or has ended."""
        self.state.mkdir(exist_ok=True)
        line = f'{self.beginning} exec "$@" {self.end}'
        process = subprocess.Popen(
            ["bash", "-c", line, "bash", *self._command("run")], env=self._environment, cwd=self.models.parent
        )
        self._process = process
        wait_until(lambda: (self.state / "poke.sock").exists() or process.poll() is not None)


@pytest.fixture
def config(tmp_path: Path, civitai: CivitaiStandIn) -> str:
    return QUICK.format(models=tmp_path / "models", state=tmp_path / "state", api_url=civitai.base_url)


def serves(daemon: DaemonProcess, civitai: CivitaiStandIn, seed: int) -> None:
    """Drop a file and see it described, its page in the gallery and nothing failed."""
    content = builders.lora(seed)
    introduce(civitai, content, f"Number {seed}")
    target = daemon.models / f"number-{seed}.safetensors"
    target.write_bytes(content)
    wait_until(lambda: is_described(target))
    assert daemon.is_running
    assert daemon.ask("failures")["failures"] == []


@pytest.mark.parametrize(
    "end", [">&- 2>&-", "<&- >&- 2>&-", "> /dev/full 2>&1", "> >(true) 2>&1"], ids=["closed", "none", "full", "broken"]
)
def test_a_daemon_whose_output_nobody_takes_goes_on(
    end: str, tmp_path: Path, config: str, civitai: CivitaiStandIn
) -> None:
    """F59."""
    daemon = ShellDaemon(tmp_path, civitai.base_url, config=config)
    daemon.end = end
    with daemon:
        serves(daemon, civitai, 1)
        assert (
            "modelshelf" in Path(f"/proc/{daemon.pid}/cmdline").read_text()
        )  # it, and no shell that would leave it behind
        standard = [Path(f"/proc/{daemon.pid}/fd/{number}").readlink() for number in range(3)]
    assert not [path for path in standard if path.is_relative_to(tmp_path)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk for the log")
def test_a_full_disk_under_the_log_costs_lines_and_nothing_else(
    tmp_path: Path, config: str, civitai: CivitaiStandIn
) -> None:
    """F59."""
    small = ["mount", "-t", "tmpfs", "-o", "size=64k", "small", str(tmp_path / "log")]
    with mounted(small, tmp_path / "log") as disk:
        log = disk / "modelshelf.log"
        filler = disk / "filler"
        settings = f"logging: {{file: {{directory: {disk}, max_size: 0.01, backup_count: 1}}}}\n"
        with DaemonProcess(tmp_path, civitai.base_url, config=config + settings) as daemon:
            serves(daemon, civitai, 2)
            fill(filler)
            serves(daemon, civitai, 3)
            filler.unlink()
            serves(daemon, civitai, 4)
            wait_until(lambda: "number-4.safetensors" in log.read_text())
        last = log.read_text().splitlines()[-1]
        assert json.loads(last)["event"] == "house_closed"


def fill(path: Path) -> None:
    """Write until there is no room left."""
    with path.open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    assert os.statvfs(path).f_bavail == 0


def test_sixty_four_descriptors_are_enough(tmp_path: Path, config: str, civitai: CivitaiStandIn) -> None:
    """F61."""
    daemon = ShellDaemon(tmp_path, civitai.base_url, config=config)
    daemon.beginning = "ulimit -n 64;"
    with daemon:
        for seed in range(5, 9):
            serves(daemon, civitai, seed)
        assert open_files(daemon.pid) < 40


def open_files(pid: int) -> int:
    """Give how many descriptors a process has."""
    return len(os.listdir(f"/proc/{pid}/fd"))


class Supervisor:
    """Stands where systemd stands: hears what the daemon says of itself."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.heard: list[str] = []

    def count(self, beginning: str) -> int:
        """Tell how often something was said so far."""
        try:
            while True:
                self.heard += self._socket.recv(65536).decode().split("\n")
        except BlockingIOError:
            return sum(line.startswith(beginning) for line in self.heard)

    def is_silent(self, seconds: float) -> bool:
        """Tell whether nothing is said for so long."""
        return not select.select([self._socket], [], [], seconds)[0]

    def close(self) -> None:
        """Hear nothing more."""
        self._socket.close()


@contextmanager
def supervised(monkeypatch: pytest.MonkeyPatch, path: Path, watchdog_seconds: float) -> Iterator[Supervisor]:
    """Let a daemon that is started from here have a service manager."""
    supervisor = Supervisor(path)
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    monkeypatch.setenv("WATCHDOG_USEC", str(round(watchdog_seconds * 1_000_000)))
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    try:
        yield supervisor
    finally:
        supervisor.close()


def test_a_broken_configuration_is_refused_aloud_and_the_old_one_stays(
    tmp_path: Path, config: str, civitai: CivitaiStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F62."""
    with (
        supervised(monkeypatch, tmp_path / "notify", 60) as supervisor,
        DaemonProcess(tmp_path, civitai.base_url, config=config) as daemon,
    ):
        wait_until(lambda: supervisor.count("READY=1") == 1)
        path = tmp_path / "modelshelf.yaml"
        for number, broken in enumerate((config.replace("type: LORA", "tpye: LORA"), "input_paths: [", "\0"), 2):
            path.write_text(broken)
            os.kill(daemon.pid, signal.SIGHUP)
            wait_until(lambda number=number: supervisor.count("READY=1") == number)  # type: ignore[misc]
        assert supervisor.count("RELOADING=1") == 3
        assert supervisor.heard.count(
            "STATUS=watching 1 folder; nothing owed; the new configuration is broken and not in force"
        )
        serves_old = builders.lora(9)
        introduce(civitai, serves_old, "Still served")
        target = daemon.models / "still.safetensors"
        target.write_bytes(serves_old)
        wait_until(lambda: is_described(target))
        path.write_text(config)
        os.kill(daemon.pid, signal.SIGHUP)
        wait_until(lambda: supervisor.count("READY=1") == 5)
        assert "not in force" not in [line for line in supervisor.heard if line.startswith("STATUS=")][-1]


def test_a_daemon_that_hangs_gives_no_heartbeat_and_the_next_one_does_its_work(
    tmp_path: Path, config: str, civitai: CivitaiStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F63."""
    with supervised(monkeypatch, tmp_path / "notify", 0.4) as supervisor:
        daemon = DaemonProcess(tmp_path, civitai.base_url, config=config)
        daemon.start()
        wait_until(lambda: supervisor.count("WATCHDOG=1") >= 3)
        os.kill(daemon.pid, signal.SIGSTOP)
        wait_until(lambda: is_stopped(daemon.pid))
        supervisor.count("WATCHDOG=1")
        assert supervisor.is_silent(1.0)
        content = builders.lora(10)
        introduce(civitai, content, "Meanwhile")
        target = daemon.models / "meanwhile.safetensors"
        target.write_bytes(content)
        daemon.stop(signal.SIGKILL)
        (daemon.state / "poke.sock").unlink()
        with daemon:
            wait_until(lambda: is_described(target))


def is_stopped(pid: int) -> bool:
    """Tell whether the kernel has stopped a process."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123 -- one line of the kernel's
        return stat.read().rsplit(")", 1)[1].split()[0] == "T"
