"""Folders that go away: disks unmounted, FUSE daemons killed, branches lost, directories that cannot be read."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf.domain.task import NewTask, TaskKind
from modelshelf.errors import FolderOffline
from modelshelf.shelf.devices import device_of
from modelshelf.shelf.walk import walk
from modelshelf.steps import scan_folder
from modelshelf.steps.absence import BRAKE_FILES
from modelshelf.whereabouts import check_return
from tests import builders
from tests.faults.disks import Bound, Image, Pool
from tests.unit.steps.step_shelf import StepShelf
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.disks import Disk

NAMES = ("one.safetensors", "two.safetensors", "deep/three.safetensors")


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[StepShelf]:
    made = StepShelf(tmp_path)
    yield made
    made.close()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture(params=[Bound, Image])
def disk(request: pytest.FixtureRequest, tmp_path: Path, stack: ExitStack) -> Disk:
    made: Bound | Image = stack.enter_context(closing(request.param(tmp_path / "disk")))
    return made


def settle_in(shelf: StepShelf) -> None:
    """Know the folder for what it lies on, as the daemon does when something is mounted there."""
    place = shelf.places["loras"]
    shelf.places["loras"] = replace(place, traits=replace(device_of(place.root), id=place.traits.id))


def fill(shelf: StepShelf, names: tuple[str, ...] = NAMES) -> None:
    """Put files on what is mounted and have them read."""
    settle_in(shelf)
    for number, name in enumerate(names):
        shelf.put(name, builders.lora(number))
    shelf.look_through()


def come_back(shelf: StepShelf) -> None:
    """Do what the half-minute's round does when a folder is there again."""
    settle_in(shelf)
    check_return(shelf.store, shelf.places["loras"], shelf.store.folders.state("loras"), shelf.clock.now())
    shelf.store.folders.set_online("loras")


def is_offline(shelf: StepShelf) -> bool:
    return shelf.store.folders.state("loras").offline_since is not None


def hashed(shelf: StepShelf) -> list[Any]:
    """Give all that stands in the catalog because bytes were read: read again, a file would have another row."""
    return [tuple(row) for row in shelf.store.database.rows("SELECT id, sha256, hashed_at FROM contents")]


def missing(shelf: StepShelf) -> int:
    return int(shelf.store.database.rows("SELECT count(*) FROM files WHERE missing_since IS NOT NULL")[0][0])


def owed_reading(shelf: StepShelf) -> int:
    owed = shelf.store.journal.owed("loras")
    return owed.get(TaskKind.INSPECT_FILE, 0) + owed.get(TaskKind.HASH_FILE, 0)


@pytest.mark.parametrize("bare", ["empty", "with a page of ours", "with a stray model"])
@pytest.mark.parametrize("event", ["", "one.safetensors", "deep"])
def test_an_unmounted_disk_is_offline_and_comes_back_with_nothing_read_again(
    shelf: StepShelf, disk: Disk, bare: str, event: str
) -> None:
    """F26."""
    point = shelf.path("")
    if bare != "empty":
        (point / ("gallery.html" if bare == "with a page of ours" else "stray.safetensors")).write_bytes(
            builders.lora(9)
        )
    disk.mount(point)
    fill(shelf)
    before, seen = hashed(shelf), shelf.clock.now()
    disk.unmount()
    standing = shelf.names()
    shelf.clock.advance(1)
    shelf.look_through(path=event)
    assert is_offline(shelf)
    assert missing(shelf) == 0
    assert shelf.names() == standing
    with pytest.raises(FolderOffline):
        come_back(shelf)
    disk.mount(point)
    come_back(shelf)
    shelf.look_through()
    assert owed_reading(shelf) == 0
    assert hashed(shelf) == before
    assert all(row[2] <= seen.timestamp() for row in hashed(shelf))
    assert missing(shelf) == 0
    assert len(shelf.store.files.in_directory("loras", b"")) == 2


