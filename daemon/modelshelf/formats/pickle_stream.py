"""Following a pickle from its first byte to its last without loading it."""

from __future__ import annotations

import pickletools
from typing import IO

_LONGEST_LINE_BYTES = 1024 * 1024
_NUMBERED_IMPORTS = {"EXT1", "EXT2", "EXT4"}
_FIRST_BYTES = frozenset(ord(opcode.code) for opcode in pickletools.opcodes)


def can_begin_pickle(head: bytes) -> bool:
    """Tell whether these can be the first bytes of a pickle; those of protocol 0 and 1 have no magic."""
    return bool(head) and head[0] in _FIRST_BYTES


def follow(stream: PickleStream) -> int:
    """Step over one pickle; give where it ends. ValueError where it is none, is cut, or imports by numbers of its own."""
    for opcode, _, _ in pickletools.genops(stream):  # type: ignore[arg-type]  # it reads, and reads lines
        if opcode.name in _NUMBERED_IMPORTS:
            raise ValueError("it imports by numbers that only its maker knows")
    return stream.tell()


class PickleStream:
    """Bytes as `pickletools` and picklescan read them. A length that cannot be there is refused before memory is taken for it.

    `furthest` is how far it was ever read.
    """

    def __init__(self, raw: IO[bytes], size_bytes: int, start: int = 0) -> None:
        """`raw` has `size_bytes`; reading begins at `start`."""
        self._raw = raw
        self._size_bytes = size_bytes
        self._position = start
        self.furthest = start
        if start:
            raw.seek(start)

    def tell(self) -> int:
        """Give where reading stands."""
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go elsewhere, as a file does."""
        self._position = self._raw.seek(offset, whence)
        return self._position

    def read(self, size: int) -> bytes:
        """Give the next bytes, or nothing at the end; ValueError where more are asked for than are left."""
        if size > 1 and size > self._size_bytes - self._position:
            raise ValueError("it claims more bytes than there are")
        return self._told(self._raw.read(size))

    def readline(self) -> bytes:
        """Give the next line; ValueError where it has no end."""
        line = self._raw.readline(_LONGEST_LINE_BYTES)
        if len(line) == _LONGEST_LINE_BYTES:
            raise ValueError("it has a line without an end")
        return self._told(line)

    def _told(self, content: bytes) -> bytes:
        self._position += len(content)
        self.furthest = max(self.furthest, self._position)
        return content
