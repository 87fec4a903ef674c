"""Every change of a sample is found again by the next scan, on each file system: by one over all, and by an event's look."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.model_file import ScanPhase
from modelshelf.shelf.devices import device_of
from tests import builders
from tests.unit.steps.step_shelf import StepShelf
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modelshelf.domain.model_file import ModelFile

OLD, NEW, LONGER = builders.lora(1), builders.lora(2), builders.lora(3, padding_bytes=5000)
assert len(OLD) == len(NEW)
NAME, OTHER, CASE = "sub/model.safetensors", "other/model.safetensors", "sub/MODEL.safetensors"


@pytest.fixture(params=["here", "tmpfs", "fat"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StepShelf]:
    """Give a shelf on one of the file systems, with two files that were read; it knows what it stands on."""
    with _room(request.param, tmp_path) as root:
        shelf = StepShelf(root)
        place = shelf.places["loras"]
        shelf.places["loras"] = replace(place, traits=device_of(place.root))
        shelf.put(NAME, OLD, age_seconds=100_000)
        shelf.put("stays.safetensors", builders.lora(9), age_seconds=100_000)
        try:
            shelf.read(NAME)
            shelf.read("stays.safetensors")
            yield shelf
        finally:
            shelf.close()


@contextmanager
def _room(kind: str, tmp_path: Path) -> Iterator[Path]:
    if kind == "here":
        yield tmp_path
    elif kind == "tmpfs":
        if not Path("/dev/shm").is_dir():
            pytest.skip("no /dev/shm: no tmpfs to look at")
        with tempfile.TemporaryDirectory(prefix="modelshelf-", dir="/dev/shm") as directory:
            yield Path(directory)
    else:
        with _fat(tmp_path) as root:
            yield root


@contextmanager
def _fat(tmp_path: Path) -> Iterator[Path]:
    """Mount a FAT of 16 MB; the state, whose database needs locks and links, lies outside."""
    if shutil.which("fusefat") is None or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("no fusefat or no /dev/fuse: no FAT to look at")
    image, root = tmp_path / "fat.img", tmp_path / "root"
    root.mkdir()
    (root / "loras").mkdir()
    with image.open("wb") as file:
        file.truncate(16 * 1024 * 1024)
    subprocess.run(["mkfs.vfat", image], check=True, stdout=subprocess.DEVNULL)
    mounted = root / "loras"
    subprocess.run(["fusefat", "-o", "rw+", image, mounted], check=True, stdout=subprocess.DEVNULL)
    wait_until(lambda: os.path.ismount(mounted))
    try:
        yield root
    finally:
        subprocess.run(["umount", mounted], check=True)


@dataclass(frozen=True)
class Change:
    """Something that happens to a sample, the paths that events name after it, and what a scan then makes of each file.

    `same`: known, and nothing is to be read. `again`: known, and to be read. `moved`: known with all that was read. `new`.
    """

    name: str
    make: Callable[[Path], object]
    events: tuple[str, ...]
    found: dict[str, str]


def overwrite(path: Path) -> None:
    """Write in place; fusefat leaves the time to us, which other drivers of FAT do not."""
    with path.open("r+b") as file:
        file.write(NEW)
    os.utime(path)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def replace_with(path: Path, content: bytes) -> None:
    path.with_name("x.tmp").write_bytes(content)
    path.with_name("x.tmp").replace(path)


def keep_times(path: Path, make: Callable[[Path], object]) -> None:
    before = path.stat()
    make(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def move(root: Path, to: str) -> None:
    (root / to).parent.mkdir(exist_ok=True)
    (root / NAME).rename(root / to)


CHANGES = [
    Change("nothing", lambda _: None, (NAME,), {NAME: "same"}),
    Change("create", lambda root: (root / "sub/b.pt").write_bytes(NEW), ("sub/b.pt",), {NAME: "same", "sub/b.pt": "new"}),
    Change("delete", lambda root: (root / NAME).unlink(), (NAME,), {}),
    Change("overwrite in place", lambda root: overwrite(root / NAME), (NAME,), {NAME: "again"}),
    Change("append", lambda root: append(root / NAME), (NAME,), {NAME: "again"}),
    Change("replace", lambda root: replace_with(root / NAME, LONGER), (NAME,), {NAME: "again"}),
    Change("replace by one as long", lambda root: replace_with(root / NAME, NEW), (NAME,), {NAME: "again"}),
    Change("rename", lambda root: move(root, "sub/b.safetensors"), (NAME, "sub/b.safetensors"), {"sub/b.safetensors": "moved"}),
    Change("move", lambda root: move(root, OTHER), (OTHER, NAME), {OTHER: "moved"}),
    Change("rename its directory", lambda root: (root / "sub").rename(root / "other"), ("sub", "other"), {OTHER: "moved"}),
    Change("other case", lambda root: move(root, CASE), (NAME, CASE), {CASE: "moved"}),
]  # fmt: skip

UNIX_CHANGES = [
    Change("chmod", lambda root: (root / NAME).chmod(0o600), (), {NAME: "same"}),
    Change(
        "hard link",
        lambda root: (root / "sub/b.pt").hardlink_to(root / NAME),
        ("sub/b.pt",),
        {NAME: "same", "sub/b.pt": "new"},
    ),
    Change("edit, times restored", lambda root: keep_times(root / NAME, overwrite), (NAME,), {NAME: "again"}),
    Change(
        "replace, times restored",
        lambda root: keep_times(root / NAME, lambda path: replace_with(path, NEW)),
        (NAME,),
        {NAME: "again"},
    ),
    Change(
        "replace by a copy with its times",
        lambda root: keep_times(root / NAME, lambda path: replace_with(path, OLD)),
        (),
        {NAME: "same"},
    ),
]


def look_at_all(shelf: StepShelf, _: Change) -> None:
    shelf.scan()


def look_where_events_tell(shelf: StepShelf, change: Change) -> None:
    for path in change.events:
        shelf.scan(path)


def found(shelf: StepShelf, known: ModelFile) -> dict[str, str]:
    files = [
        file
        for directory in shelf.store.files.directories_below("loras", b"")
        for file in shelf.store.files.in_directory("loras", directory).values()
        if file.missing_since is None and file.path != b"stays.safetensors"
    ]
    return {os.fsdecode(file.path): _told(file, known) for file in files}


def _told(file: ModelFile, known: ModelFile) -> str:
    if file.id != known.id:
        return "new"
    if file.scan_phase is ScanPhase.INDEXED:
        return "again"
    return "same" if file.path == known.path else "moved"


def expected(shelf: StepShelf, change: Change) -> dict[str, str]:
    """Where inodes are made up anew for every name, a file that was moved is new, and known again once it is hashed."""
    if shelf.places["loras"].traits.is_honest:
        return change.found
    return {path: "new" if what == "moved" else what for path, what in change.found.items()}


@pytest.mark.parametrize("strategy", [look_at_all, look_where_events_tell])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_every_change_is_found(
    shelf: StepShelf, change: Change, strategy: Callable[[StepShelf, Change], None], request: pytest.FixtureRequest
) -> None:
    if "fat" in request.node.name and change.name == "rename its directory":
        return  # fusefat itself no longer finds what lies in a renamed directory
    known = shelf.file(NAME)
    change.make(shelf.path(""))
    strategy(shelf, change)
    assert found(shelf, known) == expected(shelf, change)
    shelf.scan()
    assert found(shelf, known) == expected(shelf, change)


@pytest.mark.parametrize("shelf", ["here", "tmpfs"], indirect=True)
@pytest.mark.parametrize("strategy", [look_at_all, look_where_events_tell])
@pytest.mark.parametrize("change", UNIX_CHANGES, ids=lambda change: change.name)
def test_inode_and_ctime_tell_what_size_and_mtime_do_not(
    shelf: StepShelf, change: Change, strategy: Callable[[StepShelf, Change], None]
) -> None:
    known = shelf.file(NAME)
    change.make(shelf.path(""))
    strategy(shelf, change)
    shelf.scan()
    assert found(shelf, known) == change.found
    if change.found[NAME] == "same":
        assert shelf.file(NAME).content_id == known.content_id
        assert next(each.file_id for each in shelf.store.verifications.oldest(["loras"], shelf.clock.now())) == known.id


@pytest.mark.parametrize("shelf", ["fat"], indirect=True)
def test_on_fat_nothing_but_a_verification_finds_an_edit_that_restored_the_time(shelf: StepShelf) -> None:
    known = shelf.file(NAME)
    keep_times(shelf.path(NAME), overwrite)
    shelf.scan()
    assert found(shelf, known) == {NAME: "same"}
    assert [each.file_id for each in shelf.store.verifications.within("loras", os.fsencode(NAME))] == [known.id]
