"""The door bell of the state directory: another process pokes a datagram socket after it added work to the journal."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from modelshelf.errors import from_os_error

if TYPE_CHECKING:
    from pathlib import Path

SOCKET_NAME = "poke.sock"
WAKE = b"wake"
STOP_SCANS = b"stop-scans"


class PokeSocket:
    """The daemon's end. `fileno` makes it fit for `select`."""

    def __init__(self, state_directory: Path) -> None:
        """Bind anew: a socket left by a dead daemon is replaced, which is safe under the state lock."""
        self._path = state_directory / SOCKET_NAME
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.bind(os.fsencode(self._path))
            self._path.chmod(0o600)
        except OSError as error:
            self._socket.close()
            raise from_os_error(error, os.fsencode(self._path), "listen at") from error

    def fileno(self) -> int:
        """Give the descriptor to wait on."""
        return self._socket.fileno()

    def messages(self) -> list[bytes]:
        """Give all messages that came, without waiting."""
        received: list[bytes] = []
        while True:
            try:
                received.append(self._socket.recv(64))
            except BlockingIOError:
                return received

    def close(self) -> None:
        """Take the socket away."""
        self._socket.close()
        self._path.unlink(missing_ok=True)


def poke(state_directory: Path, message: bytes = WAKE) -> bool:
    """Poke the daemon of this state directory; False if none listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        try:
            sender.sendto(message, os.fsencode(state_directory / SOCKET_NAME))
        except (FileNotFoundError, ConnectionRefusedError):
            return False  # budget: nobody at home is an answer
    return True
