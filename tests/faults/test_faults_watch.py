"""F01 to F11: what may go wrong between the kernel's events and us. Real inotify, real directories."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.task import Lane
from tests import builders
from tests.faults.grounds import cannot, limit, memory
from tests.faults.living_shelf import LivingShelf
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_IDLE_SECONDS = 0.3
"""Processor time that an idle house may use in a second; a livelock uses nearly all of it."""


@pytest.fixture
def roomy(tmp_path: Path) -> Iterator[Path]:
    with memory(tmp_path) as directory:
        yield directory


@pytest.fixture
def shelf(roomy: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LivingShelf]:
    made = LivingShelf(roomy).listen(monkeypatch)
    yield made
    made.close()


def only_look(shelf: LivingShelf) -> None:
    """Let no file be read: what is tried is whether each is known."""
    shelf.house._staff._lanes = [Lane.DESK]


def make_directories(root: Path, count: int) -> None:
    for number in range(count):
        if number % 1000 == 0:
            (root / str(number // 1000)).mkdir()
        os.mkdir(f"{root}/{number // 1000}/{number}")  # noqa: PTH102 - many


def demanded_seconds() -> float:
    """Give the processor time that the threads of this process used or would have used, had the machine been less busy."""
    total = 0
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            used, awaited, _ = (task / "schedstat").read_text().split()
            total += int(used) + int(awaited)
    return total / 1e9


def await_rest(shelf: LivingShelf, timeout: float) -> None:
    """Wait for a second in which nothing is owed and this whole process has next to nothing to do."""
    pause = threading.Event()

    def is_at_rest() -> bool:
        shelf.rest()
        demanded = demanded_seconds()
        pause.wait(1.0)
        return demanded_seconds() - demanded < MOST_IDLE_SECONDS

    wait_until(is_at_rest, timeout)


def put(directory: Path, number: int) -> None:
    """Put an empty file: of ten the last is a model, the others belong beside one, and all are heard alike."""
    suffix = "safetensors" if number % 10 == 9 else "json"
    os.close(os.open(f"{directory}/{number}.{suffix}", os.O_CREAT | os.O_WRONLY))


def test_of_fifty_thousand_files_at_once_none_is_overlooked(shelf: LivingShelf) -> None:
    """F01."""
    only_look(shelf)
    shelf.house.open()
    for number in range(50_000):
        put(shelf.models, number)
    wait_until(lambda: shelf.count() == 5_000, timeout=60)


def test_of_five_thousand_new_directories_with_ten_files_each_none_is_overlooked(shelf: LivingShelf) -> None:
    """F02."""
    only_look(shelf)
    shelf.house.open()
    for directory in range(5_000):
        path = shelf.models / str(directory)
        path.mkdir()
        for number in range(10):
            put(path, number)
    wait_until(lambda: shelf.count() == 5_000, timeout=60)


def test_an_overflow_over_twenty_thousand_directories_is_a_scan_and_no_livelock(shelf: LivingShelf) -> None:
    """F03. A new file in a directory made before, and in one made while events were lost, is still seen."""
    make_directories(shelf.models, 20_000)
    with limit("max_queued_events", 64):
        shelf.house.open()
    made = iter(range(100_000))

    def has_overflowed() -> bool:
        for _ in range(100):
            os.mkdir(f"{shelf.models}/0/new{next(made)}")  # noqa: PTH102 - many
        return bool(shelf.doubts)

    wait_until(has_overflowed, timeout=30)
    await_rest(shelf, timeout=60)
    assert set(shelf.doubts) == {"more events came than could be taken in"}
    names = ["19/19999/a.safetensors", "0/new0/a.safetensors", f"0/new{next(made) - 1}/a.safetensors"]
    before = len(shelf.doubts)
    for name in names:
        (shelf.models / name).touch()
        shelf.await_known(name)
    assert len(shelf.doubts) == before
    await_rest(shelf, timeout=10)


def test_six_thousand_quiet_directories_are_watched_without_an_overflow(shelf: LivingShelf) -> None:
    """F04."""
    make_directories(shelf.models, 6_000)
    shelf.open()
    await_rest(shelf, timeout=10)
    (shelf.models / "5" / "5999" / "a.safetensors").touch()
    shelf.await_known("5/5999/a.safetensors")
    assert shelf.doubts == []


def confined(root: Path, name: str, value: int) -> dict[str, Any]:
    """Let a shelf live where this limit of inotify is so low, and give what it tells of its folder."""
    lower = f'echo {value} > /proc/sys/user/{name} && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", lower, "sh"]
    probe = subprocess.run([*command, "true"], check=False, capture_output=True, text=True)
    if probe.returncode != 0:
        cannot(f"no user namespace of our own: {probe.stderr.strip()}")
    ours = [sys.executable, "-m", "tests.faults.confined", str(root)]
    done = subprocess.run([*command, *ours], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_directories_beyond_the_limit_of_watches_are_reported_with_its_cure_and_scanned(roomy: Path) -> None:
    """F05."""
    (roomy / "models").mkdir()
    make_directories(roomy / "models", 60)
    told = confined(roomy, "max_inotify_watches", 20)
    assert told["watched"] + told["unwatched"] == 62
    assert told["unwatched"] >= 42
    assert "sysctl fs.inotify.max_user_watches=" in told["problem"]
    assert "/etc/sysctl.d/" in told["problem"]
    assert told["problem"] in told["doubts"]
    assert told["status"]["watch_problem"] == told["problem"]
    assert told["is_found_by_scan"]


def test_without_a_single_inotify_instance_the_folder_is_scanned_instead(roomy: Path) -> None:
    """F06."""
    told = confined(roomy, "max_inotify_instances", 0)
    assert (told["watched"], told["unwatched"]) == (0, 0)
    assert "sysctl fs.inotify.max_user_instances=" in told["problem"]
    assert told["status"]["watch_problem"] == told["problem"]
    assert told["is_found_by_scan"]


def settle(shelf: LivingShelf, *names: str) -> None:
    """Put a model under each name and open the house over them."""
    for number, name in enumerate(names):
        (shelf.models / name).parent.mkdir(parents=True, exist_ok=True)
        (shelf.models / name).write_bytes(builders.lora(number))
    shelf.open()
    assert all(map(shelf.has, names))


def test_a_folder_removed_and_made_again_is_heard_again_and_nothing_in_it_forgotten(shelf: LivingShelf) -> None:
    """F07."""
    settle(shelf, "kept.safetensors")
    content = (shelf.models / "kept.safetensors").read_bytes()
    shutil.rmtree(shelf.models)
    wait_until(lambda: shelf.store.folders.state("shelf").offline_since is not None)
    assert shelf.has("kept.safetensors")
    shelf.models.mkdir()
    (shelf.models / "kept.safetensors").write_bytes(content)
    shelf.house.mend()
    shelf.house.mend()
    (shelf.models / "new.safetensors").touch()
    shelf.await_known("kept.safetensors", "new.safetensors")


def test_a_renamed_folder_is_offline_and_the_new_one_of_its_name_is_heard(shelf: LivingShelf) -> None:
    """F08."""
    settle(shelf, "kept.safetensors")
    elsewhere = shelf.models.rename(shelf.models.parent / "elsewhere")
    wait_until(lambda: shelf.store.folders.state("shelf").offline_since is not None)
    (elsewhere / "ghost.safetensors").touch()
    shelf.models.mkdir()
    shutil.copy2(elsewhere / "kept.safetensors", shelf.models)
    shelf.house.mend()
    shelf.house.mend()
    (shelf.models / "new.safetensors").touch()
    shelf.await_known("kept.safetensors", "new.safetensors")
    assert not shelf.has("ghost.safetensors")


def test_writing_into_a_directory_that_was_moved_out_makes_no_ghosts(shelf: LivingShelf) -> None:
    """F09."""
    settle(shelf, "keeper.safetensors", "a/b/old.safetensors")
    ghost = (shelf.models / "a").rename(shelf.models.parent / "ghost")
    (shelf.models / "a" / "b").mkdir(parents=True)
    (ghost / "b" / "ghost.safetensors").touch()
    (shelf.models / "a" / "b" / "real.safetensors").touch()
    shelf.await_known("a/b/real.safetensors")
    wait_until(lambda: not shelf.has("a/b/old.safetensors"))
    (ghost / "b" / "late.safetensors").touch()
    (shelf.models / "fence.safetensors").touch()
    shelf.await_known("fence.safetensors")
    assert shelf.row("a/b/ghost.safetensors") is None
    assert shelf.row("a/b/late.safetensors") is None
    shelf.rest()


def test_an_event_that_cannot_be_taken_in_is_a_scan_and_ends_no_thread(
    shelf: LivingShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F10."""
    settle(shelf, "keeper.safetensors")
    observer = shelf.house.watch._observers["shelf"]

    def fail(*_: object) -> None:
        raise KeyError("a bug")

    with monkeypatch.context() as broken:
        broken.setattr(observer._door, "_on_dirty", fail)
        (shelf.models / "unheard.safetensors").touch()
        shelf.await_known("unheard.safetensors")
    assert any("a bug" in doubt for doubt in shelf.doubts)
    (shelf.models / "heard.safetensors").touch()
    shelf.await_known("heard.safetensors")
    assert shelf.house.watch._observers["shelf"] is observer


