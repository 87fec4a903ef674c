"""Tries, inside the unit and with the standard library alone, what it should let through and what it should not."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

AF_PACKET = 17


def main(answers: Path, file_of_another: Path) -> None:
    """Write what came of each attempt."""
    attempts: dict[str, Callable[[], object]] = {
        "nice": lambda: os.setpriority(os.PRIO_PROCESS, 0, 19),
        "ionice": lambda: subprocess.run(["ionice", "-c", "3", "true"], check=True),
        "lease": lambda: lease(file_of_another),
        "pressure": Path("/proc/pressure/io").read_text,
        "inotify": Path("/proc/sys/fs/inotify/max_user_watches").read_text,
        "inside": file_of_another.with_name("new").touch,
        "outside": Path("/srv/open/new").touch,
        "tunable": lambda: Path("/proc/sys/fs/inotify/max_user_watches").write_text("1"),
        "home": lambda: os.listdir("/home/alice"),
        "namespace": namespace,
        "packet": lambda: socket.socket(AF_PACKET, socket.SOCK_RAW),
        "writable_code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC),
    }
    answers.write_text(json.dumps({name: outcome(attempt) for name, attempt in attempts.items()}))


def outcome(attempt: Callable[[], object]) -> str:
    """Give the error's name, or that it was done."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    except subprocess.CalledProcessError as error:
        return str(error.returncode)
    return "done"


def lease(path: Path) -> None:
    """Ask for a lease on a file of another owner."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    with path.open("rb") as opened:
        fcntl.fcntl(opened, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(opened, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def namespace() -> None:
    """Ask for a user namespace."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x10000000):
        raise OSError(ctypes.get_errno(), "unshare")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
