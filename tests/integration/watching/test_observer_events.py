"""What a person does to files, as the kernel tells it."""

from __future__ import annotations

import os
import shutil
from functools import partial
from typing import TYPE_CHECKING

import pytest

from modelshelf.errors import FolderOffline
from modelshelf.watching.dirty import DirtyReach
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.watching.conftest import Heard

    Begin = Callable[[], Heard]

FILE, TREE = DirtyReach.FILE, DirtyReach.TREE


def outside(root: Path, name: str = "a.safetensors") -> Path:
    path = root.parent / name
    path.write_bytes(b"x" * 100_000)
    return path


def fence(heard: Heard) -> None:
    """Wait until everything done so far has been heard: events of one folder keep their order."""
    (heard.root / "fence.json").write_bytes(b"{}")
    wait_until(lambda: b"fence.json" in heard.paths)


def test_a_copied_file_is_heard(root: Path, watch: Begin) -> None:
    heard = watch()
    shutil.copy2(outside(root), root / "a.safetensors")
    wait_until(lambda: (b"a.safetensors", FILE) in heard.dirty)


def test_a_file_moved_in_is_heard_and_moved_out_again_too(root: Path, watch: Begin) -> None:
    heard = watch()
    outside(root).rename(root / "a.safetensors")
    wait_until(lambda: (b"a.safetensors", FILE) in heard.dirty)
    heard.forget()
    (root / "a.safetensors").rename(root.parent / "a.safetensors")
    wait_until(lambda: (b"a.safetensors", FILE) in heard.dirty)


def test_a_rename_is_heard_under_both_names(root: Path, watch: Begin) -> None:
    (root / "a.safetensors").touch()
    heard = watch()
    (root / "a.safetensors").rename(root / "b.safetensors")
    wait_until(lambda: heard.paths == {b"a.safetensors", b"b.safetensors"})


def test_a_download_is_heard_when_it_gets_its_name(root: Path, watch: Begin) -> None:
    heard = watch()
    part = root / "a.safetensors.part"
    part.write_bytes(b"x")
    fence(heard)
    assert heard.paths == {b"fence.json"}
    part.rename(root / "a.safetensors")
    wait_until(lambda: (b"a.safetensors", FILE) in heard.dirty)
    assert b"a.safetensors.part" not in heard.paths


def test_a_deleted_file_is_heard(root: Path, watch: Begin) -> None:
    (root / "a.safetensors").touch()
    heard = watch()
    (root / "a.safetensors").unlink()
    wait_until(lambda: (b"a.safetensors", FILE) in heard.dirty)


def test_files_in_new_nested_directories_are_heard_however_fast_they_come(root: Path, watch: Begin) -> None:
    heard = watch()
    expected = []
    for number in range(300):
        directory = root / f"d{number}" / "deep" / "er"
        directory.mkdir(parents=True)
        (directory / "a.safetensors").write_bytes(b"x")
        expected.append(b"d%d/deep/er/a.safetensors" % number)
    wait_until(lambda: all(heard.covers(path) for path in expected))
    fence(heard)
    heard.forget()
    (root / "d299" / "deep" / "er" / "b.safetensors").touch()
    wait_until(lambda: b"d299/deep/er/b.safetensors" in heard.paths)
    assert heard.observer.is_alive()
    assert heard.doubts == []


def test_a_directory_moved_in_is_heard_and_watched(root: Path, watch: Begin) -> None:
    heard = watch()
    (root.parent / "new" / "deep").mkdir(parents=True)
    (root.parent / "new" / "deep" / "a.safetensors").touch()
    (root.parent / "new").rename(root / "new")
    wait_until(lambda: (b"new", TREE) in heard.dirty)
    (root / "new" / "deep" / "b.safetensors").touch()
    wait_until(lambda: b"new/deep/b.safetensors" in heard.paths)


def test_a_renamed_directory_is_heard_and_watched_under_its_new_name(root: Path, watch: Begin) -> None:
    (root / "old" / "deep").mkdir(parents=True)
    heard = watch()
    (root / "old").rename(root / "new")
    wait_until(lambda: {(b"old", TREE), (b"new", TREE)} <= heard.dirty)
    (root / "new" / "deep" / "a.safetensors").touch()
    wait_until(lambda: b"new/deep/a.safetensors" in heard.paths)


