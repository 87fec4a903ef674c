"""The exit codes of every command."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the shell is told. 78 is EX_CONFIG of sysexits.h, which the service unit knows as "do not start again"."""

    GOOD = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 78
    INTERRUPTED = 130