def test_a_person_s_mistaken_word_costs_nothing_but_the_time_until_the_disk_is_back(
    shelf: StepShelf, disk: Disk
) -> None:
    """F26."""
    disk.mount(shelf.path(""))
    fill(shelf)
    before = hashed(shelf)
    disk.unmount()
    shelf.look_through()
    shelf.confirm_missing()
    come_back(shelf)
    shelf.look_through()
    assert missing(shelf) == len(NAMES)
    disk.mount(shelf.path(""))
    shelf.look_through()
    assert (hashed(shelf), owed_reading(shelf), missing(shelf)) == (before, 0, 0)


def test_a_word_said_of_a_disk_is_not_taken_for_one_about_its_bare_mount_point(shelf: StepShelf, disk: Disk) -> None:
    """F26."""
    disk.mount(shelf.path(""))
    fill(shelf)
    shelf.confirm_missing()
    disk.unmount()
    (shelf.path("") / "stray.safetensors").write_bytes(builders.lora(9))
    shelf.look_through()
    assert is_offline(shelf)
    assert missing(shelf) == 0
    with pytest.raises(FolderOffline):
        come_back(shelf)


def test_what_lay_on_a_mount_inside_a_folder_is_not_judged_while_that_is_away(shelf: StepShelf, disk: Disk) -> None:
    """F27."""
    point = shelf.path("big")
    point.mkdir()
    disk.mount(point)
    fill(shelf, ("here.safetensors", "big/one.safetensors", "big/deep/two.safetensors"))
    before = hashed(shelf)
    disk.unmount()
    (point / "one.safetensors").write_bytes(builders.lora(7))
    page = NewTask(TaskKind.RENDER_PAGE, str(shelf.file("big/deep/two.safetensors").id))
    shelf.store.journal.add([page], shelf.clock.now())
    for path in ("big/one.safetensors", "big/deep", "big", ""):
        shelf.look_through(path=path)
        assert missing(shelf) == 0
    assert not is_offline(shelf)
    (lost,) = [each for each in shelf.store.grounds.all_mount_points() if each.lost_since is not None]
    (failure,) = shelf.store.failures.all()
    assert (lost.path, failure.path) == (b"big", b"big")
    assert "confirm-missing loras" in failure.reason
    (waiting,) = [task for task in shelf.store.journal.failures() if task.kind is TaskKind.RENDER_PAGE]
    assert "was a mount of its own" in str(waiting.last_error)
    assert not (point / "deep").exists()
    (point / "one.safetensors").unlink()
    disk.mount(point)
    shelf.look_through()
    assert hashed(shelf) == before
    assert shelf.store.failures.all() == []
    assert [len(shelf.events(name)) for name in ("mount_point_lost", "mount_point_came_back")] == [1, 1]
    shelf.path("big/one.safetensors").unlink()
    shelf.look_through()
    assert missing(shelf) == 1


def test_a_file_moved_off_a_mount_into_the_directory_itself_is_judged_like_any_other(
    shelf: StepShelf, disk: Disk
) -> None:
    """F27."""
    point = shelf.path("big")
    point.mkdir()
    disk.mount(point)
    fill(shelf, ("here.safetensors", "big/one.safetensors", "big/two.safetensors"))
    shutil.copytree(point, shelf.root / "copy")
    disk.unmount()
    shutil.copytree(shelf.root / "copy", point, dirs_exist_ok=True)
    (point / "two.safetensors").unlink()
    shelf.look_through()
    assert shelf.store.grounds.all_mount_points() == []
    assert shelf.file("big/one.safetensors").missing_since is None
    assert shelf.file("big/two.safetensors").missing_since is not None


def test_a_disk_that_is_not_mounted_at_the_start_is_waited_for(shelf: StepShelf, disk: Disk, tmp_path: Path) -> None:
    """F28."""
    point = shelf.path("")
    disk.mount(point)
    fill(shelf)
    before = hashed(shelf)
    shelf.close()
    disk.unmount()
    (point / "readme.txt").touch()
    later = StepShelf(tmp_path)
    try:
        settle_in(later)
        later.look_through()
        assert is_offline(later)
        assert missing(later) == 0
        (point / "readme.txt").unlink()
        disk.mount(point)
        come_back(later)
        later.look_through()
        assert (hashed(later), owed_reading(later), missing(later)) == (before, 0, 0)
    finally:
        later.close()


