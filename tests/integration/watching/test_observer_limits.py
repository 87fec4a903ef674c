"""Overflow and unmounts, on the real kernel."""

from __future__ import annotations

import os
import subprocess
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.faults.grounds import cannot, limit
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.watching.conftest import Heard

    Begin = Callable[[], Heard]


def test_directories_made_while_events_were_lost_are_watched_before_the_doubt(root: Path, watch: Begin) -> None:
    with limit("max_queued_events", 16):
        heard = watch()
    count = 0
    while not heard.doubts and count < 20_000:
        (root / f"d{count}").mkdir()
        count += 1
    wait_until(lambda: heard.doubts)
    wait_until(lambda: heard.observer.watched_count == count + 1)
    heard.forget()
    for number in range(0, count, 1 + count // 100):
        path = b"d%d/a.safetensors" % number
        (root / os.fsdecode(path)).touch()
        wait_until(partial(heard.has, path))
    assert heard.observer.is_alive()


def mount(root: Path) -> None:
    done = subprocess.run(["mount", "-t", "tmpfs", "none", root], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        cannot(f"cannot mount: {done.stderr}")


@pytest.mark.parametrize("place", ["", "sub"])
def test_an_unmount_is_a_doubt(root: Path, watch: Begin, place: str) -> None:
    (root / place).mkdir(exist_ok=True)
    mount(root / place)
    try:
        (root / place / "x" / "y").mkdir(parents=True)
        heard = watch()
    finally:
        subprocess.run(["umount", root / place], check=True)
    wait_until(lambda: heard.doubts)
    assert set(heard.doubts) == {"a file system was unmounted"}
    assert heard.paths == set()
