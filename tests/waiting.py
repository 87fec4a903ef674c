"""Waiting for what another thread or process does: until it is so, never for a guessed time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_AGAIN_SECONDS = 0.01


def wait_until(condition: Callable[[], object], timeout: float = 20) -> None:
    """Return as soon as `condition()` is true; fail the test when it is not within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not so after {timeout:g} s")
        pause.wait(_LOOK_AGAIN_SECONDS)