def test_a_killed_fuse_daemon_is_no_deletion(shelf: StepShelf, stack: ExitStack, tmp_path: Path) -> None:
    """F29."""
    (tmp_path / "branch").mkdir()
    pool = stack.enter_context(closing(Pool([tmp_path / "branch"])))
    pool.mount(shelf.path(""))
    fill(shelf)
    before = hashed(shelf)
    pool.kill()
    with pytest.raises(OSError, match="not connected"):
        os.listdir(shelf.path(""))
    for path in ("one.safetensors", "deep", ""):
        shelf.look_through(path=path)
    assert is_offline(shelf)
    assert "Transport endpoint" in str(shelf.store.folders.state("loras").offline_reason)
    pool.unmount()
    pool.mount(shelf.path(""))
    come_back(shelf)
    shelf.look_through()
    assert (hashed(shelf), owed_reading(shelf), missing(shelf)) == (before, 0, 0)


def test_a_killed_fuse_daemon_inside_a_folder_is_no_deletion(
    shelf: StepShelf, stack: ExitStack, tmp_path: Path
) -> None:
    """F29, F34."""
    (tmp_path / "branch").mkdir()
    shelf.path("pool").mkdir()
    pool = stack.enter_context(closing(Pool([tmp_path / "branch"])))
    pool.mount(shelf.path("pool"))
    fill(shelf, ("here.safetensors", "pool/one.safetensors", "pool/deep/two.safetensors"))
    pool.kill()
    for path in ("pool/one.safetensors", "pool/deep", ""):
        shelf.look_through(path=path)
    assert missing(shelf) == 0
    assert [each.path for each in shelf.store.failures.all()] == [b"pool"]


def test_files_that_vanish_with_a_branch_of_a_pool_are_held_back_until_they_return(
    shelf: StepShelf, stack: ExitStack, tmp_path: Path
) -> None:
    """F31."""
    branches = [tmp_path / "branch", tmp_path / "other"]
    disk = stack.enter_context(closing(Bound(tmp_path / "disk")))
    for branch in branches:
        branch.mkdir()
    disk.mount(branches[1])
    (branches[0] / "stays.safetensors").write_bytes(builders.lora(1000))
    for number in range(BRAKE_FILES + 1):
        (branches[1] / f"{number}.safetensors").write_bytes(builders.lora(number))
    pool = stack.enter_context(closing(Pool(branches)))
    pool.mount(shelf.path(""))
    settle_in(shelf)
    shelf.look_through()
    before = hashed(shelf)
    disk.unmount()
    paths = [shelf.path(f"{number}.safetensors") for number in range(BRAKE_FILES + 1)]
    wait_until(lambda: not any(path.exists() for path in paths))  # FUSE remembers names for a second
    assert shelf.path("stays.safetensors").exists()
    shelf.look_through()
    hold = shelf.store.holds.of("loras")
    assert hold is not None
    assert (hold.file_count, missing(shelf), is_offline(shelf)) == (BRAKE_FILES + 1, 0, False)
    disk.mount(branches[1])
    wait_until(lambda: all(path.exists() for path in paths))
    shelf.look_through()
    assert shelf.store.holds.of("loras") is None
    assert (hashed(shelf), missing(shelf), owed_reading(shelf)) == (before, 0, 0)


def test_inodes_that_change_with_a_remount_have_nothing_read_again(
    shelf: StepShelf, stack: ExitStack, tmp_path: Path
) -> None:
    """F32: as FUSE does it."""
    (tmp_path / "branch").mkdir()
    pool = stack.enter_context(closing(Pool([tmp_path / "branch"])))
    pool.mount(shelf.path(""))
    fill(shelf)
    before, inode = hashed(shelf), shelf.path("one.safetensors").stat().st_ino
    pool.unmount()
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / "branch" / name).touch()
    pool.mount(shelf.path(""))
    for name in ("c.txt", "b.txt", "a.txt", "two.safetensors"):
        shelf.path(name).stat()  # FUSE numbers files as they are asked for
    assert shelf.path("one.safetensors").stat().st_ino != inode
    settle_in(shelf)
    shelf.look_through()
    assert (hashed(shelf), owed_reading(shelf), missing(shelf)) == (before, 0, 0)


