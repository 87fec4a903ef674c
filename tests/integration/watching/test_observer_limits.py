"""Many directories, overflow, full watch tables and unmounts, on the real kernel."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.watching.conftest import Heard

    Begin = Callable[[], Heard]

LIMITS = Path("/proc/sys/fs/inotify")
MOST_IDLE_SECONDS = 0.3
"""Processor time that an idle observer may use in a second; a livelock uses nearly all of it."""


def cannot(reason: str) -> None:
    """Skip at a desk, fail where the tests must all run."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def limit(name: str, value: int) -> Iterator[None]:
    """Change a limit of inotify for the whole machine, for as short as possible."""
    file = LIMITS / name
    before = file.read_text()
    try:
        file.write_text(str(value))
    except OSError as error:
        cannot(f"{file} cannot be written: {error}")
    try:
        yield
    finally:
        file.write_text(before)


def make_directories(root: Path, count: int) -> None:
    for number in range(count):
        directory = f"{root}/{number // 1000}"
        if number % 1000 == 0:
            os.mkdir(directory)  # noqa: PTH102 - many
        os.mkdir(f"{directory}/{number}")  # noqa: PTH102 - many


def assert_idle(heard: Heard) -> None:
    """See that its threads come to rest: a second in which they, alone, have nothing to do."""
    reader = heard.observer._observer
    assert reader is not None

    def is_at_rest() -> bool:
        used = time.process_time()
        reader.join(timeout=1.0)
        return time.process_time() - used < MOST_IDLE_SECONDS

    wait_until(is_at_rest)
    assert heard.observer.is_alive()


def test_five_thousand_quiet_directories_are_watched_without_a_livelock(root: Path, watch: Begin) -> None:
    make_directories(root, 5_000)
    heard = watch()
    assert heard.observer.watched_count == 5_000 + 5 + 1
    (root / "4" / "4999" / "a.safetensors").touch()
    wait_until(lambda: b"4/4999/a.safetensors" in heard.paths)
    assert heard.doubts == []
    assert_idle(heard)


def test_an_overflow_over_many_directories_is_a_doubt_and_no_livelock(root: Path, watch: Begin) -> None:
    make_directories(root, 17_500)
    with limit("max_queued_events", 64):
        heard = watch()
    bursts = iter(range(2_000))

    def has_overflowed() -> bool:
        burst = next(bursts)
        for number in range(100):
            (root / "0" / f"{burst}-{number}.json").touch()
        return bool(heard.doubts)

    wait_until(has_overflowed, timeout=60)
    assert_idle(heard)  # until then more may be lost, of which another doubt tells
    assert set(heard.doubts) == {"the kernel's event queue overflowed"}
    assert heard.observer.unwatched_count == 0
    (root / "17" / "17499" / "a.safetensors").touch()
    wait_until(lambda: b"17/17499/a.safetensors" in heard.paths)
    assert_idle(heard)
    doubts = len(heard.doubts)
    (root / "16" / "16999" / "a.safetensors").touch()
    wait_until(lambda: b"16/16999/a.safetensors" in heard.paths)
    assert len(heard.doubts) == doubts


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
    for number in range(count):
        path = b"d%d/a.safetensors" % number
        (root / os.fsdecode(path)).touch()
        wait_until(partial(heard.has, path))
    assert heard.observer.is_alive()


def test_directories_beyond_the_limit_of_watches_are_reported(root: Path, watch: Begin) -> None:
    make_directories(root, 60)
    with limit("max_user_watches", 20):
        heard = watch()
        wait_until(lambda: heard.doubts)
    assert "fs.inotify.max_user_watches" in heard.doubts[0]
    assert heard.observer.watched_count + heard.observer.unwatched_count == 62
    assert heard.observer.unwatched_count >= 42
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
