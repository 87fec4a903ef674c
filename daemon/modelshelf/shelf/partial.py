"""The names that downloads, copies and editors use for files they have not finished."""

from __future__ import annotations

import re

_DOWNLOAD_SUFFIXES = (
    b".download.tmp",
    b".aria2",
    b".part",
    b".partial",
    b".crdownload",
    b".download",
    b".downloading",
    b".opdownload",
    b".filepart",
    b".incomplete",
    b".!qB",
    b".!ut",
)
"""What a download appends to the final name, longest first; aria2 keeps its control file so, beside the file itself."""

UNFINISHED_SUFFIXES = (
    *(suffix.lower() for suffix in _DOWNLOAD_SUFFIXES),
    b".aria2__temp",
    b".tmp",
    b".temp",
    b".tmp2",
    b"~",
)
"""Endings of names that are unfinished, in lower case."""

UNFINISHED_PREFIXES = (b".syncthing.", b"~syncthing~", b".~lock.")
"""Beginnings, in lower case; besides them there are names that rsync makes up, which are hidden."""

_RSYNC_TEMPORARY = re.compile(rb"\..+\.[A-Za-z0-9]{6}", re.DOTALL)


def is_partial(name: bytes) -> bool:
    """Tell whether a file of this name is unfinished by its name alone; our own temporary files are."""
    lowered = name.lower()
    return (
        lowered.endswith(UNFINISHED_SUFFIXES)
        or lowered.startswith(UNFINISHED_PREFIXES)
        or _RSYNC_TEMPORARY.fullmatch(name) is not None
    )


def partial_companions(name: bytes) -> tuple[bytes, ...]:
    """Give the names that, lying beside the file `name`, mean that it is still being downloaded.

    aria2 writes under the final name and keeps `name.aria2` until it is done; Firefox holds the name with an empty file
    while the bytes go to `name.part`.
    """
    return tuple(name + suffix for suffix in _DOWNLOAD_SUFFIXES)


def finished_name(name: bytes) -> bytes | None:
    """Give the name that a download called `name` works for, None where it is no download's name."""
    lowered = name.lower()
    for suffix in _DOWNLOAD_SUFFIXES:
        if lowered.endswith(suffix.lower()) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return None