def test_a_shelf_copied_to_a_new_disk_is_not_read_again(shelf: StepShelf, stack: ExitStack, tmp_path: Path) -> None:
    """F32: another file system, with the same names, sizes and times."""
    old, new = (stack.enter_context(closing(Image(tmp_path / name))) for name in ("old", "new"))
    (tmp_path / "copy").mkdir()
    old.mount(shelf.path(""))
    fill(shelf)
    shelf.clock.advance(1)
    new.mount(tmp_path / "copy")
    for name in reversed(NAMES):
        (tmp_path / "copy" / name).parent.mkdir(exist_ok=True)
        shutil.copy2(shelf.path(name), tmp_path / "copy" / name)
    before, known = hashed(shelf), shelf.file("one.safetensors").fingerprint
    new.unmount()
    old.unmount()
    new.mount(shelf.path(""))
    settle_in(shelf)
    for _ in range(2):
        shelf.look_through()
        assert (hashed(shelf), owed_reading(shelf), missing(shelf)) == (before, 0, 0)
        assert shelf.file("one.safetensors").fingerprint != known
    shelf.put("one.safetensors", builders.lora(77))
    shelf.look_through()
    assert len(hashed(shelf)) == len(before) + 1


def test_a_mount_that_goes_between_look_and_record_leaves_nothing_missing(shelf: StepShelf, disk: Disk) -> None:
    """F33."""
    disk.mount(shelf.path(""))
    fill(shelf)
    shelf.path("one.safetensors").unlink()
    outcomes = shelf.perform(TaskKind.SCAN_FOLDER, "loras")
    disk.unmount()
    (again,) = [task for task in shelf.record(outcomes) if task.kind is TaskKind.SCAN_FOLDER]
    assert again.due_at is not None
    assert missing(shelf) == 0
    shelf.look_through()
    assert is_offline(shelf)
    disk.mount(shelf.path(""))
    come_back(shelf)
    shelf.look_through()
    assert missing(shelf) == 1


def test_a_mount_that_goes_in_the_middle_of_a_walk_makes_all_that_was_seen_worthless(
    shelf: StepShelf, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F33."""
    (shelf.path("") / "stray.safetensors").write_bytes(builders.lora(9))
    disk.mount(shelf.path(""))
    fill(shelf)

    def walk_and_lose(*given: Any, **named: Any) -> Any:
        for listing in walk(*given, **named):
            disk.unmount()
            yield listing

    monkeypatch.setattr(scan_folder, "walk", walk_and_lose)
    shelf.put("new.safetensors", builders.lora(8))
    shelf.look_through()
    assert missing(shelf) == 0
    assert shelf.store.files.at("loras", b"new.safetensors") is None
    assert is_offline(shelf)


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES, errno.ENOTCONN])
def test_a_directory_that_cannot_be_listed_is_not_judged(
    shelf: StepShelf, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """F34."""
    fill(shelf)
    real, lstat = os.scandir, os.lstat
    deep = os.fsencode(shelf.path("deep"))

    def refuse(path: bytes) -> Any:
        if path == deep:
            raise OSError(number, os.strerror(number))
        return real(path)

    def refuse_too(path: bytes) -> os.stat_result:
        if os.fsencode(path).startswith(deep + b"/"):
            raise OSError(number, os.strerror(number))
        return lstat(path)

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(os, "lstat", refuse_too)
    for path in ("", "deep", "deep/three.safetensors"):
        shelf.look_through(path=path)
    assert missing(shelf) == 0
    assert not is_offline(shelf)
    assert [each.path for each in shelf.store.failures.all()] == [b"deep"]
