"""A Dask scheduler and workers as processes of their own on loopback, as a person starts them on several hosts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from tests.fakes.poison import REPOSITORY
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

START_SECONDS = 60.0


class DaskCluster:
    """Ends with all its processes. `extra` are options of all of them; without a `host` they are open to the network."""

    def __init__(
        self, directory: Path, *, host: str = "127.0.0.1", extra: tuple[str, ...] = (), allowed_failures: int = 3
    ) -> None:
        """`directory` takes what the processes say, and the scheduler's address."""
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._extra = (*(("--host", host) if host else ()), *extra)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._environment = os.environ | {
            "PYTHONPATH": str(REPOSITORY),
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(allowed_failures),
        }
        self._address_file = directory / "scheduler.json"
        self.scheduler = self._start("scheduler", "--port", "0", "--no-dashboard")

    def _start(self, kind: str, *options: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", kind, "--scheduler-file", str(self._address_file)]
        with (self._directory / "said.log").open("ab") as said:
            process = subprocess.Popen(
                [*command, *options, *self._extra],
                env=self._environment | dict(environment or {}),
                stdout=said,
                stderr=said,
            )
        self._processes.append(process)
        return process

    @property
    def address(self) -> str:
        """The scheduler's address, once it has one."""
        wait_until(self._has_address, START_SECONDS)
        address: str = json.loads(self._address_file.read_text())["address"]
        return address

    def _has_address(self) -> bool:
        """Tell whether the file is there to its end."""
        return self._address_file.exists() and self._address_file.read_text().rstrip().endswith("}")

    def add_worker(self, places: str = "", *, has_nanny: bool = False) -> subprocess.Popen[bytes]:
        """Start a worker of one thread, whose host has folders in these places; a nanny starts another one for it."""
        number = len(self._processes)
        return self._start(
            "worker",
            *("--nthreads", "1", "--death-timeout", "60", "--no-dashboard", "--nanny" if has_nanny else "--no-nanny"),
            *("--local-directory", str(self._directory / f"worker-{number}")),
            environment={"MODELSHELF_MAP": places} if places else None,
        )

    def wait_for_workers(self, count: int) -> None:
        """Wait until so many workers have joined."""
        distributed: Any = import_module("distributed")
        with distributed.Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, START_SECONDS)

    def said(self) -> str:
        """Give all that its processes said."""
        return (self._directory / "said.log").read_text()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
