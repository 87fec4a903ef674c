"""Quick and deep scans of a real daemon: what is read when, stopped, killed, and how far it says that it is."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.progress import Phase
from modelshelf.progress import PROGRESS_STANDING, from_json
from modelshelf.store.reports import Reports
from modelshelf.store.store import Store
from tests.acceptance.process import DaemonProcess
from tests.builders import lora
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from modelshelf.domain.progress import Progress
    from tests.fakes.civitai_server import CivitaiStandIn

ON_DEMAND = "deep_scan: {background: false}\n"
ENDLESS_BYTES = 1 << 40
HOSTILE = os.fsdecode(b"\x1b[31mred\n\xff.safetensors")


@pytest.fixture
def shelf(tmp_path: Path, civitai: CivitaiStandIn, quick_config: str) -> Iterator[DaemonProcess]:
    """Give a daemon that is not started yet, which reads nothing in bulk unless somebody asks."""
    process = DaemonProcess(tmp_path, civitai.base_url, config=quick_config + "offline: true\n" + ON_DEMAND)
    yield process
    if process.is_running:
        process.stop()


def put(shelf: DaemonProcess, count: int, directory: str = "") -> None:
    folder = shelf.models / directory
    folder.mkdir(exist_ok=True)
    for number in range(count):
        path = folder / f"ink{number}.safetensors"
        path.write_bytes(lora(number + len(directory)))
        os.utime(path, (1, 1))


def put_endless(shelf: DaemonProcess, name: str = "big.safetensors") -> None:
    """Put a file that takes hours to read: a terabyte of nothing."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [ENDLESS_BYTES], "data_offsets": [0, ENDLESS_BYTES]}}).encode()
    path = shelf.models / name
    with path.open("wb") as big:
        big.write(len(header).to_bytes(8, "little") + header)
        big.truncate(8 + len(header) + ENDLESS_BYTES)
    os.utime(path, (1, 1))


@contextmanager
def catalog(shelf: DaemonProcess) -> Iterator[Store]:
    """Look into the store beside the daemon: much faster than a command."""
    store = Store.open_readonly(shelf.state / "modelshelf.db")
    try:
        yield store
    finally:
        store.close()


def tally(shelf: DaemonProcess) -> tuple[int, int]:
    """Give how many files are read, and how many owed."""
    with catalog(shelf) as store:
        found = store.reading.tallies()["shelf"]
    return found.read_files, found.owed_files


def told(shelf: DaemonProcess) -> Progress | None:
    with catalog(shelf) as store:
        return from_json(store.standing.get(PROGRESS_STANDING))


def is_paused(shelf: DaemonProcess) -> bool:
    progress = told(shelf)
    return progress is not None and progress.phase is Phase.PAUSED


def is_reading(shelf: DaemonProcess) -> bool:
    progress = told(shelf)
    return progress is not None and any(device.files for device in progress.devices)


def is_at_rest(shelf: DaemonProcess) -> bool:
    with catalog(shelf) as store:
        return not Reports(store.database).running()


def test_a_quick_scan_is_complete_and_reads_nothing_until_a_deep_one_is_asked_for(shelf: DaemonProcess) -> None:
    put(shelf, 3)
    put(shelf, 2, "style")
    with shelf:
        done = shelf.command("scan", "--quick", "--wait")
        assert done.returncode == 0
        assert "Found 5 model files" in done.stdout
        assert "- Still to be read: 5 models" in done.stdout
        assert tally(shelf) == (0, 5)
        wait_until(lambda: is_paused(shelf))
        assert "; paused: on demand only" in shelf.command("status").stdout
        assert shelf.command("scan", "--deep", "--wait", "models/style").returncode == 0
        assert tally(shelf) == (2, 3)
        assert shelf.command("scan", "--deep", "--wait").returncode == 0
        assert tally(shelf) == (5, 0)
        wait_until(lambda: told(shelf) is None)


def test_without_a_daemon_a_quick_scan_walks_and_leaves_the_reading_owed(shelf: DaemonProcess) -> None:
    put(shelf, 4)
    assert shelf.command("scan", "--quick", "--wait").returncode == 0
    assert tally(shelf) == (0, 4)
    assert "waits for the daemon" in shelf.command("status").stdout
    assert not [path for path in shelf.models.iterdir() if path.suffix != ".safetensors"]
    assert shelf.command("scan", "--deep", "--wait").returncode == 0
    assert tally(shelf) == (4, 0)
    assert (shelf.models / "ink0.html").exists()


def test_a_deep_scan_goes_on_after_a_kill_and_ends_when_it_is_stopped(shelf: DaemonProcess) -> None:
    put_endless(shelf)
    put_endless(shelf, HOSTILE)
    with shelf:
        assert shelf.command("scan", "--deep").returncode == 0
        wait_until(lambda: is_reading(shelf), timeout=60)
        before = told(shelf)
        shelf.stop(signal.SIGKILL)
        shelf.start()
        wait_until(lambda: is_reading(shelf) and told(shelf) != before, timeout=60)
        progress = told(shelf)
        assert progress is not None
        assert progress.phase is Phase.READING
        assert progress.devices[0].files[0].path in {"big.safetensors", "\\x1b[31mred\\n\\xff.safetensors"}
        words = shelf.command("status").stdout
        assert "Deep scan: 0 of 2 models, " in words
        assert "\x1b" not in words
        assert shelf.ask("scan", "--stop")["eased_files"] == 2
        wait_until(lambda: is_at_rest(shelf))
        assert tally(shelf) == (0, 2)
        wait_until(lambda: is_paused(shelf))


def test_a_scan_that_waits_shows_a_bar_on_a_terminal_and_ends_at_ctrl_c(shelf: DaemonProcess) -> None:
    put_endless(shelf, HOSTILE)
    with shelf:
        lead, follow = pty.openpty()
        heard = bytearray()
        with subprocess.Popen(
            shelf._command("scan", "--deep", "--wait"),
            env={**shelf._environment, "TERM": "xterm", "COLUMNS": "300"},
            cwd=shelf.models.parent,
            stdin=follow,
            stdout=follow,
            stderr=follow,
        ) as process:
            os.close(follow)
            listening = threading.Thread(target=_listen, args=(lead, heard), daemon=True)
            listening.start()
            try:
                wait_until(lambda: re.search(rb"1 file to read.*iB/s.*left.*red", bytes(heard)), timeout=60)
                process.send_signal(signal.SIGINT)
                wait_until(lambda: b"goes on without you" in heard)
                process.send_signal(signal.SIGINT)
                assert process.wait(timeout=30) == 130
            finally:
                process.kill()
        listening.join(10)
        os.close(lead)
        assert b"The scan is stopped." in heard
        assert b"\x1b[31mred" not in heard
        wait_until(lambda: is_at_rest(shelf))
        assert tally(shelf) == (0, 1)


def _listen(descriptor: int, heard: bytearray) -> None:
    while True:
        try:
            content = os.read(descriptor, 65536)
        except OSError:  # the other side is closed
            return
        if not content:
            return
        heard.extend(content)
