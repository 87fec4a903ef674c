"""The limits of inotify, and the lines that raise them: a person can paste what `explain` says."""

from __future__ import annotations

import errno
from pathlib import Path

LIMITS = Path("/proc/sys/fs/inotify")
"""Per user, and shared with every other program of that user; see inotify(7)."""

_KEYS = {errno.ENOSPC: "max_user_watches", errno.EMFILE: "max_user_instances"}
_WORDS = {errno.ENOSPC: "watches", errno.EMFILE: "instances"}
_SETTINGS = "/etc/sysctl.d/60-modelshelf.conf"


def is_limit(number: int) -> bool:
    """Tell whether this errno stands for a limit, which a person may raise."""
    return number in _KEYS


def explain(error: OSError, wanted_count: int = 0, limits: Path = LIMITS) -> str:
    """Say in a person's words why something cannot be watched, and how to mend that.

    `wanted_count` is how many watches or instances would be needed by us; others of the same user need some too.
    """
    if error.errno not in _KEYS:
        return error.strerror or str(error)
    setting = f"fs.inotify.{_KEYS[error.errno]}={_ample(error.errno, wanted_count, limits)}"
    return (
        f"the limit of inotify {_WORDS[error.errno]} is reached; raise it at once: sysctl {setting}; "
        f"and for good: echo {setting} >> {_SETTINGS}"
    )


def _ample(number: int, wanted_count: int, limits: Path) -> int:
    """Give the power of two that is at least twice what there is and what is wanted."""
    try:
        current = int((limits / _KEYS[number]).read_text())
    except (OSError, ValueError):
        current = 128 if number == errno.EMFILE else 65536
    return 1 << (2 * max(current, wanted_count) - 1).bit_length()
