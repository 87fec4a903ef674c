"""Pictures: known by their bytes; made into clean PNG or refused with a reason."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import pytest
from PIL import Image, PngImagePlugin

from modelshelf.errors import BrokenModelFile
from modelshelf.formats.pictures import demand_bounded, picture_suffix, to_png
from tests import builders

if TYPE_CHECKING:
    from pathlib import Path


def saved(image: Image.Image, format_name: str, **options: object) -> bytes:
    written = io.BytesIO()
    image.save(written, format_name, **options)
    return written.getvalue()


def opened(picture: bytes) -> Image.Image:
    return Image.open(io.BytesIO(picture))


@pytest.mark.parametrize(
    ("head", "suffix"),
    [
        (builders.png()[:12], ".png"),
        (builders.jpeg()[:12], ".jpeg"),
        (saved(Image.new("RGB", (4, 4)), "WEBP")[:12], ".webp"),
        (saved(Image.new("RGB", (4, 4)), "GIF")[:12], ".gif"),
        (b"\0\0\0\x20ftypisom", ".mp4"),
        (b"\0\0\0\x18ftypmp42", ".mp4"),
        (b"\0\0\0\x1cftypavif", ".avif"),
        (b"\0\0\0\x1cftypavis", ".avif"),
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81", ".webm"),
        (b"\xff\x0a\xfa\x1f", ".jxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", ".jxl"),
        (b"\0\0\0\x18ftypheic", None),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"<!DOCTYPE ht", None),
        (b"BM", None),
        (b"", None),
    ],
)
def test_the_suffix_is_told_by_the_bytes(head: bytes, suffix: str | None) -> None:
    assert picture_suffix(head) == suffix


def test_real_pictures_are_told_by_their_bytes(recordings: Path) -> None:
    folder = recordings / "files" / "images"

    assert picture_suffix((folder / "png_named_jpg.jpg").read_bytes()) == ".png"
    assert picture_suffix((folder / "whoops.jpg").read_bytes()) == ".jpeg"


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP", "GIF"])
def test_every_kind_of_picture_becomes_a_real_png(format_name: str) -> None:
    made = to_png(saved(Image.new("RGB", (40, 20), (200, 80, 40)), format_name), max_width=100)

    assert picture_suffix(made) == ".png"
    assert opened(made).size == (40, 20)
    assert opened(made).mode == "RGB"


def test_a_wide_picture_is_made_narrow_and_keeps_its_proportions() -> None:
    assert opened(to_png(builders.png(1000, 500), max_width=450)).size == (450, 225)


def test_a_line_of_pixels_keeps_one_row() -> None:
    assert opened(to_png(builders.png(1000, 1), max_width=10)).size == (10, 1)


def test_a_picture_is_turned_as_its_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6

    assert opened(to_png(saved(Image.new("RGB", (40, 20)), "JPEG", exif=exif), max_width=100)).size == (20, 40)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_no_wider_than_asked_for(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = (20, 40) if orientation > 4 else (20, 10)

    assert opened(to_png(saved(Image.new("RGB", (400, 200)), "JPEG", exif=exif), max_width=20)).size == expected


def test_a_preview_is_no_tower() -> None:
    assert opened(to_png(builders.png(100, 19_000), max_width=50)).size == (2, 400)


def test_a_picture_that_is_drawn_a_hundred_times_over_is_refused() -> None:
    progressive = saved(Image.new("RGB", (8, 8)), "JPEG", progressive=True)
    scans = progressive[progressive.index(b"\xff\xda") : -2]

    assert to_png(progressive[:-2] + scans * 5 + b"\xff\xd9", max_width=8)
    with pytest.raises(BrokenModelFile, match="too many times over"):
        to_png(progressive[:-2] + scans * 100 + b"\xff\xd9", max_width=8)


def test_metadata_is_not_copied() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "a secret prompt")
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    picture = saved(Image.new("RGB", (8, 8)), "PNG", pnginfo=text, exif=exif, icc_profile=b"profile", dpi=(300, 300))

    made = to_png(picture, max_width=100)

    assert [name for name in (b"tEXt", b"iTXt", b"zTXt", b"eXIf", b"iCCP", b"pHYs") if name in made] == []
    assert b"secret" not in made


def test_transparency_is_kept() -> None:
    assert opened(to_png(saved(Image.new("RGBA", (8, 8), (1, 2, 3, 4)), "PNG"), max_width=8)).getpixel((0, 0)) == (
        1,
        2,
        3,
        4,
    )
    assert opened(to_png(saved(Image.new("P", (8, 8)), "PNG", transparency=0), max_width=8)).mode == "RGBA"


@pytest.mark.parametrize("mode", ["CMYK", "L"])
def test_other_colour_models_become_rgb(mode: str) -> None:
    assert opened(to_png(saved(Image.new(mode, (8, 8)), "JPEG"), max_width=8)).mode == "RGB"


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    picture = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])

    assert opened(to_png(picture, max_width=8)).convert("RGB").getpixel((0, 0)) == (255, 0, 0)


def claimed_png(width: int, height: int) -> bytes:
    """Build a PNG that claims a size and has no pixels."""
    header = struct.pack(">II5B", width, height, 8, 2, 0, 0, 0)
    chunks = b""
    for kind, content in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        chunks += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize(
    ("width", "height"), [(4473, 4472), (10_000, 10_000), (60_000, 60_000), (20_001, 1), (1, 20_001)]
)
def test_a_picture_of_too_many_pixels_is_refused_before_decoding(width: int, height: int) -> None:
    with pytest.raises(BrokenModelFile, match="too many pixels"):
        to_png(claimed_png(width, height), max_width=450)


@pytest.mark.parametrize(
    "picture",
    [
        b"",
        builders.html_page(),
        builders.png()[:40],
        builders.jpeg(64, 64)[:-200],
        claimed_png(8, 8),
        claimed_png(0, 8),
        b"\0\0\0\x20ftypisom" + bytes(100),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
        saved(Image.new("RGB", (8, 8)), "TIFF"),
    ],
)
def test_what_cannot_be_decoded_is_broken_and_says_so(picture: bytes) -> None:
    with pytest.raises(BrokenModelFile, match="cannot be decoded"):
        to_png(picture, max_width=450)


@pytest.mark.parametrize("picture", [claimed_png(10_000, 10_000), claimed_png(20_001, 1)])
def test_a_picture_that_is_kept_as_it_is_is_bounded_too(picture: bytes) -> None:
    with pytest.raises(BrokenModelFile, match="too many pixels"):
        demand_bounded(picture)


def test_a_picture_that_no_program_can_read_is_not_kept() -> None:
    with pytest.raises(BrokenModelFile, match="cannot be decoded"):
        demand_bounded(builders.png()[:20])


@pytest.mark.parametrize(
    "picture", [builders.png(), builders.jpeg(), claimed_png(4000, 4000), b"\0\0\0\x20ftypisom" + bytes(100)]
)
def test_what_is_bounded_or_cannot_be_told_may_be_kept(picture: bytes) -> None:
    demand_bounded(picture)
