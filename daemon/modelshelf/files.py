"""The only door by which files leave: whole or not at all, never over somebody else's, and known before they appear.

A file is written under a temporary name in the directory where it will live, made durable, and renamed into place. A power
cut leaves the old file or the new one, at worst beside a `.<name>.modelshelf-<random>.tmp` that `remove_leftovers` takes away.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import FileChanged, FileUnreadable, WriteRefused, from_os_error
from modelshelf.renaming import rename_without_replacing, sync_directory, sync_now, syncs_put_off

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LEFTOVER_AGE_SECONDS = 3600.0
"""A temporary file older than this was left by a crash: no write takes so long."""

_KEPT_NAME_BYTES = 100  # with the rest below 143 bytes, the shortest limit on a name in use (eCryptfs)
_LEFTOVER = re.compile(rb"\..*\.modelshelf-[0-9a-f]{16}\.tmp", re.DOTALL)
_ACL = "system.posix_acl_access"
_USER_ATTRIBUTES = "user."
_ANY_WRITE_BIT = 0o222
_NOT_PERMITTED = frozenset({errno.EPERM, errno.EACCES, errno.EINVAL, errno.EOPNOTSUPP})


@dataclass(frozen=True, slots=True)
class _Old:
    """What stands at a path before it is replaced."""

    status: os.stat_result
    attributes: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a file is written: over what, over nothing but what, telling whom, and not beyond where."""

    old: _Old | None
    expected: os.stat_result | None
    on_ready: Callable[[os.stat_result], None] | None
    within: Path | None


def replace_file(
    path: Path,
    content: bytes,
    *,
    expected: os.stat_result | None = None,
    on_ready: Callable[[os.stat_result], None] | None = None,
    within: Path | None = None,
) -> os.stat_result:
    """Put `content` at `path`, over the regular file that may be there, and give the result's stat.

    The new file gets the old one's owner, group, mode, ACL and user attributes; where that is not permitted nothing is
    replaced. `on_ready` is called with the stat (size and mtime stay) before the file appears. Equal content: nothing is
    touched and `on_ready` is not called. WriteRefused: a symlink, a directory, a read-only file or one of another owner is
    in the way, or a directory on the way leads out of `within`. FileChanged: the file is not the `expected` one, or a file
    appeared meanwhile.
    """
    with _translated(path, "write"):
        old = _old(path)
        _demand_expected(path, old.status if old else None, expected)
        if old is None:
            return _written(path, content, _Manner(None, expected, on_ready, within))
        _demand_writable(path, old.status)
        if _holds(path, old.status, content):
            return old.status
        return _written(path, content, _Manner(old, expected or old.status, on_ready, within))


def create_file(
    path: Path,
    content: bytes,
    *,
    on_ready: Callable[[os.stat_result], None] | None = None,
    within: Path | None = None,
) -> os.stat_result:
    """Put `content` at `path` where nothing is; WriteRefused if anything is, even a dangling symlink."""
    with _translated(path, "write"):
        if os.path.lexists(path):
            raise _in_the_way(path)
        try:
            return _written(path, content, _Manner(None, None, on_ready, within))
        except FileChanged:
            raise _in_the_way(path) from None


def remove_file(path: Path, *, expected: os.stat_result, within: Path | None = None) -> None:
    """Remove a file of ours; FileChanged if it is not the `expected` one any more, WriteRefused if it lies not `within`."""
    with _translated(path, "remove"):
        directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _demand_within(directory, path, within)
            _demand_expected(path, os.lstat(path.name, dir_fd=directory), expected)
            os.unlink(path.name, dir_fd=directory)
        finally:
            os.close(directory)
        sync_directory(path.parent)


def read_limited(path: Path, max_bytes: int) -> tuple[bytes, os.stat_result]:
    """Give the bytes of a regular file and its stat; a pipe, a device or a file above `max_bytes` is FileUnreadable.

    FileChanged if it changed while it was read. A symlink is followed; nothing is opened that could block.
    """
    with _translated(path, "read"):
        _demand_regular(path, path.stat())
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with os.fdopen(descriptor, "rb") as opened:
            before = os.fstat(descriptor)
            _demand_regular(path, before)
            content = opened.read(max_bytes + 1)
            after = os.fstat(descriptor)
    if len(content) > max_bytes:
        raise FileUnreadable(f"{readable(path)} is larger than {max_bytes} bytes", errno=errno.EFBIG)
    if _identity(before) != _identity(after):
        raise FileChanged(f"{readable(path)} changed while it was read")
    return content, after


