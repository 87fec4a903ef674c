"""What lies in a directory."""

from __future__ import annotations

import errno
import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from modelshelf.domain.folder import Folder
from modelshelf.domain.model_file import Fingerprint
from modelshelf.errors import FileGone, FileUnreadable
from modelshelf.shelf import walk as walk_module
from modelshelf.shelf.intake import Intake
from modelshelf.shelf.mounts import MountView
from modelshelf.shelf.patience import Patience
from modelshelf.shelf.walk import Listing, list_directory, walk
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def intake(tmp_path: Path) -> Intake:
    return Intake(Folder("loras", tmp_path, None, ("*.safetensors",), ("trash",)))


def write(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def by_directory(listings: Iterator[Listing]) -> dict[bytes, Listing]:
    return {listing.directory: listing for listing in listings}


def test_models_companions_and_subdirectories_are_told_apart(tmp_path: Path, intake: Intake) -> None:
    model = write(tmp_path / "sub" / "a.safetensors", b"12345")
    note = write(tmp_path / "sub" / "a.json", b"{}")
    hidden = write(tmp_path / "sub" / ".b.safetensors", b"")
    write(tmp_path / "sub" / "deep" / "c.safetensors")
    listing = list_directory(tmp_path / "sub", intake, b"sub")
    assert listing.models == {b"sub/a.safetensors": Fingerprint.of(model.lstat())}
    assert listing.companions == {
        b"a.json": (2, note.stat().st_mtime_ns),
        b".b.safetensors": (0, hidden.stat().st_mtime_ns),
    }
    assert listing.names == {b"a.safetensors", b"a.json", b".b.safetensors"}
    assert listing.subdirectories == (b"sub/deep",)
    assert listing.problems == ()
    assert listing.error is None


def test_names_that_are_no_utf_8_or_hold_newlines_are_listed_as_they_are(tmp_path: Path, intake: Intake) -> None:
    for name in (b"caf\xe9.safetensors", b"two\nlines.safetensors"):
        write(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)))
    assert list(list_directory(tmp_path, intake, b"").models) == [b"caf\xe9.safetensors", b"two\nlines.safetensors"]


def test_excluded_and_hidden_directories_are_never_entered(tmp_path: Path, intake: Intake) -> None:
    for directory in ("trash", ".cache", "kept"):
        write(tmp_path / directory / "a.safetensors")
    assert list(by_directory(walk(tmp_path, intake))) == [b"", b"kept"]


def test_symbolic_links_are_not_followed_so_loops_end(tmp_path: Path, intake: Intake) -> None:
    write(tmp_path / "real" / "a.safetensors")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    (tmp_path / "b.safetensors").symlink_to(tmp_path / "real" / "a.safetensors")
    found = by_directory(walk(tmp_path, intake))
    assert list(found) == [b"", b"real"]
    assert found[b""].models == {}
    assert found[b""].names == frozenset()


