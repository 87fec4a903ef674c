"""Zips with two directories: which one a program shows depends on which end record it follows, and how far it believes it."""

from __future__ import annotations

import struct
import zlib

from tests import builders

PICKLE = "archive/data.pkl"
HARMLESS = b"\x80\x02}."
EVIL = b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00id\x85R."


def two_faced_zips() -> dict[str, bytes]:
    """Give zips whose one directory lists a harmless pickle and whose other one lists one that runs a program."""
    return {
        "directory-in-the-comment": _directory_in_the_comment(),
        "located-zip64-record": _located_zip64_record(),
        "zip64-record-beside-a-number": _plain(zip64=True, ordinary=(1, 0, 0)),
        "comment-of-records": _plain(comment=b"PK\1\2" + bytes(10)),
        "bytes-behind-the-end": _plain() + bytes(3),
        "on-a-second-disk": _plain(disk=1),
        "zip64-record-that-is-longer": _plain(zip64=True, counted_bytes=60),
    }


def one_faced_zips() -> dict[str, bytes]:
    """Give zips that only look odd: with a comment, and with a zip64 record that says the same, as torch writes it."""
    return {"comment": _plain(comment=b"made by a person"), "zip64": _plain(zip64=True), "torch": builders.torch_zip(1)}


def _local(content: bytes) -> bytes:
    sizes = (zlib.crc32(content), len(content), len(content), len(PICKLE), 0)
    return struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, *sizes) + PICKLE.encode() + content


def _entry(content: bytes, offset: int) -> bytes:
    sizes = (zlib.crc32(content), len(content), len(content), len(PICKLE))
    head = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, *sizes, 0, 0, 0, 0, 0, offset)
    return head + PICKLE.encode()


def _end(size: int, offset: int, comment: bytes = b"", *, count: int = 1, disk: int = 0) -> bytes:
    return struct.pack("<4s4H2LH", b"PK\5\6", disk, disk, count, count, size, offset, len(comment)) + comment


def _end64(size: int, offset: int, counted_bytes: int = 44) -> bytes:
    return struct.pack("<4sQ2H2L4Q", b"PK\6\6", counted_bytes, 45, 45, 0, 0, 1, 1, size, offset)


def _locator(at: int) -> bytes:
    return struct.pack("<4sLQL", b"PK\6\7", 0, at, 1)


def _plain(
    comment: bytes = b"",
    *,
    zip64: bool = False,
    ordinary: tuple[int, int, int] | None = None,
    counted_bytes: int = 44,
    disk: int = 0,
) -> bytes:
    body = _local(HARMLESS)
    entry = _entry(HARMLESS, 0)
    count, size, offset = ordinary or (1, len(entry), len(body))
    large = b""
    if zip64:
        large = _end64(len(entry), len(body), counted_bytes) + _locator(len(body + entry))
    return body + entry + large + _end(size, offset, comment, count=count, disk=disk)


def _directory_in_the_comment() -> bytes:
    """Give a zip whose directory is where its end record begins, and in its comment where that record points to."""
    first = _local(HARMLESS)
    body = first + _local(EVIL)
    hidden = _entry(EVIL, len(first))
    behind = len(hidden) + struct.calcsize("<4s4H2LH")
    shown = _entry(HARMLESS, 0)[:42] + struct.pack("<l", -behind) + PICKLE.encode()
    return body + shown + _end(len(shown), len(body) + behind, hidden)


def _located_zip64_record() -> bytes:
    """Give a zip with a zip64 record right before the locator, where Python looks, and another where the locator points."""
    first = _local(HARMLESS)
    body = first + _local(EVIL)
    hidden = _entry(EVIL, len(first))
    before = body + hidden + _end64(len(hidden), len(body))
    shown = _entry(HARMLESS, 0)
    tail = _end64(len(shown), len(before)) + _locator(len(body + hidden))
    return before + shown + tail + _end(0xFFFFFFFF, 0xFFFFFFFF, count=0xFFFF)