def move_without_replacing(source: Path, target: Path) -> None:
    """Move a file within its file system; WriteRefused if anything stands at `target`.

    A crash on a file system without RENAME_NOREPLACE may leave the file under both names, never under none.
    """
    with _translated(source, "move"):
        _demand_not_directory(source)
        try:
            rename_without_replacing(source, target)
        except FileExistsError:
            raise _in_the_way(target) from None
        sync_directory(target.parent)
        if source.parent != target.parent:
            sync_directory(source.parent)


def make_directory(path: Path) -> None:
    """Make a directory and those above it; one that is there is left as it is."""
    with _translated(path, "make"):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def directories_synced_once() -> Iterator[None]:
    """Make the directory entries of all that is written in here durable at its end, each directory once.

    Until then a power cut may undo what was put in place, but not tear it: so nothing of it may be recorded as done before.
    FileUnreadable if a directory cannot be synced; one that has gone takes along what was written there.
    """
    with syncs_put_off() as owed:
        try:
            yield
        finally:
            _sync_all(sorted(owed))


def _sync_all(directories: Iterable[Path]) -> None:
    for directory in directories:
        with _translated(directory, "sync"), suppress(FileNotFoundError, NotADirectoryError):
            sync_now(directory)


def is_leftover(name: bytes) -> bool:
    """Tell whether this is the name of a temporary file of ours."""
    return _LEFTOVER.fullmatch(name) is not None


def remove_leftovers(directory: Path, *, older_than_seconds: float = LEFTOVER_AGE_SECONDS) -> int:
    """Delete our own temporary files that a crash left in `directory`, and give how many; others' files are never touched."""
    oldest_kept = time.time() - older_than_seconds
    with _translated(directory, "list"), os.scandir(os.fsencode(directory)) as entries:
        stale = [each for each in entries if is_leftover(each.name) and _is_stale(each, oldest_kept)]
        return sum(_is_removed(Path(os.fsdecode(each.path))) for each in stale)


def _is_removed(path: Path) -> bool:
    with suppress(FileNotFoundError):
        path.unlink()
        return True
    return False


def _is_stale(entry: os.DirEntry[bytes], oldest_kept: float) -> bool:
    try:
        return entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < oldest_kept
    except FileNotFoundError:
        return False


