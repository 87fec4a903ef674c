"""How a process is doing: since when it runs, what it holds, what it took."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_AFTER_NAME = b") "
_CPU = slice(11, 15)
_THREADS, _STARTED, _PAGES = 17, 19, 21
"""Fields of `/proc/PID/stat` (proc_pid_stat(5)), counted from the one after the name, which may hold anything."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """What is None may not be seen: files and bytes are for the process's own user and root alone.

    `cpu_seconds`, `read_bytes` and `written_bytes` count since its start, with the children that have ended; the bytes are
    those that disks saw, not what memory held already.
    """

    uptime_seconds: float
    memory_bytes: int
    threads: int
    open_files: int | None
    cpu_seconds: float = 0.0
    read_bytes: int | None = None
    written_bytes: int | None = None


def vitals_of(pid: int, proc: Path = Path("/proc")) -> Vitals | None:
    """Ask the kernel about a process; None where there is no such process, or it cannot be seen."""
    process = proc / str(pid)
    try:
        fields = (process / "stat").read_bytes().rpartition(_AFTER_NAME)[2].split()
        up_seconds = float((proc / "uptime").read_text().split()[0])
        ticks = os.sysconf("SC_CLK_TCK")
        started_seconds, cpu_seconds = int(fields[_STARTED]) / ticks, sum(map(int, fields[_CPU])) / ticks
        memory_bytes, threads = int(fields[_PAGES]) * os.sysconf("SC_PAGE_SIZE"), int(fields[_THREADS])
    except (OSError, ValueError, IndexError):
        return None
    read_bytes, written_bytes = _traffic(process)
    uptime_seconds, open_files = max(0.0, up_seconds - started_seconds), _count_open_files(process)
    return Vitals(uptime_seconds, memory_bytes, threads, open_files, cpu_seconds, read_bytes, written_bytes)


def _traffic(process: Path) -> tuple[int | None, int | None]:
    try:
        lines = (process / "io").read_text().splitlines()
        counts = {name: int(count) for name, count in (line.split(":") for line in lines)}
    except (OSError, ValueError):
        return None, None
    return counts.get("read_bytes"), counts.get("write_bytes")


def _count_open_files(process: Path) -> int | None:
    try:
        return len(os.listdir(process / "fd"))
    except OSError:
        return None