@pytest.mark.parametrize("which", ["reader", "emitter", "giver"])
def test_whichever_thread_of_a_watch_ends_it_is_replaced_and_what_it_missed_is_found(
    shelf: LivingShelf, which: str
) -> None:
    """F11."""
    settle(shelf, "keeper.safetensors")
    watchdog = shelf.house.watch._observers["shelf"]._observer
    assert watchdog is not None
    [emitter] = watchdog.emitters
    thread: Any = {"reader": watchdog._reader, "emitter": emitter, "giver": watchdog}[which]
    thread.stop()
    wait_until(lambda: not thread.is_alive())
    (shelf.models / "missed.safetensors").touch()
    assert not shelf.house.watch.is_alive_for("shelf")
    shelf.house.mend()
    assert shelf.house.watch.is_alive_for("shelf")
    shelf.await_known("missed.safetensors")
    (shelf.models / "later.safetensors").touch()
    shelf.await_known("later.safetensors")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_while_the_thread_that_hands_events_on_is_dead_the_house_says_so(
    shelf: LivingShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F11."""
    settle(shelf, "keeper.safetensors")

    def die() -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(shelf.house.watch, "_hand_on", die)
    (shelf.models / "missed.safetensors").touch()
    wait_until(lambda: not shelf.house.watch.is_alive())
    assert not shelf.house.is_alive()
    shelf.house.mend()
    assert shelf.house.is_alive()
    shelf.await_known("missed.safetensors")
