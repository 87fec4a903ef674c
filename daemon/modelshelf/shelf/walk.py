"""What lies in a directory: one scandir and one lstat per file, nothing opened, no symbolic link followed."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.model_file import Fingerprint, Stamp
from modelshelf.errors import ModelshelfError, from_os_error
from modelshelf.shelf.mounts import mounts_around
from modelshelf.shelf.patience import Patience, await_answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from modelshelf.shelf.intake import Intake

MAX_NAME_BYTES = 255
"""NAME_MAX of Linux; some FUSE file systems list longer ones, which no other tool can write beside."""

MAX_PATH_BYTES = 4095
"""PATH_MAX of Linux without its closing zero: every call on a longer path fails."""

_AT_ONCE = 1000
"""So many entries of a directory are held at once: some hold a million."""

_INNER_MOUNTS = Patience()
"""One for all walks: a mount that is dead costs one thread, however often its folder is walked."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An entry that could not be looked at: neither there nor gone. `path` is relative to the folder."""

    path: bytes
    reason: str
    errno: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """One directory as it was seen. `stamps` are its model files, in no order; `subdirectories` are sorted paths in the folder.

    `companions` holds size and mtime_ns, by name, of every regular file that is no model; `unread` are the names of those that
    could not be looked at. With `error` set nothing was seen, which says nothing about what is there.
    """

    directory: bytes
    stamps: Sequence[Stamp] = ()
    companions: Mapping[bytes, tuple[int, int]] = field(default_factory=dict)
    unread: tuple[bytes, ...] = ()
    subdirectories: tuple[bytes, ...] = ()
    problems: tuple[Problem, ...] = ()
    error: ModelshelfError | None = None

    @property
    def models(self) -> dict[bytes, Fingerprint]:
        """The model files by their paths in the folder, sorted."""
        return {os.path.join(self.directory, name): Fingerprint(*rest) for name, *rest in sorted(self.stamps)}

    @property
    def names(self) -> frozenset[bytes]:
        """The names of every regular file."""
        return frozenset((*(stamp[0] for stamp in self.stamps), *self.companions, *self.unread))


def walk(root: Path, intake: Intake, start: bytes = b"", *, is_recursive: bool = True) -> Iterator[Listing]:
    """Give a Listing of `start` and of every directory below it, parents first, in the order of their names.

    A directory that cannot be listed comes with its `error` and never ends the walk; so does a mount inside the folder that
    does not answer. Held in memory are only the directories still to be visited.
    """
    mounts = mounts_around(os.path.realpath(os.fsencode(root))).below
    pending = [start]
    while pending:
        relative = pending.pop()
        listing = _listing_or_error(root, intake, relative, is_mount=relative in mounts)
        yield listing
        if is_recursive:
            pending.extend(reversed(listing.subdirectories))


def list_directory(directory: Path, intake: Intake, relative: bytes) -> Listing:
    """List one directory, whose path within the folder is `relative`; raise FileGone or FileUnreadable if that fails."""
    inventory = _Inventory(os.fsencode(directory), intake, relative)
    try:
        with os.scandir(inventory.absolute) as entries, _opened(inventory.absolute) as descriptor:
            while some := list(islice(entries, _AT_ONCE)):
                inventory.add_all(some, descriptor)
    except OSError as error:
        raise from_os_error(error, inventory.absolute, "list") from error
    return inventory.listing()


@contextmanager
def _opened(directory: bytes) -> Iterator[int]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _listing_or_error(root: Path, intake: Intake, relative: bytes, *, is_mount: bool) -> Listing:
    directory = root / os.fsdecode(relative)
    try:
        if is_mount:
            _INNER_MOUNTS.ask(readable(directory), partial(await_answer, directory))
        return list_directory(directory, intake, relative)
    except ModelshelfError as error:
        return Listing(relative, error=error)


class _Inventory:
    """A Listing in the making."""

    def __init__(self, absolute: bytes, intake: Intake, relative: bytes) -> None:
        self.absolute = absolute
        self._intake = intake
        self._relative = relative
        self._choose = intake.chooser(relative)
        self._stamps: list[Stamp] = []
        self._companions: dict[bytes, tuple[int, int]] = {}
        self._unread: list[bytes] = []
        self._subdirectories: list[bytes] = []
        self._problems: list[Problem] = []

    def add_all(self, entries: Sequence[os.DirEntry[bytes]], descriptor: int) -> None:
        """Sort these in: the model files as a whole, which is twice as fast, what is left one by one."""
        stamps = self._stamps_of([entry.name for entry in entries], descriptor)
        self._stamps += stamps
        if len(stamps) < len(entries):
            taken = {stamp[0] for stamp in stamps}
            for entry in entries:
                if entry.name not in taken:
                    self.add(entry)

    def _stamps_of(self, names: list[bytes], descriptor: int) -> list[Stamp]:
        """Look at every model file by its name in the open directory; none where that fails for one of them."""
        longest = max(map(len, names))
        if longest > MAX_NAME_BYTES or len(self.absolute) + 1 + longest > MAX_PATH_BYTES:
            return []
        try:
            return [
                (name, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
                for name in self._choose(names)
                if stat.S_ISREG((status := os.stat(name, dir_fd=descriptor, follow_symlinks=False)).st_mode)
            ]
        except OSError:
            return []  # budget: each is asked for by itself, and the one that it is says why

    def add(self, entry: os.DirEntry[bytes]) -> None:
        """Sort one entry in; what is neither a regular file nor a directory is not even named."""
        try:
            if entry.is_file(follow_symlinks=False):
                self._add_file(entry)
            elif entry.is_dir(follow_symlinks=False):
                self._add_directory(entry)
        except FileNotFoundError:
            pass
        except OSError as error:
            self._unread.append(entry.name)
            self._problems.append(Problem(self._path(entry), error.strerror or str(error), error.errno))

    def _add_directory(self, entry: os.DirEntry[bytes]) -> None:
        path = self._path(entry)
        if not self._intake.is_excluded_directory(path) and not self._is_too_long(entry):
            self._subdirectories.append(path)

    def _add_file(self, entry: os.DirEntry[bytes]) -> None:
        if self._is_too_long(entry):
            return
        status, name = entry.stat(follow_symlinks=False), entry.name
        if not stat.S_ISREG(status.st_mode):
            return
        if self._choose([name]):
            self._stamps.append((name, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))
        else:
            self._companions[name] = (status.st_size, status.st_mtime_ns)

    def _is_too_long(self, entry: os.DirEntry[bytes]) -> bool:
        if len(entry.path) <= MAX_NAME_BYTES or (
            len(entry.name) <= MAX_NAME_BYTES and len(entry.path) <= MAX_PATH_BYTES
        ):
            return False
        reason = f"too long: {len(entry.name)} bytes of name, {len(entry.path)} of path"
        self._problems.append(Problem(self._path(entry), reason))
        return True

    def _path(self, entry: os.DirEntry[bytes]) -> bytes:
        return os.path.join(self._relative, entry.name)

    def listing(self) -> Listing:
        """Give what was gathered."""
        return Listing(
            self._relative,
            self._stamps,
            self._companions,
            tuple(self._unread),
            tuple(sorted(self._subdirectories)),
            tuple(self._problems),
        )
