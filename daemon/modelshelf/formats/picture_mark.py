"""Our mark in a picture: what it shows, and a digest of all the rest, so that a picture somebody worked on bears it no more.

It stands where each format has room for a remark: a `tEXt` chunk in PNG, a comment in JPEG, a `free` box at the end of MP4.
Other formats bear none.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from typing import TYPE_CHECKING

from modelshelf.errors import FileChanged, FileGone, FileUnreadable
from modelshelf.formats.pictures import picture_suffix
from modelshelf.formats.regular_file import opened

if TYPE_CHECKING:
    from pathlib import Path

MAX_MARKED_BYTES = 64 * 1024 * 1024
_REACH_BYTES = 1024
"""So near to its beginning or its end a picture bears the mark."""

_DIGEST_DIGITS = 32
_KEY = b"modelshelf\0"
_REMARK = re.compile(_KEY + rb"([ -~]{1,100}) [0-9a-f]{32}")
_FRAMES = {".png": (8, 4), ".jpeg": (4, 0), ".mp4": (8, 0)}
"""How many bytes stand around a remark, before and behind."""

_HEAD_BYTES = 12
_PNG_END_BYTES = 12


def marked(picture: bytes, text: str) -> bytes:
    """Give the picture with a mark that says `text`, ASCII of at most 100 letters; as it is where there is no room for one."""
    digest = hashlib.sha256(picture).hexdigest()[:_DIGEST_DIGITS]
    remark = _KEY + f"{text} {digest}".encode("ascii")
    match picture_suffix(picture[:_HEAD_BYTES]):
        case ".png":
            chunk = b"tEXt" + remark
            framed = struct.pack(">I", len(remark)) + chunk + struct.pack(">I", zlib.crc32(chunk))
            return picture[:-_PNG_END_BYTES] + framed + picture[-_PNG_END_BYTES:]
        case ".jpeg":
            return picture[:2] + b"\xff\xfe" + struct.pack(">H", 2 + len(remark)) + remark + picture[2:]
        case ".mp4":
            return picture + struct.pack(">I", 8 + len(remark)) + b"free" + remark
    return picture


def mark_in(picture: bytes) -> str | None:
    """Give what the mark in a picture says, None where it bears none or anything was changed since."""
    suffix = picture_suffix(picture[:_HEAD_BYTES])
    place = picture.find(_KEY) if suffix == ".jpeg" else picture.rfind(_KEY)
    remark = _REMARK.match(picture, place) if place >= 0 else None
    if remark is None or suffix not in _FRAMES:
        return None
    before, behind = _FRAMES[suffix]
    unmarked = picture[: remark.start() - before] + picture[remark.end() + behind :]
    text = remark[1].decode("ascii")
    return text if marked(unmarked, text) == picture else None


def mark_of(path: Path) -> str | None:
    """Give what the mark in the picture at `path` says; None without one, and for what is no picture that can be read."""
    try:
        with opened(path) as picture:
            if picture.size_bytes > MAX_MARKED_BYTES:
                return None
            tail = picture.read_at(max(0, picture.size_bytes - _REACH_BYTES), min(_REACH_BYTES, picture.size_bytes))
            is_likely = any(_REMARK.search(each) for each in (picture.head(_REACH_BYTES), tail))
            return mark_in(picture.head(picture.size_bytes)) if is_likely else None
    except (FileGone, FileUnreadable, FileChanged):
        return None
