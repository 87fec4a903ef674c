"""Making a file like the one that it replaces: owner, group, mode, ACL and what a person attached to it."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import WriteRefused

if TYPE_CHECKING:
    from pathlib import Path

_ACL = "system.posix_acl_access"
_USER_ATTRIBUTES = "user."
_NOT_PERMITTED = frozenset({errno.EPERM, errno.EACCES, errno.EINVAL, errno.EOPNOTSUPP})


def kept_attributes(path: Path | int) -> dict[str, bytes]:
    """Give the attributes of a file that outlast it: its ACL, and those in the `user.` namespace."""
    try:
        names = os.listxattr(path)
    except OSError as error:
        if error.errno in {errno.EOPNOTSUPP, errno.ENOSYS}:
            return {}
        raise
    return {name: os.getxattr(path, name) for name in names if name == _ACL or name.startswith(_USER_ATTRIBUTES)}


def take_after(descriptor: int, path: Path, status: os.stat_result, attributes: dict[str, bytes]) -> None:
    """Make an open file like the one at `path` with this stat and these attributes; WriteRefused where that is not permitted."""
    try:
        _take_owner(descriptor, status)
        _take_mode(descriptor, status)
        _take_attributes(descriptor, attributes)
    except OSError as error:
        if error.errno in _NOT_PERMITTED:
            raise _not_ours(path, status) from error
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
    inherited = kept_attributes(descriptor)
    for name in inherited.keys() - wanted.keys():
        os.removexattr(descriptor, name)
    for name, value in wanted.items():
        os.setxattr(descriptor, name, value)


def _not_ours(path: Path, old: os.stat_result) -> WriteRefused:
    return WriteRefused(
        f"{readable(path)} belongs to user {old.st_uid} and group {old.st_gid}, and modelshelf (user {os.geteuid()}) may not"
        " make a file like it: it was left alone; chown it, or add modelshelf to the group"
    )
