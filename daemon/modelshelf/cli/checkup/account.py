"""Whose files a daemon may read and write: the user that it runs as, judged by the permission bits."""

from __future__ import annotations

import errno
import os
import pwd
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_ACCESS_LIST = "system.posix_acl_access"


@dataclass(frozen=True, slots=True)
class Account:
    """A user with its groups."""

    uid: int
    gids: frozenset[int]

    @property
    def name(self) -> str:
        """The user's name, or its number where it has none."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"#{self.uid}"

    def may(self, path: Path, mode: int) -> bool | None:
        """Tell whether it may do to `path` what `mode` says (`os.R_OK | ...`), None where that cannot be told.

        For ourselves the kernel is asked. For another user the bits tell it, but not where the path has an access list.
        Raises OSError where the path cannot be looked at.
        """
        if self.uid == os.geteuid():
            os.stat(path)
            return os.access(path, mode, effective_ids=True)
        status = os.stat(path)
        if self.uid == 0:
            return True
        if _has_access_list(path):
            return None
        return mode & ~self._granted(status) == 0

    def barrier(self, path: Path) -> Path | None:
        """Give the topmost directory above `path` that it may not pass through, None where there is none to be seen."""
        for above in reversed(path.parents):
            try:
                is_open = self.may(above, os.X_OK)
            except OSError:
                return None  # closed to us as well, or gone
            if is_open is False:
                return above
        return None

    def _granted(self, status: os.stat_result) -> int:
        if status.st_uid == self.uid:
            return stat.S_IMODE(status.st_mode) >> 6 & 7
        return stat.S_IMODE(status.st_mode) >> (3 if status.st_gid in self.gids else 0) & 7


def account_of(pid: int | None, state_directory: Path | None, proc: Path) -> Account | None:
    """Give the user of a running daemon; of one that is stopped the owner of its state. None where neither can be told."""
    if pid:
        found = _of_process(proc / str(pid) / "status")
        if found is not None:
            return found
    try:
        uid = os.stat(state_directory).st_uid if state_directory is not None else None
    except OSError:
        uid = None
    return None if uid is None else _of_user(uid)


def _of_process(status: Path) -> Account | None:
    try:
        fields = dict(line.split(":", 1) for line in status.read_text(errors="replace").splitlines() if ":" in line)
        uid, gid = int(fields["Uid"].split()[1]), int(fields["Gid"].split()[1])
        return Account(uid, frozenset({gid, *map(int, fields["Groups"].split())}))
    except (OSError, KeyError, ValueError, IndexError):
        return None


def _of_user(uid: int) -> Account:
    if uid == os.geteuid():
        return Account(uid, frozenset({os.getegid(), *os.getgroups()}))
    gids: set[int] = set()
    with suppress(KeyError, OSError):
        entry = pwd.getpwuid(uid)
        gids = {*os.getgrouplist(entry.pw_name, entry.pw_gid)}
    return Account(uid, frozenset(gids))


def _has_access_list(path: Path) -> bool:
    try:
        os.getxattr(path, _ACCESS_LIST)
    except OSError as error:
        return error.errno not in {errno.ENODATA, errno.ENOTSUP, errno.ENOSYS}
    return True
