"""Rules of the door by which files leave."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from modelshelf import files, renaming
from modelshelf.errors import DiskFull, FileChanged, FileGone, FileUnreadable, WriteRefused
from modelshelf.files import writing as files_writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def names_in(directory: Path) -> list[bytes]:
    return sorted(os.fsencode(each.name) for each in directory.iterdir())


def failing(number: int) -> Callable[..., Any]:
    def fail(*arguments: object, **named: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@contextmanager
def acting_as(user: int) -> Iterator[None]:
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)


def writing(path: Path) -> Callable[[os.stat_result], None]:
    def write(_: os.stat_result) -> None:
        path.write_bytes(b"theirs")

    return write


class Crash(BaseException):
    """Stands for the power cut in the middle of a write."""


# Replacing


def test_a_new_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    status = files.replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert status.st_size == 3
    assert names_in(tmp_path) == [b"foo.json"]


def test_a_new_file_gets_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        status = files.replace_file(tmp_path / "foo.json", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(status.st_mode) == 0o640


def test_a_file_is_replaced_with_its_mode_kept(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"old")
    path.chmod(0o604)
    files.replace_file(path, b"newer")
    assert path.read_bytes() == b"newer"
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


@needs_root
def test_a_replaced_file_keeps_its_owner_and_group(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"old")
    os.chown(path, NOBODY, 1234)
    files.replace_file(path, b"newer")
    assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, 1234)
    assert path.read_bytes() == b"newer"


@needs_root
def test_a_file_of_somebody_else_is_left_alone_and_reported() -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o777)
        path = Path(directory) / "foo.json"
        path.write_bytes(b"old")
        path.chmod(0o666)
        with acting_as(NOBODY), pytest.raises(WriteRefused, match=r"belongs to user 0 .* chown"):
            files.replace_file(path, b"newer")
        assert path.read_bytes() == b"old"
        assert names_in(Path(directory)) == [b"foo.json"]


@needs_root
def test_an_unreadable_file_of_somebody_else_is_left_alone_even_when_sizes_agree() -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o777)
        path = Path(directory) / "foo.json"
        path.write_bytes(b"old")
        path.chmod(0o600)
        with acting_as(NOBODY), pytest.raises(WriteRefused, match="belongs to user 0"):
            files.replace_file(path, b"new")
        assert path.read_bytes() == b"old"


def test_where_the_mode_cannot_be_kept_nothing_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"old")
    path.chmod(0o604)
    monkeypatch.setattr(os, "fchmod", failing(errno.EPERM))
    with pytest.raises(WriteRefused):
        files.replace_file(path, b"newer")
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == [b"foo.json"]


def test_a_failing_disk_is_no_question_of_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"old")
    path.chmod(0o604)
    monkeypatch.setattr(os, "fchmod", failing(errno.EIO))
    with pytest.raises(FileUnreadable):
        files.replace_file(path, b"newer")
    assert path.read_bytes() == b"old"


def test_a_replaced_file_keeps_its_user_attributes(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"old")
    try:
        os.setxattr(path, "user.tag", b"mine")
    except OSError:
        pytest.skip("no user attributes on this file system")
    files.replace_file(path, b"newer")
    assert os.getxattr(path, "user.tag") == b"mine"


def acl(*entries: tuple[int, int, int]) -> bytes:
    """Build a version 2 POSIX ACL of (tag, permissions, id) entries."""
    return b"\x02\0\0\0" + b"".join(
        tag.to_bytes(2, "little") + permissions.to_bytes(2, "little") + identity.to_bytes(4, "little")
        for tag, permissions, identity in entries
    )


NO_ID = 0xFFFFFFFF
SHARED = acl((1, 6, NO_ID), (2, 6, 1234), (4, 4, NO_ID), (16, 6, NO_ID), (32, 0, NO_ID))


def set_acl(path: Path, name: str) -> None:
    try:
        os.setxattr(path, name, SHARED)
    except OSError:
        pytest.skip("no ACLs on this file system")


def test_a_replaced_file_keeps_its_acl(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"old")
    set_acl(path, "system.posix_acl_access")
    files.replace_file(path, b"newer")
    assert os.getxattr(path, "system.posix_acl_access") == SHARED


def test_a_replaced_file_inherits_no_acl_that_it_had_not(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"old")
    path.chmod(0o640)
    set_acl(tmp_path, "system.posix_acl_default")
    files.replace_file(path, b"newer")
    assert "system.posix_acl_access" not in os.listxattr(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_attributes_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "listxattr", failing(number))
    files.replace_file(path, b"newer")
    assert path.read_bytes() == b"newer"


def test_attributes_that_cannot_be_read_are_no_licence_to_drop_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "listxattr", failing(errno.EIO))
    with pytest.raises(FileUnreadable):
        files.replace_file(path, b"newer")
    assert path.read_bytes() == b"old"


def test_equal_content_touches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"same")
    before = path.stat()
    calls: list[os.stat_result] = []
    status = files.replace_file(path, b"same", on_ready=calls.append)
    assert (status.st_ino, status.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert path.stat().st_ctime_ns == before.st_ctime_ns
    assert calls == []


def test_other_content_of_equal_length_is_written(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"same")
    files.replace_file(path, b"emas")
    assert path.read_bytes() == b"emas"


def test_the_stat_is_known_before_the_file_appears(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    known: list[tuple[int, int, bool]] = []

    def note(status: os.stat_result) -> None:
        known.append((status.st_size, status.st_mtime_ns, path.exists()))

    status = files.replace_file(path, b"new", on_ready=note)
    assert known == [(3, status.st_mtime_ns, False)]


@pytest.mark.parametrize("moment", ["on_ready", "rename"])
def test_a_crash_before_the_rename_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"old")

    def crash(*_: object) -> Any:
        raise Crash

    if moment == "rename":
        monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(Crash):
        files.replace_file(path, b"newer", on_ready=crash if moment == "on_ready" else None)
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == [b"foo.json"]


def test_a_killed_write_leaves_the_old_file_and_a_leftover_that_is_ours(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"old")
    child = os.fork()
    if not child:
        try:
            files.replace_file(path, b"newer", on_ready=lambda _: os._exit(9))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert path.read_bytes() == b"old"
    assert len(names_in(tmp_path)) == 2
    assert files.remove_leftovers(tmp_path, older_than_seconds=-60) == 1
    assert names_in(tmp_path) == [b"foo.json"]


def test_nothing_is_written_through_or_over_a_symlink(tmp_path: Path) -> None:
    target = tmp_path / "target.json"
    target.write_bytes(b"old")
    link = tmp_path / "foo.json"
    link.symlink_to(target)
    with pytest.raises(WriteRefused, match="symbolic link"):
        files.replace_file(link, b"newer")
    assert link.is_symlink()
    assert target.read_bytes() == b"old"


def test_a_directory_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "foo.json").mkdir()
    with pytest.raises(WriteRefused, match="in the way"):
        files.replace_file(tmp_path / "foo.json", b"new")


def test_a_pipe_in_the_way_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "foo.json")
    with pytest.raises(WriteRefused, match="in the way"):
        files.replace_file(tmp_path / "foo.json", b"new")


def test_a_read_only_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"old")
    path.chmod(0o444)
    with pytest.raises(WriteRefused, match="read-only"):
        files.replace_file(path, b"newer")
    assert path.read_bytes() == b"old"


def test_a_file_that_changed_since_it_was_read_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"read")
    expected = path.stat()
    path.write_bytes(b"edited meanwhile")
    with pytest.raises(FileChanged):
        files.replace_file(path, b"newer", expected=expected)
    assert path.read_bytes() == b"edited meanwhile"


def test_a_file_that_vanished_since_it_was_read_is_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"read")
    expected = path.stat()
    path.unlink()
    with pytest.raises(FileChanged):
        files.replace_file(path, b"newer", expected=expected)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("is_expected", [True, False])
def test_an_edit_during_the_write_wins(tmp_path: Path, *, is_expected: bool) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"read")
    expected = path.stat() if is_expected else None

    def edit(_: os.stat_result) -> None:
        path.write_bytes(b"edited meanwhile")

    with pytest.raises(FileChanged):
        files.replace_file(path, b"newer", expected=expected, on_ready=edit)
    assert path.read_bytes() == b"edited meanwhile"
    assert names_in(tmp_path) == [b"foo.json"]


def test_a_file_that_appears_during_the_write_wins(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    with pytest.raises(FileChanged):
        files.replace_file(path, b"new", on_ready=writing(path))
    assert path.read_bytes() == b"theirs"
    assert names_in(tmp_path) == [b"foo.json"]


def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(DiskFull):
        files.replace_file(path, b"newer")
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == [b"foo.json"]


def test_a_directory_that_is_gone_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FileGone):
        files.replace_file(tmp_path / "gone" / "foo.json", b"new")


@pytest.mark.parametrize(
    "name", [b"a" * 250 + b".json", b"\xff\xfe\n.json", "ä".encode() * 125 + b".json", b"[x]*?.json"]
)
def test_any_name_that_the_disk_takes_can_be_written(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    temporary: list[bytes] = []
    files.replace_file(path, b"new", on_ready=lambda _: temporary.extend(names_in(tmp_path)))
    assert names_in(tmp_path) == [name]
    assert len(temporary[0]) <= 143
    assert temporary[0].startswith(b"." + name[:4])
    assert temporary[0].endswith(b".tmp")


def test_a_temporary_name_is_cut_between_characters(tmp_path: Path) -> None:
    temporary: list[bytes] = []
    path = tmp_path / ("a" + "ä" * 120)
    files.replace_file(path, b"new", on_ready=lambda _: temporary.extend(names_in(tmp_path)))
    assert temporary[0].decode().startswith(".aä")


# Creating


def test_a_file_is_created_where_nothing_is(tmp_path: Path) -> None:
    calls: list[os.stat_result] = []
    status = files.create_file(tmp_path / "foo.json", b"new", on_ready=calls.append)
    assert (tmp_path / "foo.json").read_bytes() == b"new"
    assert [each.st_mtime_ns for each in calls] == [status.st_mtime_ns]


@pytest.mark.parametrize("content", [b"theirs", b"new"])
def test_a_created_file_never_takes_the_place_of_another(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(content)
    with pytest.raises(WriteRefused):
        files.create_file(path, b"new")
    assert path.read_bytes() == content


def test_a_created_file_never_takes_the_place_of_a_dangling_symlink(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(WriteRefused):
        files.create_file(path, b"new")
    assert path.is_symlink()


def test_a_file_that_appears_while_another_is_created_wins(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    with pytest.raises(WriteRefused):
        files.create_file(path, b"new", on_ready=writing(path))
    assert path.read_bytes() == b"theirs"


# File systems that cannot rename exclusively


class LibraryWithoutRename:
    """A C library from before renameat2."""

    def __init__(self, *arguments: object, **named: object) -> None:
        pass


@pytest.fixture(params=["link", "claim"])
def _poor_file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renaming, "_libc", LibraryWithoutRename)
    if request.param == "claim":
        monkeypatch.setattr(os, "link", failing(errno.EPERM))


@pytest.mark.usefixtures("_poor_file_system")
def test_poor_file_systems_get_their_files_too(tmp_path: Path) -> None:
    files.create_file(tmp_path / "foo.json", b"new")
    assert (tmp_path / "foo.json").read_bytes() == b"new"
    assert names_in(tmp_path) == [b"foo.json"]


@pytest.mark.usefixtures("_poor_file_system")
def test_nothing_is_overwritten_on_poor_file_systems(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"moving")
    target.write_bytes(b"theirs")
    with pytest.raises(WriteRefused):
        files.move_without_replacing(source, target)
    assert (source.read_bytes(), target.read_bytes()) == (b"moving", b"theirs")


@pytest.mark.usefixtures("_poor_file_system")
def test_a_failed_rename_leaves_no_placeholder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", failing(errno.EPERM))
    monkeypatch.setattr(Path, "replace", failing(errno.EIO))
    with pytest.raises(FileUnreadable):
        files.create_file(tmp_path / "foo.json", b"new")
    assert names_in(tmp_path) == []


# Reading


def test_a_file_is_read_with_its_stat(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"content")
    content, status = files.read_limited(path, 7)
    assert (content, status.st_ino) == (b"content", path.stat().st_ino)


def test_a_file_above_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"content")
    with pytest.raises(FileUnreadable, match="larger than 6 bytes") as raised:
        files.read_limited(path, 6)
    assert raised.value.errno == errno.EFBIG


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "foo.json")
    with pytest.raises(FileUnreadable, match="not a regular file"):
        files.read_limited(tmp_path / "foo.json", 10)


def test_a_device_is_not_read() -> None:
    with pytest.raises(FileUnreadable, match="not a regular file"):
        files.read_limited(Path("/dev/zero"), 10)


def test_a_file_that_is_not_there_is_gone(tmp_path: Path) -> None:
    with pytest.raises(FileGone):
        files.read_limited(tmp_path / "foo.json", 10)


def test_a_file_that_changes_while_it_is_read_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "foo.json"
    path.write_bytes(b"content")
    real = os.fstat
    calls: list[int] = []

    def growing(descriptor: int) -> os.stat_result:
        calls.append(descriptor)
        if len(calls) == 2:
            path.write_bytes(b"content and more")
        return real(descriptor)

    monkeypatch.setattr(os, "fstat", growing)
    with pytest.raises(FileChanged):
        files.read_limited(path, 7)


# Moving


def test_a_file_moves_to_another_directory(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    source, target = tmp_path / "a" / "foo", tmp_path / "b" / "bar"
    source.write_bytes(b"moving")
    files.move_without_replacing(source, target)
    assert target.read_bytes() == b"moving"
    assert not source.exists()


def test_a_file_is_renamed_in_its_directory(tmp_path: Path) -> None:
    source = tmp_path / "foo"
    source.write_bytes(b"moving")
    files.move_without_replacing(source, tmp_path / "bar")
    assert names_in(tmp_path) == [b"bar"]


def test_a_move_never_replaces_a_file(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"moving")
    target.write_bytes(b"theirs")
    with pytest.raises(WriteRefused, match="target"):
        files.move_without_replacing(source, target)
    assert (source.read_bytes(), target.read_bytes()) == (b"moving", b"theirs")


def test_a_move_onto_itself_loses_nothing(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"moving")
    with pytest.raises(WriteRefused):
        files.move_without_replacing(source, source)
    assert source.read_bytes() == b"moving"


def test_directories_are_not_moved(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(WriteRefused):
        files.move_without_replacing(tmp_path / "a", tmp_path / "b")


def test_a_move_across_file_systems_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"moving")
    monkeypatch.setattr(renaming, "_rename_exclusively", failing(errno.EXDEV))
    with pytest.raises(FileUnreadable) as raised:
        files.move_without_replacing(source, tmp_path / "target")
    assert raised.value.errno == errno.EXDEV
    assert source.read_bytes() == b"moving"


# Directories and leftovers


def test_a_directory_is_made_with_those_above_it(tmp_path: Path) -> None:
    files.make_directory(tmp_path / "a" / "b")
    files.make_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_file_where_a_directory_should_be_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(FileUnreadable):
        files.make_directory(tmp_path / "a")


def leave(directory: Path, name: str, *, age_seconds: float) -> Path:
    path = directory / name
    path.write_bytes(b"")
    then = path.stat().st_mtime - age_seconds
    os.utime(path, (then, then))
    return path


def test_only_our_own_stale_leftovers_are_removed(tmp_path: Path) -> None:
    ours = ".foo\n.json.modelshelf-0123456789abcdef.tmp"
    leave(tmp_path, ours, age_seconds=7200)
    kept = [
        leave(tmp_path, ".foo.modelshelf-aaaaaaaaaaaaaaaa.tmp", age_seconds=60),
        leave(tmp_path, ".foo.othertool-0123456789abcdef.tmp", age_seconds=7200),
        leave(tmp_path, "foo.modelshelf-0123456789abcdef.tmp", age_seconds=7200),
    ]
    (tmp_path / ".link.modelshelf-0123456789abcdef.tmp").symlink_to(tmp_path)
    assert files.remove_leftovers(tmp_path) == 1
    assert names_in(tmp_path) == sorted(
        [*(os.fsencode(each.name) for each in kept), b".link.modelshelf-0123456789abcdef.tmp"]
    )


def test_the_age_of_leftovers_can_be_chosen(tmp_path: Path) -> None:
    leave(tmp_path, ".foo.modelshelf-0123456789abcdef.tmp", age_seconds=60)
    assert files.remove_leftovers(tmp_path, older_than_seconds=30) == 1


def test_a_leftover_that_vanishes_meanwhile_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(tmp_path, ".foo.modelshelf-0123456789abcdef.tmp", age_seconds=7200)
    monkeypatch.setattr(Path, "unlink", failing(errno.ENOENT))
    assert files.remove_leftovers(tmp_path) == 0


def test_a_directory_that_vanished_has_no_leftovers_to_tell_of(tmp_path: Path) -> None:
    with pytest.raises(FileGone):
        files.remove_leftovers(tmp_path / "gone")


@needs_root
def test_a_directory_that_cannot_be_listed_can_still_be_written() -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o733)
        with acting_as(NOBODY):
            files.create_file(Path(directory) / "foo.json", b"new")
        assert (Path(directory) / "foo.json").read_bytes() == b"new"


@pytest.mark.parametrize(("number", "is_fine"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_only_a_file_system_that_cannot_sync_directories_is_excused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, *, is_fine: bool
) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    if is_fine:
        files.create_file(tmp_path / "foo.json", b"new")
    else:
        with pytest.raises(FileUnreadable):
            files.create_file(tmp_path / "foo.json", b"new")
    assert (tmp_path / "foo.json").read_bytes() == b"new"


def test_directories_written_to_together_are_synced_once_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(files_writing, "sync_now", synced.append)
    monkeypatch.setattr(renaming, "sync_now", synced.append)
    (tmp_path / "a").mkdir()
    (tmp_path / "gone").mkdir()
    with files.directories_synced_once():
        for name in ("a/1.json", "a/2.json", "b.json", "gone/3.json"):
            files.create_file(tmp_path / name, b"new")
        assert synced == []
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "gone"]
    files.create_file(tmp_path / "c.json", b"new")
    assert synced[3:] == [tmp_path]


def test_what_was_written_in_a_directory_that_has_gone_needs_no_sync_but_any_other_trouble_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    with files.directories_synced_once():
        files.create_file(tmp_path / "gone" / "1.json", b"new")
        shutil.rmtree(tmp_path / "gone")
    together = files.directories_synced_once()
    together.__enter__()
    files.create_file(tmp_path / "1.json", b"new")
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(FileUnreadable):
        together.__exit__(None, None, None)


def test_a_file_of_ours_is_removed_if_it_is_still_the_same(tmp_path: Path) -> None:
    path = tmp_path / "ours.json"
    path.write_bytes(b"{}")
    files.remove_file(path, expected=path.stat())
    assert not path.exists()


def test_a_file_that_changed_since_it_was_read_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "ours.json"
    path.write_bytes(b"{}")
    before = path.stat()
    path.write_bytes(b'{"mine": 1}')
    with pytest.raises(FileChanged):
        files.remove_file(path, expected=before)
    assert path.exists()


def test_removing_what_is_gone_says_so(tmp_path: Path) -> None:
    path = tmp_path / "ours.json"
    path.write_bytes(b"{}")
    before = path.stat()
    path.unlink()
    with pytest.raises(FileGone):
        files.remove_file(path, expected=before)