def test_pipes_and_sockets_are_no_files(tmp_path: Path, intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.safetensors")
        listing = list_directory(tmp_path, intake, b"")
    assert (listing.models, listing.names, listing.companions) == ({}, frozenset(), {})


def test_a_walk_is_sorted_and_goes_parents_first(tmp_path: Path, intake: Intake) -> None:
    for name in ("b/z", "b/a", "a", "c"):
        write(tmp_path / name / "m.safetensors")
    assert [listing.directory for listing in walk(tmp_path, intake)] == [b"", b"a", b"b", b"b/a", b"b/z", b"c"]


def test_a_walk_may_start_below_and_may_stay_in_one_directory(tmp_path: Path, intake: Intake) -> None:
    write(tmp_path / "b" / "deep" / "m.safetensors")
    assert list(by_directory(walk(tmp_path, intake, b"b"))) == [b"b", b"b/deep"]
    assert list(by_directory(walk(tmp_path, intake, is_recursive=False))) == [b""]


def test_a_directory_that_is_gone_is_no_empty_one(tmp_path: Path, intake: Intake) -> None:
    with pytest.raises(FileGone):
        list_directory(tmp_path / "never", intake, b"never")
    (listing,) = walk(tmp_path, intake, b"never")
    assert isinstance(listing.error, FileGone)


def test_an_unreadable_directory_is_told_and_does_not_end_the_walk(
    tmp_path: Path, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / name / "m.safetensors")
    real_scandir = os.scandir

    def scandir(path: bytes) -> object:
        if path.endswith(b"/b"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real_scandir(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = by_directory(walk(tmp_path, intake))
    assert list(found) == [b"", b"a", b"b", b"c"]
    error = found[b"b"].error
    assert isinstance(error, FileUnreadable)
    assert error.errno == errno.EIO
    assert found[b"c"].models


class Entry:
    """A directory entry whose lstat fails, or shows something else than its type promised."""

    def __init__(self, name: bytes, answer: OSError | os.stat_result, length: int = 0) -> None:
        self.name = name
        self.path = b"/" * length + name
        self._answer = answer

    def is_dir(self, *, follow_symlinks: bool) -> bool:
        return False

    def is_file(self, *, follow_symlinks: bool) -> bool:
        return True

    def stat(self, *, follow_symlinks: bool) -> os.stat_result:
        if isinstance(self._answer, OSError):
            raise self._answer
        return self._answer


def listing_of(intake: Intake, entry: Entry) -> Listing:
    inventory = walk_module._Inventory(b"/models", intake, b"")
    inventory.add(cast("os.DirEntry[bytes]", entry))
    return inventory.listing()


def test_a_file_that_cannot_be_looked_at_is_a_problem_and_still_named(intake: Intake) -> None:
    listing = listing_of(intake, Entry(b"a.safetensors", OSError(errno.EACCES, "Permission denied")))
    (problem,) = listing.problems
    assert (problem.path, problem.errno, problem.reason) == (b"a.safetensors", errno.EACCES, "Permission denied")
    assert listing.names == {b"a.safetensors"}
    assert listing.models == {}


def test_where_files_cannot_be_looked_at_together_each_is_by_itself(
    tmp_path: Path, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.safetensors", "b.safetensors", "a.json"):
        write(tmp_path / name)
    together = list_directory(tmp_path, intake, b"")
    real_stat = os.stat

    def stat(path: object, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
        if path == b"b.safetensors":
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return real_stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", stat)
    one_by_one = list_directory(tmp_path, intake, b"")
    assert list(together.models) == [b"a.safetensors", b"b.safetensors"]
    assert one_by_one.models == together.models
    assert one_by_one.names == together.names == {b"a.safetensors", b"b.safetensors", b"a.json"}


def test_directories_and_links_named_as_models_are_none(tmp_path: Path, intake: Intake) -> None:
    (tmp_path / "d.safetensors").mkdir()
    (tmp_path / "l.safetensors").symlink_to(write(tmp_path / "m.safetensors"))
    listing = list_directory(tmp_path, intake, b"")
    assert list(listing.models) == [b"m.safetensors"]
    assert listing.subdirectories == (b"d.safetensors",)
    assert listing.names == {b"m.safetensors"}


def test_a_large_directory_is_read_in_parts(tmp_path: Path, intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk_module, "_AT_ONCE", 2)
    for number in range(5):
        write(tmp_path / f"{number}.safetensors")
    assert len(list_directory(tmp_path, intake, b"").models) == 5


def test_a_file_that_vanishes_while_it_is_listed_was_never_there(intake: Intake) -> None:
    listing = listing_of(intake, Entry(b"a.safetensors", FileNotFoundError(errno.ENOENT, "gone")))
    assert (listing.names, listing.problems) == (frozenset(), ())


def test_a_file_that_turned_into_something_else_is_left_out(tmp_path: Path, intake: Intake) -> None:
    assert listing_of(intake, Entry(b"a.safetensors", tmp_path.stat())).names == frozenset()


@pytest.mark.parametrize(("name", "length"), [(b"n" * 256, 0), (b"a.safetensors", 4096)])
def test_what_is_too_long_is_a_problem(intake: Intake, tmp_path: Path, name: bytes, length: int) -> None:
    listing = listing_of(intake, Entry(name, tmp_path.stat(), length))
    (problem,) = listing.problems
    assert problem.reason.startswith("too long")
    assert listing.names == frozenset()


def test_a_directory_whose_path_is_too_long_is_a_problem_and_not_entered(tmp_path: Path, intake: Intake) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    length = len(os.fsencode(tmp_path))
    try:
        while length <= walk_module.MAX_PATH_BYTES:
            os.mkdir("d" * 250, dir_fd=here)
            below = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here, length = below, length + 251
    finally:
        os.close(here)
    *_, last = walk(tmp_path, intake)
    assert last.subdirectories == ()
    assert last.problems[0].reason.startswith("too long")
    assert last.error is None


def test_a_mount_inside_that_does_not_answer_is_passed_over(
    tmp_path: Path, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a" / "one.safetensors")
    write(tmp_path / "dead" / "deeper" / "two.safetensors")
    monkeypatch.setattr(walk_module, "mounts_around", lambda _: MountView(below=frozenset({b"dead"})))
    answers = threading.Event()
    monkeypatch.setattr(walk_module, "await_answer", lambda _: answers.wait())
    monkeypatch.setattr(walk_module, "_INNER_MOUNTS", Patience(0.05))
    found = by_directory(walk(tmp_path, intake))
    assert set(found) == {b"", b"a", b"dead"}
    assert "did not answer" in str(found[b"dead"].error)
    assert list(found[b"a"].models) == [b"a/one.safetensors"]
    answers.set()
    wait_until(lambda: b"dead/deeper" in by_directory(walk(tmp_path, intake)))
