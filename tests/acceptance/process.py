"""The daemon as a process, as its person meets it: started, asked, stopped, killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from tests.waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "modelshelf")


class DaemonProcess:
    """`modelshelf run` over one folder, with its state beside it; environment variables instead of a configuration file."""

    def __init__(self, folder: Path, api_url: str, *, config: str | None = None) -> None:
        """`folder` gets `models/` and `state/`; `config` is YAML text that replaces the variables."""
        self.models = folder / "models"
        self.state = folder / "state"
        self.log = folder / "daemon.log"
        self.models.mkdir(parents=True, exist_ok=True)
        self._config = folder / "modelshelf.yaml"
        if config is not None:
            self._config.write_text(config)
        self._environment = os.environ | {
            "MODEL_PATH": str(self.models),
            "CONFIG_DATA_PATH": str(self.state),
            "CIVITAI_API_URL": api_url,
            "HOME": str(folder),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running daemon."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def _command(self, *words: str) -> list[str]:
        configured = ("--config", str(self._config)) if self._config.exists() else ()
        return [*COMMAND, *configured, *words]

    def start(self) -> None:
        """Start and wait until it says that it serves."""
        self.state.mkdir(exist_ok=True)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self._command("run"), env=self._environment, cwd=self.models.parent, stdout=log, stderr=log
            )
        self._process = process
        wait_until(lambda: (self.state / "poke.sock").exists() or process.poll() is not None)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; gives the exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(timeout=20)

    def ask(self, *words: str) -> Any:
        """Run another modelshelf command with --json beside the daemon, and give what it printed."""
        return json.loads(self.command(*words, "--json").stdout)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another modelshelf command beside the daemon."""
        return subprocess.run(
            self._command(*words),
            env=self._environment,
            cwd=self.models.parent,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and print the log, which pytest shows where the test failed."""
        if self.is_running:
            self.stop()
