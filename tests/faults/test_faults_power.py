"""The power fails: what the disk held at that moment is all that is left of state, sidecars and pages."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests import builders
from tests.acceptance.process import DaemonProcess
from tests.acceptance.shelf import introduce, is_described
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.civitai_server import CivitaiStandIn

CUTS = int(os.environ.get("MODELSHELF_POWER_CUTS", "4"))
FILES = 40
IMAGE_BYTES = 96 * 1024 * 1024
CONFIG = """
input_paths:
  shelf: {{path: {here}/models, type: LORA}}
store: {{directory: {here}/state}}
api: {{base_url: "{api_url}", batch: {{rate_limit: 100000}}}}
"""


class PlugPulled:
    """An ext4 disk in a file. `cut` leaves what had reached the disk; the page cache above it is lost, as with the power."""

    def __init__(self, image: Path, point: Path) -> None:
        """Make the disk, empty, and mount it."""
        self._image = image
        self.point = point
        with image.open("wb") as opened:
            opened.truncate(IMAGE_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        point.mkdir()
        self._mount()

    def _mount(self) -> None:
        done = subprocess.run(
            ["mount", "-o", "loop", self._image, self.point], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            pytest.skip(f"no loop devices here: {done.stderr.strip()}")

    def cut(self, daemon: DaemonProcess) -> None:
        """Pull the plug: nothing may be written while the disk is copied, so the daemon stands still meanwhile."""
        os.kill(daemon.pid, signal.SIGSTOP)
        remains = self._image.with_suffix(".remains")
        shutil.copyfile(self._image, remains)
        daemon.stop(signal.SIGKILL)
        self.close()
        remains.replace(self._image)
        self._mount()

    def close(self) -> None:
        """Unmount."""
        subprocess.run(["umount", self.point], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[PlugPulled]:
    """Give a mounted disk; root and loop devices are needed."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("mounting an ext4 image needs root and mkfs.ext4")
    made = PlugPulled(tmp_path / "disk.img", tmp_path / "disk")
    yield made
    made.close()


def test_the_power_fails_again_and_again_and_nothing_is_lost_or_half_written(
    disk: PlugPulled, civitai: CivitaiStandIn
) -> None:
    """F42."""
    chance = random.Random()
    daemon = DaemonProcess(
        disk.point, civitai.base_url, config=CONFIG.format(here=disk.point, api_url=civitai.base_url)
    )
    names = [f"file{number:02}.safetensors" for number in range(FILES)]
    for number, name in enumerate(names):
        content = builders.lora(500 + number)
        introduce(civitai, content, name)
        (daemon.models / name).write_bytes(content)
    os.sync()
    for _ in range(CUTS):
        daemon.start()
        threading.Event().wait(chance.uniform(0.05, 1.5))
        disk.cut(daemon)
        assert half_written(daemon.models) == []
        assert is_sound(daemon.state / "modelshelf.db")
    with daemon:
        wait_until(lambda: all(is_described(daemon.models / name) for name in names), timeout=120)
        wait_until(lambda: not daemon.ask("status")["owed"], timeout=60)
        listed = daemon.ask("list", "--limit", "1000")["files"]
        assert sorted(each["path"] for each in listed) == names
        assert len({each["sha256"] for each in listed}) == FILES
        assert not daemon.ask("failures")["failures"]
    assert not [path for path in daemon.models.rglob("*") if ".tmp" in path.name]


def half_written(models: Path) -> list[str]:
    """Give the names under which something lies that is not whole: a file of ours has all its bytes or is not there."""
    broken = [path.name for path in models.iterdir() if path.suffix in {".json", ".info"} and not is_json(path)]
    return broken + [path.name for path in models.glob("*.html") if not path.read_bytes().rstrip().endswith(b"</html>")]


def is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True


def is_sound(database: Path) -> bool:
    """Tell whether SQLite finds nothing wrong; a daemon that had not begun yet has none."""
    if not database.exists():
        return True
    with closing(sqlite3.connect(database)) as opened:
        return list(opened.execute("PRAGMA integrity_check")) == [("ok",)]
