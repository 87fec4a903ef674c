"""The door bell of the state directory: another process pokes a datagram socket after it added work to the journal.

It may also ask whether the daemon is alive. An answer is sent where systemd would be sent a heartbeat, and nowhere else.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from modelshelf.errors import ModelshelfError, from_os_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOCKET_NAME = "poke.sock"
WAKE = b"wake"
STOP_SCANS = b"stop-scans"
EASE_READING = b"ease-reading"
"""What was read at once, because a person wanted that, is read in its turn; what a job ordered is ordered no more."""

ASK_CIVITAI = b"ask-civitai"
"""Whatever Civitai said before: a person wants it asked now."""

ASK = b"alive?"
ANSWER = b"alive"

ASKERS_KEPT = 16
"""So many wait for an answer at most; of more, the first ones are let go."""


class PokeSocket:
    """The daemon's end. `fileno` makes it fit for `select`."""

    def __init__(self, state_directory: Path) -> None:
        """Bind anew: a socket left by a dead daemon is replaced, which is safe under the state lock."""
        self._path = state_directory / SOCKET_NAME
        self._askers: deque[bytes] = deque(maxlen=ASKERS_KEPT)
        self._socket = self._bound()

    def _bound(self) -> socket.socket:
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._path.unlink(missing_ok=True)
            with _address(self._path.parent) as address:
                ear.bind(address)
            self._path.chmod(0o600)
        except OSError as error:
            ear.close()
            raise from_os_error(error, os.fsencode(self._path), "listen at") from error
        return ear

    def mend(self) -> None:
        """Bind anew where somebody removed the socket; where that cannot be done now, the next call tries it again."""
        if self._path.exists():
            return
        with suppress(ModelshelfError):
            anew = self._bound()
            self._socket.close()
            self._socket = anew

    def fileno(self) -> int:
        """Give the descriptor to wait on."""
        return self._socket.fileno()

    def messages(self) -> list[bytes]:
        """Give all messages that came, without waiting; who asked is kept for `answer`."""
        received: list[bytes] = []
        while True:
            try:
                message, sender = self._socket.recvfrom(64)
            except BlockingIOError:
                return received
            if message != ASK:
                received.append(message)
            elif sender:
                self._askers.append(sender)

    def answer(self) -> None:
        """Tell everybody who asked that the daemon is alive; who waits no longer misses nothing."""
        while self._askers:
            with suppress(OSError):
                self._socket.sendto(ANSWER, self._askers.popleft())

    def close(self) -> None:
        """Take the socket away, as far as the disk lets it; one that is left is replaced at the next start."""
        self._socket.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def poke(state_directory: Path, message: bytes = WAKE) -> bool:
    """Poke the daemon of this state directory; False if none listens, FileUnreadable if it may not be poked."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        try:
            with _address(state_directory) as address:
                sender.sendto(message, address)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            return False  # budget: nobody at home is an answer
        except BlockingIOError:
            return True  # so many pokes wait there already that it will look
        except OSError as error:
            raise from_os_error(error, os.fsencode(state_directory / SOCKET_NAME), "poke") from error
    return True


def is_answered(state_directory: Path, seconds: float) -> bool:
    """Ask the daemon of this state directory whether it is alive; False if none listens, or says nothing for so long."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker:
        asker.bind("")  # the kernel chooses a name, for the answer: autobind in unix(7)
        asker.settimeout(seconds)
        try:
            with _address(state_directory) as address:
                asker.sendto(ASK, address)
            return asker.recv(64) == ANSWER
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError, TimeoutError):
            return False  # budget: silence is an answer
        except OSError as error:
            raise from_os_error(error, os.fsencode(state_directory / SOCKET_NAME), "ask at") from error


@contextmanager
def _address(state_directory: Path) -> Iterator[bytes]:
    """Give the socket's address by way of its directory: as it stands it may have no more than 107 bytes (unix(7))."""
    directory = os.open(state_directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{SOCKET_NAME}".encode()
    finally:
        os.close(directory)
