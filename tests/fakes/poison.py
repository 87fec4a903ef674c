"""What kills, hangs or fattens whoever reads it, and what tells how a reader was set up; for children that import it."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelshelf.formats import hashes
from modelshelf.formats.hashes import hash_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelshelf.formats.hashes import HashedFile

REPOSITORY = Path(__file__).resolve().parents[2]

_IOPRIO_GET = {"x86_64": 252, "aarch64": 31, "riscv64": 31, "armv7l": 315, "armv6l": 315}


def hash_or_die(path: Path, **options: Any) -> HashedFile:
    """Hash a file, or do what its name says."""
    name = path.name
    if "crash" in name:
        os._exit(3)
    if "abort" in name:
        os.abort()
    if "hang" in name:
        time.sleep(600)
    if "memory" in name:
        raise MemoryError(len(bytearray(2**40)))
    if "once" in name and not (path.parent.parent / "died").exists():
        (path.parent.parent / "died").touch()
        os._exit(4)
    return hash_file(path, **options)


def tell_and_read(path: Path, on_progress: Callable[[int], None]) -> bytes:
    """Tell that it began, and read after that."""
    on_progress(4 * 1024**2)
    return path.read_bytes()[:8]


def complain_and_die() -> None:
    """Say more than fits into a reason, and die."""
    os.write(2, b"first of all\n" + b"and then another thing\n" * 1000)
    os._exit(7)


def spin(seconds: float) -> None:
    """Compute for so long."""
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass


def manners() -> list[int]:
    """Give this process's niceness, I/O class, readiness to be killed for want of memory, and largest core and memory."""
    words = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    number = _IOPRIO_GET[os.uname().machine]
    return [
        int(words[16]),
        ctypes.CDLL(None).syscall(number, 1, 0) >> 13,
        int(Path("/proc/self/oom_score_adj").read_text()),
        resource.getrlimit(resource.RLIMIT_CORE)[0],
        resource.getrlimit(resource.RLIMIT_AS)[0],
    ]


def allocate(size_bytes: int) -> int:
    """Take so much memory, and give it back."""
    return len(bytearray(size_bytes))


def where(path: Path) -> str:
    """Give the path by which it is read."""
    return str(path)


def hash_under_attack(path: Path, **options: Any) -> HashedFile:
    """Hash a file, or do to whoever started this process what its name says."""
    began = path.parent.parent / f"began {path.name}"
    if "held" in path.name and not began.exists():
        (path.parent.parent / "beginning").write_text(str(os.getppid()))
        (path.parent.parent / "beginning").rename(began)
        time.sleep(600)
    if "kill" in path.name:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)
    return hash_file(path, **options)


def allowed_threads() -> int:
    """Give with how many threads a file may be hashed where this is called."""
    return hashes._most_threads[0]
