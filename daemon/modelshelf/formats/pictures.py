"""Pictures and clips by their first bytes, whatever their names say; and any picture as a small, clean PNG."""

from __future__ import annotations

import struct
import zlib
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

from modelshelf.errors import BrokenModelFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

_MAX_PIXELS = 20_000_000
"""Decoded, four bytes each. A preview is asked for at 512 pixels; only old addresses give the picture as it was uploaded."""
_MAX_SIDE = 20_000
_MAX_ASPECT = 8
"""A preview is at most so many times as high as it is wide."""
_MAX_SCANS = 100
"""Passes over a progressive JPEG: ten are usual, and each costs as much as a whole picture, for a few bytes in the file."""
_SCAN = b"\xff\xda"
_MAGICS = (
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpeg"),
    (b"GIF87a", ".gif"),
    (b"GIF89a", ".gif"),
    (b"\x1a\x45\xdf\xa3", ".webm"),
    (b"\xff\x0a", ".jxl"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", ".jxl"),
)
_HEAD_BYTES = 12
_TOLD_BY_HEAD = {".png", ".jpeg", ".webp", ".gif"}
"""Pictures whose size their head tells, and Pillow can read it wherever it was built."""

_COMPRESSION = 4
"""Of 9. zlib's usual 6 takes twice the time or more over a photograph, and makes it a hundredth smaller."""

_AVIF_BRANDS = (b"avif", b"avis")
_OTHER_PICTURE_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1")
_ORIENTATION = 0x0112
_TURNED = range(5, 9)
"""Values of EXIF's orientation by which width and height change places."""
_CANNOT_DECODE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""What Pillow and the libraries below it raise over damaged pictures; fuzzing found all but a few of them."""
_DECODERS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")
"""What may be decoded here. Pillow knows more formats, and some of those start other programs."""


def picture_suffix(head: bytes) -> str | None:
    """Give the extension that the first 12 bytes call for, None where they are no picture or clip."""
    for magic, suffix in _MAGICS:
        if head.startswith(magic):
            return suffix
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ".webp"
    if head[4:8] != b"ftyp" or head[8:12] in _OTHER_PICTURE_BRANDS:
        return None
    return ".avif" if head[8:12] in _AVIF_BRANDS else ".mp4"


def to_png(picture: bytes, *, max_width: int) -> bytes:
    """Give a picture, or the first frame of an animated one, as PNG of at most `max_width` pixels.

    Turned as its EXIF says; nothing else of its metadata is copied. BrokenModelFile where it cannot be decoded.
    """
    from PIL import ImageOps  # noqa: PLC0415  # costs 30 ms and 10 MB that most runs never need

    with _opened(picture) as opened:
        clean = _in_colour(opened)
        is_turned = opened.getexif().get(_ORIENTATION) in _TURNED
        box = (max_width, _MAX_ASPECT * max_width)
        clean.thumbnail(box[::-1] if is_turned else box)
        ImageOps.exif_transpose(clean, in_place=True)
        return _encoded(clean)


def demand_bounded(picture: bytes) -> None:
    """Raise BrokenModelFile where a browser should not be made to decode a picture; of clips nothing can be told."""
    if picture_suffix(picture[:_HEAD_BYTES]) in _TOLD_BY_HEAD:
        with _opened(picture):
            pass


@contextmanager
def _opened(picture: bytes) -> Iterator[Image.Image]:
    """Open a picture that has been looked at: nothing of it is decoded yet. Whatever goes wrong is BrokenModelFile."""
    from PIL import Image  # noqa: PLC0415  # likewise

    try:
        with Image.open(BytesIO(picture), formats=_DECODERS) as opened:
            _require_size(opened)
            _require_few_scans(opened, picture)
            yield opened
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BrokenModelFile(f"a picture of too many pixels: {error}") from error
    except _CANNOT_DECODE as error:
        raise BrokenModelFile(f"a picture that cannot be decoded: {error}") from error


def _require_size(image: Image.Image) -> None:
    if image.width * image.height > _MAX_PIXELS or max(image.size) > _MAX_SIDE:
        raise BrokenModelFile(f"a picture of too many pixels: {image.width} x {image.height}")


def _require_few_scans(image: Image.Image, picture: bytes) -> None:
    if image.format == "JPEG" and picture.count(_SCAN) > _MAX_SCANS:
        raise BrokenModelFile("a picture that cannot be decoded: it would have to be drawn too many times over")


def _in_colour(image: Image.Image) -> Image.Image:
    """Give the picture in RGB or RGBA; a copy only where it is neither, for a copy of a large one takes 100 MB."""
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _encoded(image: Image.Image) -> bytes:
    image.info.clear()
    written = BytesIO()
    image.save(written, format="PNG", compress_level=_COMPRESSION)
    return written.getvalue()
