"""Pictures that lie about their size, their chunks and their end; in every format that is decoded here."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

from PIL import Image

from tests.fuzz.mutations import Case, cut, flipped, lied, named, shuffled

if TYPE_CHECKING:
    from collections.abc import Iterator

_PNG = b"\x89PNG\r\n\x1a\n"


def picture_cases() -> Iterator[Case]:
    """Give all of them."""
    for name, whole in _wholes().items():
        yield Case(f"picture/{name}/whole", "picture", whole)
        yield from named(name, "picture", cut(whole, (0, 4, 12, 20, 33, len(whole) // 2, len(whole) - 2)))
        yield from named(name, "picture", flipped(whole, 24, within=200))
        yield from named(name, "picture", flipped(whole, 12, seed=1))
        yield from named(name, "picture", shuffled(whole, 16))
    yield from named("png", "picture", lied(_wholes()["png"], [(8, ">I"), (16, ">I"), (20, ">I"), (33, ">I")]))
    yield from named("crafted", "picture", _crafted())


def _wholes() -> dict[str, bytes]:
    picture = Image.linear_gradient("L").resize((40, 30)).convert("RGB")
    kinds = {
        "png": ("PNG", "RGB", {}),
        "png-palette": ("PNG", "P", {}),
        "png-bits": ("PNG", "1", {}),
        "png-16": ("PNG", "I;16", {}),
        "jpeg": ("JPEG", "RGB", {}),
        "jpeg-cmyk": ("JPEG", "CMYK", {}),
        "jpeg-progressive": ("JPEG", "RGB", {"progressive": True, "exif": _turned()}),
        "webp": ("WEBP", "RGBA", {}),
        "gif": ("GIF", "P", {"save_all": True, "append_images": [picture.rotate(90)]}),
        "avif": ("AVIF", "RGB", {}),
    }
    return {name: _saved(picture, *each) for name, each in kinds.items()}


def _saved(picture: Image.Image, name: str, mode: str, options: dict[str, object]) -> bytes:
    written = io.BytesIO()
    converted = picture.convert("L").convert("I").convert(mode) if mode == "I;16" else picture.convert(mode)
    converted.save(written, name, **options)
    return written.getvalue()


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes()


def _chunk(kind: bytes, content: bytes, length: int | None = None) -> bytes:
    size = len(content) if length is None else length
    return struct.pack(">I", size) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 0) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return _PNG + head + b"".join(chunks) + _chunk(b"IEND", b"")


def _zeros(size: int) -> bytes:
    return _chunk(b"IDAT", zlib.compress(bytes(size), 1))


def _crafted() -> Iterator[tuple[str, bytes]]:
    for width, height in ((0, 0), (1, 0), (2**31 - 1, 1), (2**31 - 1, 2**31 - 1), (60_000, 60_000), (1, 25_000_000)):
        yield f"png-{width}x{height}", _png(width, height, _zeros(1000))
    for name, (depth, colour, bits) in _MODES.items():
        yield (
            f"png-large-{name}",
            _png(_SIDE, _SIDE, _zeros((bits * _SIDE // 8 + 2) * _SIDE), depth=depth, colour=colour),
        )
    for kind in (b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"tRNS", b"PLTE", b"gAMA", b"acTL", b"fcTL", b"pHYs", b"sRGB"):
        for size in (0, 1, 7, 3000):
            yield f"png-{kind.decode()}-{size}", _png(4, 4, _chunk(kind, b"\xff" * size), _zeros(100), colour=3)
    bomb = zlib.compress(bytes(80_000_000), 1)
    yield "png-text-bomb", _png(4, 4, _chunk(b"zTXt", b"a\0\0" + bomb), _zeros(20))
    yield "png-itext-bomb", _png(4, 4, _chunk(b"iTXt", b"a\0\1\0\0\0" + bomb), _zeros(20))
    yield "png-profile-bomb", _png(4, 4, _chunk(b"iCCP", b"a\0\0" + bomb), _zeros(20))
    yield "png-data-bomb", _png(4, 4, _chunk(b"IDAT", bomb))
    yield "png-many-chunks", _png(4, 4, _chunk(b"tEXt", b"a\0b") * 50_000, _zeros(20))
    yield "png-length-lie", _PNG + _chunk(b"IHDR", bytes(13), 2**31 - 1)
    scan = b"\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00" + b"\x00" * 8
    jpeg = _saved(Image.new("RGB", (1000, 1000)), "JPEG", "RGB", {"progressive": True})
    first = jpeg.index(b"\xff\xda")
    second = jpeg.index(b"\xff\xc4", first)
    scans = jpeg[second:-2]
    yield "jpeg-many-scans", jpeg[:-2] + scans * 120 + b"\xff\xd9"
    yield "jpeg-odd-scans", jpeg[:first] + scan * 2_000
    yield "jpeg-many-markers", b"\xff\xd8" + b"\xff\xe1\x00\x02" * 50_000
    yield (
        "jpeg-huge",
        jpeg[:2] + jpeg[2:].replace(struct.pack(">HH", 1000, 1000), struct.pack(">HH", 65_500, 65_500), 1),
    )
    yield "gif-huge", b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0x80, 0, 0) + bytes(6) + b";"
    yield "gif-many-frames", b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0x80, 0, 0) + bytes(6) + _GIF_FRAME * 20_000 + b";"
    yield "webp-huge", b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + b"\xff" * 6
    for magic in (b"%!PS-Adobe-3.0 EPSF-3.0\n", b"BM", b"II*\0", b"8BPS", b"\0\0\1\0", b"P6 9 9 255 ", b"SIMPLE  ="):
        yield f"other-{magic[:4]!r}", magic + bytes(500)


_SIDE = 4470
_MODES = {"grey": (8, 0, 8), "bits": (1, 0, 1), "colour": (8, 2, 24), "alpha": (8, 6, 32), "deep": (16, 0, 16)}
_GIF_FRAME = b"," + struct.pack("<HHHHB", 0, 0, 4, 4, 0) + b"\x02\x02\x84\x51\x00"
