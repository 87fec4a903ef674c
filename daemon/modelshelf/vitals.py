"""How a process is doing: since when it runs, what it holds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_AFTER_NAME = b") "
_THREADS, _STARTED, _PAGES = 17, 19, 21
"""Fields of `/proc/PID/stat` (proc_pid_stat(5)), counted from the one after the name, which may hold anything."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """`open_files` is None where they may not be counted: only the process's own user and root may."""

    uptime_seconds: float
    memory_bytes: int
    threads: int
    open_files: int | None


def vitals_of(pid: int, proc: Path = Path("/proc")) -> Vitals | None:
    """Ask the kernel about a process; None where there is no such process, or it cannot be seen."""
    try:
        fields = (proc / str(pid) / "stat").read_bytes().rpartition(_AFTER_NAME)[2].split()
        up_seconds = float((proc / "uptime").read_text().split()[0])
        started_seconds = int(fields[_STARTED]) / os.sysconf("SC_CLK_TCK")
        memory_bytes, threads = int(fields[_PAGES]) * os.sysconf("SC_PAGE_SIZE"), int(fields[_THREADS])
    except (OSError, ValueError, IndexError):
        return None
    return Vitals(max(0.0, up_seconds - started_seconds), memory_bytes, threads, _count_open_files(proc / str(pid)))


def _count_open_files(process: Path) -> int | None:
    try:
        return len(os.listdir(process / "fd"))
    except OSError:
        return None
