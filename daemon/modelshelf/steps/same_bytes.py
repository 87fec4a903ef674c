"""Are these the bytes that we know? A cheap look, before a file is taken for one that has moved here.

Inode, size and mtime prove little: file systems give a deleted file's inode to the next one, models of one trainer are of one
size, and archives and copies set any mtime.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from modelshelf.domain.model_file import Fingerprint
from modelshelf.formats.regular_file import opened
from modelshelf.steps.beside import stat_if_there

if TYPE_CHECKING:
    from pathlib import Path

    from modelshelf.domain.content import Content

_WINDOW_START = 0x100000
_WINDOW_BYTES = 0x10000
"""Where AutoV1 looks; it is known of every file that reaches so far."""


def is_one_file(path: Path, other: Path, fingerprint: Fingerprint) -> bool:
    """Tell whether two names are hard links of one file, which looks as `fingerprint` says."""
    statuses = [stat_if_there(os.fsencode(each)) for each in (path, other)]
    seen = {(status.st_dev, Fingerprint.of(status)) for status in statuses if status is not None}
    return None not in statuses and len(seen) == 1 and seen.pop()[1] == fingerprint


def has_content(path: Path, content: Content) -> bool:
    """Tell whether a file of the content's size holds it: 64 KiB of a large one, all of a small one is read."""
    hashes = content.hashes
    with opened(path) as file:
        if file.size_bytes != content.size_bytes:
            return False
        if hashes.autov1 is None:
            return hashlib.sha256(file.read_at(0, file.size_bytes)).hexdigest().upper() == hashes.sha256
        window = hashlib.sha256(file.read_at(_WINDOW_START, _WINDOW_BYTES))
        return window.hexdigest()[: len(hashes.autov1)].upper() == hashes.autov1