def test_a_directory_moved_out_is_no_longer_heard(root: Path, watch: Begin) -> None:
    (root / "old" / "deep").mkdir(parents=True)
    heard = watch()
    before = heard.observer.watched_count
    (root / "old").rename(root.parent / "old")
    wait_until(lambda: (b"old", TREE) in heard.dirty)
    wait_until(lambda: heard.observer.watched_count == before - 2)
    heard.forget()
    (root.parent / "old" / "deep" / "a.safetensors").touch()
    fence(heard)
    assert heard.paths == {b"fence.json"}


def test_directories_that_leave_and_return_under_their_names_do_not_end_the_watch(root: Path, watch: Begin) -> None:
    (root / "a" / "b").mkdir(parents=True)
    heard = watch()
    for number in range(5):
        (root / "a").rename(root.parent / f"away{number}")
        (root / "a" / "b").mkdir(parents=True)
        wait_until(lambda: (b"a", TREE) in heard.dirty)
        shutil.rmtree(root / "a")
        shutil.rmtree(root.parent / f"away{number}")
        (root / "a" / "b").mkdir(parents=True)
        fence(heard)
        heard.forget()
    (root / "a" / "b" / "a.safetensors").touch()
    wait_until(lambda: heard.covers(b"a/b/a.safetensors"))
    assert heard.observer.is_alive()


def test_reading_hashing_and_listing_make_no_events(root: Path, watch: Begin) -> None:
    (root / "sub").mkdir()
    model = root / "sub" / "a.safetensors"
    model.write_bytes(b"x" * 100_000)
    heard = watch()
    for _ in range(50):
        model.read_bytes()
        os.listdir(root / "sub")
    fence(heard)
    assert heard.paths == {b"fence.json"}


def test_what_is_excluded_hidden_or_temporary_is_not_heard(root: Path, watch: Begin) -> None:
    (root / "trash").mkdir()
    heard = watch()
    watched = heard.observer.watched_count
    for name in ("trash/a.safetensors", ".hidden", "a.tmp", ".b.json.modelshelf-1.tmp"):
        (root / name).touch()
    (root / ".cache" / "deep").mkdir(parents=True)
    (root / ".cache" / "deep" / "a.safetensors").touch()
    fence(heard)
    assert heard.paths == {b"fence.json"}
    assert heard.observer.watched_count == watched == 1


def test_names_that_are_no_utf_8_or_hold_newlines_are_heard_as_bytes(root: Path, watch: Begin) -> None:
    heard = watch()
    for name in (b"caf\xe9.safetensors", b"two\nlines.safetensors"):
        os.close(os.open(os.fsencode(root) + b"/" + name, os.O_CREAT | os.O_WRONLY))
        wait_until(partial(heard.has, name))


def test_symbolic_links_to_directories_are_not_followed(root: Path, watch: Begin) -> None:
    (root / "loop").symlink_to(root)
    heard = watch()
    assert heard.observer.watched_count == 1


def test_a_folder_behind_a_link_is_watched_where_it_leads(root: Path, watch: Begin) -> None:
    root.rename(root.parent / "real")
    root.symlink_to("real")
    heard = watch()
    (root / "a.safetensors").touch()
    wait_until(lambda: (b"a.safetensors", FILE) in heard.dirty)


def test_a_removed_root_is_a_doubt_and_needs_a_new_observer(root: Path, watch: Begin) -> None:
    (root / "sub").mkdir()
    heard = watch()
    shutil.rmtree(root)
    wait_until(lambda: "the folder was removed" in heard.doubts)
    wait_until(lambda: not heard.observer.is_alive())
    with pytest.raises(FolderOffline):
        watch()
    heard.observer.stop()
    root.mkdir()
    again = watch()
    (root / "a.safetensors").touch()
    wait_until(lambda: (b"a.safetensors", FILE) in again.dirty)


def test_a_renamed_root_is_a_doubt(root: Path, watch: Begin) -> None:
    heard = watch()
    root.rename(root.parent / "elsewhere")
    wait_until(lambda: heard.doubts == ["the folder was moved or renamed"])
