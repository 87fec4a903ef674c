"""What the kernel counts of a process and of the files it keeps: read before and after, and compared."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_KIB = 1024
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters since the process began, of all its threads; `switches` are the times that a thread went to sleep."""

    cpu_seconds: float
    disk_bytes: int
    written_bytes: int
    switches: int
    resident_bytes: int
    proportional_bytes: int


def read_process(pid: int) -> Reading:
    """Read everything about a process of ours."""
    process = Path("/proc", str(pid))
    # proc(5): utime and stime are fields 14 and 15; the second holds the name, which may hold spaces.
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    io = (process / "io").read_text()
    threads = [(thread / "status").read_text() for thread in (process / "task").iterdir()]
    return Reading(
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND,
        disk_bytes=_number("write_bytes", io),
        written_bytes=_number("wchar", io),
        switches=sum(_number("voluntary_ctxt_switches", each) for each in threads),
        resident_bytes=resident_bytes(pid),
        proportional_bytes=_number("Pss", (process / "smaps_rollup").read_text()) * _KIB,
    )


def resident_bytes(pid: int) -> int:
    """Give what a process holds in memory."""
    return _number("VmRSS", Path("/proc", str(pid), "status").read_text()) * _KIB


def stamps_below(directory: Path) -> dict[str, tuple[int, int]]:
    """Give size and mtime of everything below a directory, to see whether anything was written there."""
    found = {}
    for path in [directory, *directory.rglob("*")]:
        status = path.lstat()
        found[str(path)] = (status.st_size, status.st_mtime_ns)
    return found


def _number(name: str, text: str) -> int:
    match = re.search(rf"^{name}:\s*(\d+)", text, re.MULTILINE)
    if match is None:
        raise ValueError(f"the kernel tells no {name}")
    return int(match.group(1))
