"""The lock on the state directory: one process writes, a second one is told who the first is."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import StoreError
from modelshelf.store.translation import translate_os_error

if TYPE_CHECKING:
    from pathlib import Path

_NAME = "lock"
_TRIES = 3
_PAUSE_SECONDS = 0.02
_LONGEST_PID = 20


class StateLock:
    """An exclusive flock on `<state>/lock`; the kernel lets go of it when the process dies, however it dies.

    The file stays: removing it would let two processes hold locks on two files of the same name.
    """

    def __init__(self, state_directory: Path) -> None:
        self._path = state_directory / _NAME
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock; StoreError naming the process that holds it."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise translate_os_error(error, self._path, "open") from error
        if not _is_taken(descriptor):
            pid = _pid_in(descriptor)
            os.close(descriptor)
            name = readable(self._path.parent)
            raise StoreError(f"another modelshelf (pid {pid or 'unknown'}) uses {name}: stop it first, or ask it")
        self._descriptor = descriptor
        with suppress(OSError):  # a full disk, say: held it is all the same, if by nobody knows whom
            os.pwrite(descriptor, b"%-*d\n" % (_LONGEST_PID - 1, os.getpid()), 0)

    def release(self) -> None:
        """Give the lock back, also where a forked child still has it open; nothing happens where it is not held."""
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self._descriptor = None


def holder(state_directory: Path) -> int | None:
    """Give the pid of the process that holds the lock, None where nobody does; 0 where its pid cannot be told."""
    try:
        descriptor = os.open(state_directory / _NAME, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise translate_os_error(error, state_directory / _NAME, "open") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _pid_in(descriptor) or 0
    else:
        return None
    finally:
        os.close(descriptor)


def _is_taken(descriptor: int) -> bool:
    """Try more than once: `holder` has the lock shared for a moment when it asks."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE_SECONDS)
        else:
            return True
    return False


def _pid_in(descriptor: int) -> int | None:
    text = os.pread(descriptor, _LONGEST_PID, 0).strip()
    return int(text) if text.isdigit() else None
