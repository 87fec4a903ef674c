"""Pictures and clips by their first bytes, whatever their names say; and any picture as a small, clean PNG."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING

from modelshelf.errors import BrokenModelFile

if TYPE_CHECKING:
    from PIL import Image

_MAX_PIXELS = 64_000_000
_MAGICS = (
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpeg"),
    (b"GIF87a", ".gif"),
    (b"GIF89a", ".gif"),
    (b"\x1a\x45\xdf\xa3", ".webm"),
    (b"\xff\x0a", ".jxl"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", ".jxl"),
)
_AVIF_BRANDS = (b"avif", b"avis")
_OTHER_PICTURE_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1")
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
    from PIL import Image, ImageOps  # noqa: PLC0415  # costs 30 ms and 10 MB that most runs never need

    try:
        with Image.open(BytesIO(picture), formats=_DECODERS) as opened:
            _require_size(opened)
            upright = ImageOps.exif_transpose(opened)
            clean = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
            clean.thumbnail((max_width, max(clean.height, 1)))
            return _encoded(clean)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BrokenModelFile(f"a picture of too many pixels: {error}") from error
    except (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, struct.error, MemoryError) as error:
        raise BrokenModelFile(f"a picture that cannot be decoded: {error}") from error


def _require_size(image: Image.Image) -> None:
    if image.width * image.height > _MAX_PIXELS:
        raise BrokenModelFile(f"a picture of too many pixels: {image.width} x {image.height}")


def _encoded(image: Image.Image) -> bytes:
    image.info.clear()
    written = BytesIO()
    image.save(written, format="PNG")
    return written.getvalue()
