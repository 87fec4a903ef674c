"""F12 to F25: files that are written, replaced, cut and linked while somebody looks. Real files, real events."""

from __future__ import annotations

import ctypes
import hashlib
import mmap
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.task import TaskState
from modelshelf.formats import hashes as reading
from modelshelf.store.reports import Reports
from tests import builders
from tests.faults.grounds import cannot
from tests.faults.living_shelf import LivingShelf
from tests.unit.steps.step_shelf import StepShelf
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DELAY_SECONDS = 0.5
RENAME_EXCHANGE = 2
AT_FDCWD = -100
OLD = builders.lora(1, padding_bytes=9_000_000)
NEW = builders.lora(2, padding_bytes=9_000_000)
SHORT = builders.lora(3, padding_bytes=3_000)
"""Two of one length that take several reads, and a short one."""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest().upper()


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LivingShelf]:
    made = LivingShelf(tmp_path, delay=DELAY_SECONDS).listen(monkeypatch)
    made.open()
    yield made
    made.close()


@pytest.fixture
def model(shelf: LivingShelf) -> Path:
    """Give a file that is on the shelf and read."""
    path = shelf.models / "model.safetensors"
    path.write_bytes(OLD)
    shelf.await_hashed("model.safetensors", sha256(OLD))
    shelf.hashed.clear()
    return path


def outside(shelf: LivingShelf, content: bytes) -> Path:
    """Give a file beside the folder, on the same file system."""
    path = shelf.models.parent / "outside.safetensors"
    path.write_bytes(content)
    return path


