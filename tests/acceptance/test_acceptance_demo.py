"""What a newcomer sees first: `make run` without anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.process import REPOSITORY
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.acceptance


def test_the_demo_shows_a_file_dropped_identified_pictured_and_paged(tmp_path: Path) -> None:
    log = tmp_path / "demo.log"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    with log.open("wb") as out:
        demo = subprocess.Popen(
            [sys.executable, "-m", "contrib.demo"], cwd=tmp_path, env=environment, stdout=out, stderr=out
        )
    try:
        wait_until(lambda: "identified, pictured and paged" in log.read_text(errors="replace"), timeout=60)
        wait_until(lambda: "open the gallery" in log.read_text(errors="replace"))
    finally:
        demo.send_signal(signal.SIGTERM)
        status = demo.wait(timeout=20)
    assert status == 0
    models = tmp_path / "demo" / "models"
    assert (models / "gallery.html").exists()
    assert (models / "loras" / "ink wash.civitai.info").exists()
    assert not (models / "loras" / "self-trained cat.civitai.info").exists()
