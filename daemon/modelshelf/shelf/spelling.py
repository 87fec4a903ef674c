"""How a name is really spelled: where letter case or Unicode form do not count, a path answers to names nobody gave it."""

from __future__ import annotations

import os
import unicodedata

from modelshelf.errors import FileGone, from_os_error


def is_spelled(root: bytes, path: bytes) -> bool:
    """Tell whether `path`, relative to `root`, is listed byte by byte as given; raises FileUnreadable where none can tell."""
    directory = root
    for name in path.split(b"/"):
        try:
            with os.scandir(directory) as entries:
                is_listed = any(entry.name == name for entry in entries)
        except OSError as error:
            failure = from_os_error(error, directory, "list")
            if isinstance(failure, FileGone):
                return False
            raise failure from error
        if not is_listed:
            return False
        directory = os.path.join(directory, name)
    return True


def is_misspelled(root: bytes, path: bytes) -> bool:
    """Tell whether something answers to `path` that is spelled otherwise; one call where the file system minds letter case."""
    swapped = path.swapcase()
    try:
        os.lstat(os.path.join(root, swapped))
    except OSError:
        return False
    return swapped != path and not is_spelled(root, path)


def is_respelled(path: bytes, other: bytes) -> bool:
    """Tell whether two paths differ, but in no more than letter case or Unicode form."""
    return path != other and _folded(path) == _folded(other)


def _folded(path: bytes) -> str:
    return unicodedata.normalize("NFC", os.fsdecode(path).casefold())
