"""Is anybody writing to a file right now? The kernel knows, and tells through a lease that is asked for and given back.

`fcntl(2)`, F_SETLEASE: a read lease is refused with EAGAIN while any process of this machine has the file open for writing.
It is given to the file's owner or to CAP_LEASE only, and says nothing about writers on other hosts.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
from typing import TYPE_CHECKING

from modelshelf.errors import from_os_error

if TYPE_CHECKING:
    from pathlib import Path

_GONE = {errno.ENOENT, errno.ENOTDIR}


def prepare_leases() -> None:
    """Ignore SIGIO for the whole process; call it once, from the main thread, before the first probe.

    A writer that opens the file in the microseconds of a probe makes the kernel send us SIGIO, whose default is to kill.
    """
    signal.signal(signal.SIGIO, signal.SIG_IGN)


def is_open_for_writing(path: Path) -> bool | None:
    """Tell whether any process of this machine has the file open for writing; None where that cannot be known.

    Unknown are files of other owners, file systems without leases, and everything before `prepare_leases`. Raises FileGone.
    """
    if signal.getsignal(signal.SIGIO) != signal.SIG_IGN:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _GONE:
            raise from_os_error(error, os.fsencode(path), "probe") from error
        return None
    try:
        return _probe(descriptor)
    finally:
        os.close(descriptor)


def _probe(descriptor: int) -> bool | None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return None
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
