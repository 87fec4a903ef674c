"""A real Chromium without a window: load a page, let its script run, and see what became of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

import pytest

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1280,900",
    "--enable-logging=stderr",
    "--v=0",
    "--dump-dom",
)


@dataclass(frozen=True)
class Visit:
    """What a page has become, and what the browser had to say about it (errors and policy violations)."""

    html: str
    console: list[str]


def chromium() -> str:
    """Give the browser's path; where there is none, skip, but fail in CI, which has to install it."""
    found = shutil.which("chromium")
    if found:
        return found
    if os.environ.get("CI") == "true":
        pytest.fail("no Chromium: apt-get install chromium")
    pytest.skip("no Chromium: apt-get install chromium")


VIRTUAL = "--virtual-time-budget=4000"
"""Four seconds pass at once after the page has loaded; hardly a frame is drawn in them."""

REAL = "--timeout=60000"
"""Time passes as it does, frames are drawn, and the page is read once it has loaded."""


def visit(address: str, time: str = VIRTUAL) -> Visit:
    """Load `address` in a new profile."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [chromium(), *_FLAGS, f"--user-data-dir={profile}", time, address]
        done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    log = done.stderr.decode("utf-8", "replace")
    return Visit(done.stdout.decode("utf-8"), re.findall(r"^.*CONSOLE.*$", log, re.MULTILINE))
