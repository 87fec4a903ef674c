"""`modelshelf doctor` on a mount that hangs: it comes to an end, says which one it is, and still tells of everything else."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.process import DaemonProcess
from tests.faults.test_faults_hung import Mount, demand_mergerfs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.acceptance

CONFIG = """
input_paths:
  local: {{path: {0}/models, type: LORA}}
  remote: {{path: {0}/mounted, type: LORA}}
store: {{directory: {0}/state}}
offline: true
"""


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    demand_mergerfs()
    made = Mount(tmp_path / "branch", tmp_path / "mounted")
    yield made
    made.close()


def test_a_mount_that_hangs_is_named_and_holds_nothing_else_up(tmp_path: Path, mount: Mount) -> None:
    shelf = DaemonProcess(tmp_path, "http://127.0.0.1:9", config=CONFIG.format(tmp_path))
    mount.freeze()
    began = time.monotonic()
    answer = shelf.command("doctor", "--json")
    assert time.monotonic() - began < 30
    found = json.loads(answer.stdout)["findings"]
    wrong = [(each["check"], each["about"]) for each in found if each["level"] == "wrong"]
    assert (answer.returncode, wrong) == (1, [("folders", "remote")])
    assert [each["text"] for each in found if each["check"] == "files"] == ["0 models on disk"]
