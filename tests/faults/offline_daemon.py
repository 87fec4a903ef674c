"""A daemon as a process that asks nobody: what the faults of the journal are tried on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.cli import run
from modelshelf.store import connecting
from modelshelf.watching import watch
from modelshelf.worker import retry, worker
from tests.acceptance.process import DaemonProcess
from tests.acceptance.shelf import events
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

CONFIG = """
input_paths: {{shelf: {{path: {0}/models, type: LORA}}}}
store: {{directory: {0}/state}}
logging: {{file: {{directory: {0}, filename: modelshelf.log}}}}
watch: {{stability_delay: 1}}
offline: true
"""
NOWHERE = "http://127.0.0.1:9"


def daemon_over(folder: Path, log: Path | None = None) -> DaemonProcess:
    """Give a daemon that asks nobody, over `models/` and `state/` in a folder."""
    daemon = DaemonProcess(folder, NOWHERE, config=CONFIG.format(folder))
    daemon.log = log or daemon.log
    return daemon


def start(daemon: DaemonProcess) -> None:
    """Start, after a kill too, and wait until all doors are open."""
    count = len(events(daemon, "daemon_started")) if daemon.log.exists() else 0
    (daemon.state / "poke.sock").unlink(missing_ok=True)
    daemon.start()
    wait_until(lambda: len(events(daemon, "daemon_started")) > count or not daemon.is_running)


def is_read(path: Path) -> bool:
    return path.with_suffix(".json").exists()


def owes_nothing(daemon: DaemonProcess) -> bool:
    """Tell whether nothing is left to do but to ask Civitai, which nobody may."""
    return set(daemon.ask("status")["owed"]) <= {"identify_content"}


def make_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ten seconds of waiting for a lock, and five between two tries, pass in a moment."""
    monkeypatch.setattr(connecting, "BUSY_TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(worker, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(watch, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(retry, "FIRST_DELAY_SECONDS", 0.001)
    monkeypatch.setattr(run, "ROUND_SECONDS", 0.05)
