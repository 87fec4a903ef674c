"""What lies in a directory: one scandir and one lstat per file, nothing opened, no symbolic link followed."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.model_file import Fingerprint
from modelshelf.errors import ModelshelfError, from_os_error
from modelshelf.shelf.mounts import mounts_around
from modelshelf.shelf.patience import Patience, await_answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from modelshelf.shelf.intake import Intake

MAX_NAME_BYTES = 255
"""NAME_MAX of Linux; some FUSE file systems list longer ones, which no other tool can write beside."""

MAX_PATH_BYTES = 4095
"""PATH_MAX of Linux without its closing zero: every call on a longer path fails."""

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
    """One directory as it was seen. Keys of `models` and `subdirectories` are relative to the folder, sorted.

    `companions` holds size and mtime_ns, by name, of every regular file that is no model; `names` holds every regular
    file. With `error` set nothing was seen, which says nothing about what is there.
    """

    directory: bytes
    models: Mapping[bytes, Fingerprint] = field(default_factory=dict)
    names: frozenset[bytes] = frozenset()
    companions: Mapping[bytes, tuple[int, int]] = field(default_factory=dict)
    subdirectories: tuple[bytes, ...] = ()
    problems: tuple[Problem, ...] = ()
    error: ModelshelfError | None = None


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
        with os.scandir(inventory.absolute) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                inventory.add(entry)
    except OSError as error:
        raise from_os_error(error, inventory.absolute, "list") from error
    return inventory.listing()


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
        self._models: dict[bytes, Fingerprint] = {}
        self._names: list[bytes] = []
        self._companions: dict[bytes, tuple[int, int]] = {}
        self._subdirectories: list[bytes] = []
        self._problems: list[Problem] = []

    def add(self, entry: os.DirEntry[bytes]) -> None:
        """Sort one entry in; what is neither a regular file nor a directory is not even named."""
        path = os.path.join(self._relative, entry.name)
        try:
            if entry.is_dir(follow_symlinks=False):
                self._add_directory(path, entry)
            elif entry.is_file(follow_symlinks=False):
                self._add_file(path, entry)
        except FileNotFoundError:
            pass
        except OSError as error:
            self._names.append(entry.name)
            self._problems.append(Problem(path, error.strerror or str(error), error.errno))

    def _add_directory(self, path: bytes, entry: os.DirEntry[bytes]) -> None:
        if self._intake.is_excluded_directory(path):
            return
        if not self._is_too_long(path, entry):
            self._subdirectories.append(path)

    def _add_file(self, path: bytes, entry: os.DirEntry[bytes]) -> None:
        if self._is_too_long(path, entry):
            return
        status = entry.stat(follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            return
        self._names.append(entry.name)
        if self._intake.is_model_name(path):
            self._models[path] = Fingerprint.of(status)
        else:
            self._companions[entry.name] = (status.st_size, status.st_mtime_ns)

    def _is_too_long(self, path: bytes, entry: os.DirEntry[bytes]) -> bool:
        if len(entry.name) <= MAX_NAME_BYTES and len(entry.path) <= MAX_PATH_BYTES:
            return False
        self._problems.append(Problem(path, f"too long: {len(entry.name)} bytes of name, {len(entry.path)} of path"))
        return True

    def listing(self) -> Listing:
        """Give what was gathered."""
        return Listing(
            self._relative,
            self._models,
            frozenset(self._names),
            self._companions,
            tuple(self._subdirectories),
            tuple(self._problems),
        )
