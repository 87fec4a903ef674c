"""A cursor over a file's beginning: reads small values one after another and never past what is really there."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from modelshelf.errors import BrokenModelFile

if TYPE_CHECKING:
    from modelshelf.formats.regular_file import RegularFile

_BUFFER_BYTES = 256 * 1024
_MOST_TEXTS = 1_000_000
"""A tokenizer has some 260 000 words and twice as many merges; each costs half a microsecond to step over."""
_MOST_KEPT_BYTES = 16 * 1024 * 1024
"""Decoded, a text may take four times its bytes."""


class EndOfFile(Exception):
    """The file ends before the value does. It never leaves this room."""


class Cursor:
    """Where reading stands. `limit` bounds how far it may go: BrokenModelFile beyond."""

    def __init__(self, file: RegularFile, *, limit: int) -> None:
        self._file = file
        self._limit = limit
        self._buffer = b""
        self._buffer_start = 0
        self._text_count = 0
        self._kept_bytes = 0
        self.position = 0
        self.is_big_endian = False

    def take(self, length: int) -> bytes:
        """Give the next `length` bytes."""
        start = self._advance(length)
        if not self._buffer_start <= start <= self.position <= self._buffer_start + len(self._buffer):
            self._buffer_start = start
            self._buffer = self._file.read_at(start, min(max(length, _BUFFER_BYTES), self._file.size_bytes - start))
        return self._buffer[start - self._buffer_start : self.position - self._buffer_start]

    def skip(self, length: int) -> None:
        """Step over `length` bytes without reading them."""
        self._advance(length)

    def number(self, code: str) -> Any:
        """Give the next number, of a `struct` code, in the file's byte order."""
        return struct.unpack((">" if self.is_big_endian else "<") + code, self.take(struct.calcsize(code)))[0]

    @staticmethod
    def width(code: str) -> int:
        """Give the bytes that a number of this `struct` code takes."""
        return struct.calcsize(code)

    def text(self, max_bytes: int, what: str) -> str:
        """Give the next text; BrokenModelFile if it claims more than `max_bytes`, or all of them together are too much."""
        return self._kept_text(self._text_length(max_bytes, what))

    def text_up_to(self, kept_bytes: int, max_bytes: int, what: str) -> str | None:
        """Give the next text, None where it is longer than `kept_bytes`: then it is only stepped over."""
        length = self._text_length(max_bytes, what)
        if length > kept_bytes:
            self._advance(length)
            return None
        return self._kept_text(length)

    def skip_texts(self, count: int, max_bytes: int, what: str) -> None:
        """Step over `count` texts; BrokenModelFile if one claims more than `max_bytes`."""
        for _ in range(count):
            self._advance(self._text_length(max_bytes, what))

    def _kept_text(self, length: int) -> str:
        """Give the next `length` bytes as text."""
        raw = self.take(length)
        self._kept_bytes += length
        if self._kept_bytes > _MOST_KEPT_BYTES:
            raise BrokenModelFile(f"the texts in its header take more than {_MOST_KEPT_BYTES:,} bytes")
        return raw.decode("utf-8", "replace")

    def _text_length(self, max_bytes: int, what: str) -> int:
        self._text_count += 1
        if self._text_count > _MOST_TEXTS:
            raise BrokenModelFile(f"its header holds more than {_MOST_TEXTS:,} texts")
        length: int = self.number("Q")
        if length > max_bytes:
            raise BrokenModelFile(f"a {what} claims {length:,} bytes")
        return length

    def _advance(self, length: int) -> int:
        start = self.position
        if start + length > self._file.size_bytes:
            raise EndOfFile
        if start + length > self._limit:
            raise BrokenModelFile(f"its header is longer than {self._limit:,} bytes")
        self.position = start + length
        return start
