"""Killed with SIGKILL at random moments while files arrive: nothing is lost, doubled, half-written or given up."""

from __future__ import annotations

import random
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from tests import builders
from tests.acceptance.shelf import introduce, is_described
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.process import DaemonProcess
    from tests.fakes.civitai_server import CivitaiStandIn

pytestmark = pytest.mark.acceptance

KILLS = 20
FILES = 50


def test_twenty_kills_while_fifty_files_arrive_lose_nothing(daemon: DaemonProcess, civitai: CivitaiStandIn) -> None:
    seed = random.randrange(1_000_000)
    chance = random.Random(seed)
    contents = {
        f"file{number:02}.safetensors": builders.lora(100 + number, padding_bytes=20_000) for number in range(FILES)
    }
    for name, content in contents.items():
        introduce(civitai, content, name)
    arrival = threading.Thread(target=arrive, args=(daemon.models, contents, chance.random()))
    arrival.start()
    for _ in range(KILLS):
        threading.Event().wait(chance.uniform(0.0, 0.8))
        daemon.stop(signal.SIGKILL)
        daemon.start()
    arrival.join()
    models = [daemon.models / name for name in contents]
    wait_until(lambda: all(is_described(model) for model in models), timeout=180)
    wait_until(lambda: not daemon.ask("status")["owed"], timeout=60)

    listed = daemon.ask("list", "--limit", "1000")["files"]
    assert sorted(each["path"] for each in listed) == sorted(contents)
    assert len({each["sha256"] for each in listed}) == FILES
    assert not daemon.ask("failures")["failures"]
    assert not [path for path in daemon.models.rglob("*") if path.name.endswith(".tmp")]
    lookups = [request for request in civitai.requests if "by-hash" in request.path]
    assert len(lookups) <= FILES + KILLS


def arrive(directory: Path, contents: dict[str, bytes], seed: float) -> None:
    """Drop the files one after another, some in pieces."""
    chance = random.Random(seed)
    for name, content in contents.items():
        with (directory / name).open("wb") as opened:
            half = len(content) // 2
            opened.write(content[:half])
            opened.flush()
            threading.Event().wait(chance.uniform(0, 0.1))
            opened.write(content[half:])
        threading.Event().wait(chance.uniform(0, 0.2))