@contextmanager
def _translated(path: Path, doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise from_os_error(error, os.fsencode(path), doing) from error


def _old(path: Path) -> _Old | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(status.st_mode):
        raise WriteRefused(f"{readable(path)} is a symbolic link: nothing is written through it or over it")
    if not stat.S_ISREG(status.st_mode):
        raise _in_the_way(path)
    return _Old(status, _kept_attributes(path))


def _kept_attributes(path: Path | int) -> dict[str, bytes]:
    try:
        names = os.listxattr(path)
    except OSError as error:
        if error.errno in {errno.EOPNOTSUPP, errno.ENOSYS}:
            return {}
        raise
    return {name: os.getxattr(path, name) for name in names if name == _ACL or name.startswith(_USER_ATTRIBUTES)}


def _in_the_way(path: Path) -> WriteRefused:
    return WriteRefused(f"something else is in the way at {readable(path)}: it was left alone; move it to make room")


def _demand_expected(path: Path, status: os.stat_result | None, expected: os.stat_result | None) -> None:
    if expected is not None and (status is None or _identity(status) != _identity(expected)):
        raise FileChanged(f"{readable(path)} changed since it was read: nothing was written")


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _demand_writable(path: Path, status: os.stat_result) -> None:
    if not status.st_mode & _ANY_WRITE_BIT:
        raise WriteRefused(
            f"{readable(path)} is read-only: it was left alone; chmod u+w lets modelshelf keep it up to date"
        )


def _demand_regular(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise FileUnreadable(f"{readable(path)} is not a regular file")


def _demand_not_directory(path: Path) -> None:
    if stat.S_ISDIR(path.lstat().st_mode):
        raise WriteRefused(f"{readable(path)} is a directory: only files are moved")


def _holds(path: Path, status: os.stat_result, content: bytes) -> bool:
    if status.st_size != len(content):
        return False
    try:
        return read_limited(path, len(content))[0] == content
    except FileUnreadable:
        return False  # budget: what cannot be read is not known to be equal, so it is replaced


def _written(path: Path, content: bytes, manner: _Manner) -> os.stat_result:
    temporary = path.with_name(temporary_name(path.name))
    mode = 0o600 if manner.old else 0o666
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        ready = _fill(descriptor, path, content, manner)
        if manner.on_ready is not None:
            manner.on_ready(ready)
        _put(temporary, path, manner.expected)
        sync_directory(path.parent)
        return path.lstat()
    finally:
        with suppress(OSError):
            temporary.unlink()


def temporary_name(name: str, token: str | None = None) -> str:
    """Give the name of a temporary file of ours for `name`; with the same `token`, 16 hexadecimal digits, the same again."""
    kept = os.fsencode(name)[:_KEPT_NAME_BYTES]
    with suppress(UnicodeDecodeError):
        os.fsencode(name).decode()
        kept = kept.decode(errors="ignore").encode()
    return f".{os.fsdecode(kept)}.modelshelf-{token or secrets.token_hex(8)}.tmp"


def _demand_within(descriptor: int, path: Path, within: Path | None) -> None:
    """Ask the kernel where an open file really lies: whatever is swapped on its way afterwards, its name is found no more."""
    if within is None:
        return
    found = str(Path(f"/proc/self/fd/{descriptor}").readlink())
    border = os.path.realpath(within)
    if found != border and not found.startswith(border.rstrip("/") + "/"):
        raise WriteRefused(
            f"{readable(path)} does not lie in {readable(within)}: a directory on its way leads to {readable(found)}"
        )


def _fill(descriptor: int, path: Path, content: bytes, manner: _Manner) -> os.stat_result:
    with os.fdopen(descriptor, "wb") as opened:
        _demand_within(descriptor, path, manner.within)
        opened.write(content)
        opened.flush()
        if manner.old is not None:
            _take_after(descriptor, path, manner.old)
        os.fsync(descriptor)
        return os.fstat(descriptor)


def _take_after(descriptor: int, path: Path, old: _Old) -> None:
    try:
        _take_owner(descriptor, old.status)
        _take_mode(descriptor, old.status)
        _take_attributes(descriptor, old.attributes)
    except OSError as error:
        if error.errno in _NOT_PERMITTED:
            raise _not_ours(path, old.status) from error
        raise


def _take_owner(descriptor: int, old: os.stat_result) -> None:
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        os.fchown(descriptor, old.st_uid, old.st_gid)


def _take_mode(descriptor: int, old: os.stat_result) -> None:
    mode = stat.S_IMODE(old.st_mode)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
        os.fchmod(descriptor, mode)


def _take_attributes(descriptor: int, wanted: dict[str, bytes]) -> None:
    inherited = _kept_attributes(descriptor)
    for name in inherited.keys() - wanted.keys():
        os.removexattr(descriptor, name)
    for name, value in wanted.items():
        os.setxattr(descriptor, name, value)


def _not_ours(path: Path, old: os.stat_result) -> WriteRefused:
    return WriteRefused(
        f"{readable(path)} belongs to user {old.st_uid} and group {old.st_gid}, and modelshelf (user {os.geteuid()}) may not"
        " make a file like it: it was left alone; chown it, or add modelshelf to the group"
    )


def _put(temporary: Path, path: Path, expected: os.stat_result | None) -> None:
    """Rename into place; without an `expected` file only where nothing is."""
    if expected is not None:
        old = _old(path)
        _demand_expected(path, old.status if old else None, expected)
        temporary.replace(path)
        return
    try:
        rename_without_replacing(temporary, path)
    except FileExistsError:
        raise FileChanged(f"{readable(path)} appeared meanwhile: nothing was written") from None
