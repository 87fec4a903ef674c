"""Temporary names of ours, and what a kill leaves under them."""

from __future__ import annotations

import os
import re
import secrets
import time
from contextlib import suppress
from pathlib import Path

from modelshelf.files.trouble import translated

LEFTOVER_AGE_SECONDS = 3600.0
"""A temporary file older than this was left by a crash: no write takes so long."""

_KEPT_NAME_BYTES = 100  # with the rest below 143 bytes, the shortest limit on a name in use (eCryptfs)
_LEFTOVER = re.compile(rb"\..*\.modelshelf-[0-9a-f]{16}\.tmp", re.DOTALL)


def temporary_name(name: str) -> str:
    """Give a temporary name of ours for a file called `name`."""
    kept = os.fsencode(name)[:_KEPT_NAME_BYTES]
    with suppress(UnicodeDecodeError):
        os.fsencode(name).decode()
        kept = kept.decode(errors="ignore").encode()
    return f".{os.fsdecode(kept)}.modelshelf-{secrets.token_hex(8)}.tmp"


def is_leftover(name: bytes) -> bool:
    """Tell whether this is the name of a temporary file of ours."""
    return _LEFTOVER.fullmatch(name) is not None


def remove_leftovers(directory: Path, *, older_than_seconds: float = LEFTOVER_AGE_SECONDS) -> int:
    """Delete our own temporary files that a crash left in `directory`, and give how many; others' files are never touched."""
    oldest_kept = time.time() - older_than_seconds
    with translated(directory, "list"), os.scandir(os.fsencode(directory)) as entries:
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