def test_of_a_slow_writer_whose_pauses_are_longer_than_the_quiet_time_no_half_is_read(shelf: LivingShelf) -> None:
    """F12. Its format declares no length: the kernel tells that it is still open."""
    content = builders.legacy_pickle(4)
    pause = threading.Event()
    with (shelf.models / "slow.pt").open("wb", buffering=0) as writer:
        for start in range(0, len(content), len(content) // 2 + 1):
            writer.write(content[start : start + len(content) // 2 + 1])
            pause.wait(2.5 * DELAY_SECONDS)
        row = shelf.row("slow.pt")
        assert row is not None
        assert row.waiting_reason == "still open for writing"
    shelf.await_hashed("slow.pt", sha256(content))
    assert shelf.hashed == ["slow.pt"]


def test_a_download_that_stops_for_long_is_read_once_at_its_end(shelf: LivingShelf) -> None:
    """F12. Nobody has it open meanwhile: the length that it declares tells that more must come."""
    path = shelf.models / "paused.safetensors"
    path.write_bytes(SHORT[:2_000])
    threading.Event().wait(2.5 * DELAY_SECONDS)
    shelf.rest()
    assert shelf.hashed == []
    with path.open("ab") as writer:
        writer.write(SHORT[2_000:])
    shelf.await_hashed("paused.safetensors", sha256(SHORT))
    assert shelf.hashed == ["paused.safetensors"]


@pytest.fixture
def by_hand(tmp_path: Path) -> Iterator[StepShelf]:
    made = StepShelf(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("pause_seconds", [3600.0, 30 * 86_400.0])
def test_a_download_that_pauses_for_an_hour_is_read_once_and_meanwhile_shown_as_what_it_is(
    pause_seconds: float, by_hand: StepShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F12. By a clock that is turned; whole scans pass by, and every look that was put off becomes due."""
    hashed: list[str] = []

    def hash_and_count(path: Path, **options: Any) -> Any:
        hashed.append(path.name)
        return reading.hash_file(path, **options)

    monkeypatch.setattr("modelshelf.steps.hash_file.hash_file", hash_and_count)
    by_hand.put("paused.safetensors", SHORT[:2_000], age_seconds=0)
    for _ in range(4):
        by_hand.look_through()
        [shown] = Reports(by_hand.store.database).waiting(10)
        assert shown.path == b"paused.safetensors"
        assert "2,000 bytes of" in shown.reason
        by_hand.clock.advance(pause_seconds / 4)
    assert hashed == []
    by_hand.put("paused.safetensors", SHORT, age_seconds=0)
    by_hand.look_through(path="paused.safetensors")
    assert hashed == ["paused.safetensors"]
    assert by_hand.content("paused.safetensors").hashes.sha256 == sha256(SHORT)
    assert Reports(by_hand.store.database).waiting(10) == []


def test_a_half_that_looked_whole_is_not_kept_when_the_rest_comes(shelf: LivingShelf) -> None:
    """F12. No length, no open writer, and a pause: nothing tells, so it is read twice and the second counts."""
    content = builders.legacy_pickle(4)
    path = shelf.models / "halves.pt"
    path.write_bytes(content[:-10])
    wait_until(lambda: shelf.sha256("halves.pt") == sha256(content[:-10]))
    with path.open("ab") as writer:
        writer.write(content[-10:])
    shelf.await_hashed("halves.pt", sha256(content))


def test_a_file_under_a_temporary_name_is_read_once_it_has_its_own(shelf: LivingShelf) -> None:
    """F13."""
    part = shelf.models / "model.safetensors.part"
    part.write_bytes(SHORT)
    (shelf.models / "fence.safetensors").write_bytes(OLD)
    shelf.await_hashed("fence.safetensors", sha256(OLD))
    assert shelf.count() == 1
    part.rename(shelf.models / "model.safetensors")
    shelf.await_hashed("model.safetensors", sha256(SHORT))
    assert shelf.hashed == ["fence.safetensors", "model.safetensors"]


def test_a_file_replaced_by_one_from_elsewhere_is_read_again(shelf: LivingShelf, model: Path) -> None:
    """F14. The kernel tells of a creation only."""
    outside(shelf, NEW).replace(model)
    shelf.await_hashed(model.name, sha256(NEW))
    assert shelf.hashed == [model.name]


def exchange(one: Path, other: Path) -> None:
    done = ctypes.CDLL(None, use_errno=True).renameat2(
        AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE
    )
    if done != 0:
        cannot(f"no RENAME_EXCHANGE here: {os.strerror(ctypes.get_errno())}")


def test_two_files_that_change_places_keep_each_its_own_hash(shelf: LivingShelf, model: Path) -> None:
    """F15."""
    other = shelf.models / "other.safetensors"
    other.write_bytes(NEW)
    shelf.await_hashed(other.name, sha256(NEW))
    exchange(model, other)
    wait_until(lambda: shelf.sha256(model.name) == sha256(NEW) and shelf.sha256(other.name) == sha256(OLD))
    shelf.rest()
    assert shelf.count() == 2
    assert shelf.content_count() == 2


def test_a_file_that_has_its_full_size_from_the_start_is_read_when_it_is_filled(shelf: LivingShelf) -> None:
    """F16."""
    path = shelf.models / "filled.safetensors"
    with path.open("wb", buffering=0) as writer:
        writer.truncate(len(OLD))
        for start in range(0, len(OLD), 1_000_000):
            writer.seek(start)
            writer.write(OLD[start : start + 1_000_000])
            threading.Event().wait(0.1)
    shelf.await_hashed(path.name, sha256(OLD))
    assert shelf.hashed == [path.name]


@pytest.fixture
def meddle(shelf: LivingShelf, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Give a function that has something done in the middle of the next hash, once."""

    def arrange(act: Callable[[], object]) -> None:
        real_blocks = reading._blocks
        acts = [act]

        def blocks(file: Any, buffers: Any) -> Any:
            for block in real_blocks(file, buffers):
                yield block
                if acts:
                    acts.pop()()

        monkeypatch.setattr(reading, "_blocks", blocks)

    return arrange


def test_a_file_that_is_cut_while_it_is_hashed_ends_no_process_and_is_read_again(
    shelf: LivingShelf, meddle: Callable[[Callable[[], object]], None]
) -> None:
    """F17."""
    path = shelf.models / "cut.ckpt"
    content = builders.legacy_pickle(1) + bytes(9_000_000)
    meddle(lambda: os.truncate(path, 5_000_000))
    path.write_bytes(content)
    shelf.await_hashed(path.name, sha256(content[:5_000_000]))
    assert shelf.content_count() == 1


def test_a_file_that_grows_while_it_is_hashed_is_read_again(
    shelf: LivingShelf, meddle: Callable[[Callable[[], object]], None]
) -> None:
    """F18."""
    path = shelf.models / "grown.ckpt"
    content = builders.legacy_pickle(1) + bytes(9_000_000)

    def grow() -> None:
        with path.open("ab") as writer:
            writer.write(b"more")

    meddle(grow)
    path.write_bytes(content)
    shelf.await_hashed(path.name, sha256(content + b"more"))
    assert shelf.content_count() == 1


def test_a_file_that_is_replaced_while_it_is_hashed_is_read_again(
    shelf: LivingShelf, meddle: Callable[[Callable[[], object]], None]
) -> None:
    """F19. The bytes that were read are whole and sound, and still not those of this name any more."""
    path = shelf.models / "replaced.safetensors"
    other = outside(shelf, NEW)
    meddle(lambda: other.replace(path))
    path.write_bytes(OLD)
    shelf.await_hashed(path.name, sha256(NEW))
    assert shelf.content_count() == 1


def keep_time(path: Path, act: Callable[[], object]) -> None:
    """Do something and give the file its old times back."""
    before = path.stat()
    act()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_other_bytes_of_the_same_size_and_time_in_place_are_damage(shelf: LivingShelf, model: Path) -> None:
    """F20. Only the ctime differs: what a failing disk does, and nobody who means to write."""
    keep_time(model, lambda: model.write_bytes(NEW))
    wait_until(lambda: [rot.sha256 for rot in shelf.store.rot.standing()] == [sha256(NEW)])
    assert shelf.sha256(model.name) == sha256(OLD)


def test_another_file_of_the_same_size_and_time_in_its_stead_is_found(shelf: LivingShelf, model: Path) -> None:
    """F21. Inode and ctime differ."""
    other = outside(shelf, NEW)
    keep_time(model, lambda: other.replace(model))
    shelf.await_hashed(model.name, sha256(NEW))


def test_bytes_written_through_a_mapping_are_found(shelf: LivingShelf, model: Path) -> None:
    """F22. The kernel tells of no write, only that the file was closed."""
    with model.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as mapped:
        mapped[-len(NEW) :] = NEW
    shelf.await_hashed(model.name, sha256(NEW))


def test_bytes_written_through_a_hard_link_outside_are_found_by_the_next_scan(shelf: LivingShelf, model: Path) -> None:
    """F23. No event tells of it."""
    link = shelf.models.parent / "link.safetensors"
    os.link(model, link)
    link.write_bytes(NEW)
    (shelf.models / "fence.safetensors").write_bytes(SHORT)
    shelf.await_hashed("fence.safetensors", sha256(SHORT))
    assert shelf.sha256(model.name) == sha256(OLD)
    shelf.house.calendar._scan("shelf")
    shelf.await_hashed(model.name, sha256(NEW))


def test_a_file_that_is_deleted_while_it_is_hashed_leaves_nothing_owed(
    shelf: LivingShelf, meddle: Callable[[Callable[[], object]], None]
) -> None:
    """F24."""
    path = shelf.models / "deleted.safetensors"
    (shelf.models / "keeper.safetensors").write_bytes(SHORT)
    shelf.await_hashed("keeper.safetensors", sha256(SHORT))
    gone = threading.Event()

    def delete() -> None:
        path.unlink()
        gone.set()

    meddle(delete)
    path.write_bytes(OLD)
    assert gone.wait(30)
    wait_until(lambda: not shelf.has(path.name))
    shelf.rest()
    assert [task for task in shelf.store.journal.failures() if task.state is TaskState.FAILED] == []
    assert shelf.content_count() == 1


def test_a_file_without_a_name_is_read_when_it_is_given_one(shelf: LivingShelf) -> None:
    """F25."""
    try:
        descriptor = os.open(shelf.models, os.O_TMPFILE | os.O_RDWR)
    except OSError as error:
        cannot(f"no O_TMPFILE here: {error.strerror}")
    try:
        os.write(descriptor, SHORT)
        directory = os.open(shelf.models, os.O_PATH)
        os.link(f"/proc/self/fd/{descriptor}", "named.safetensors", dst_dir_fd=directory)
        os.close(directory)
    finally:
        os.close(descriptor)
    shelf.await_hashed("named.safetensors", sha256(SHORT))
    assert shelf.hashed == ["named.safetensors"]
