"""Our mark in pictures: it says what a picture shows, and only as long as nobody has worked on it."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from modelshelf.formats import picture_mark
from modelshelf.formats.picture_mark import mark_in, mark_of, marked
from modelshelf.formats.pictures import to_png
from tests import builders

if TYPE_CHECKING:
    from pathlib import Path

CLIP = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom\x00\x00\x00\x08mdat"
PICTURES = {"png": builders.png(20, 10), "jpeg": builders.jpeg(20, 10), "mp4": CLIP}


def webp() -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (4, 4)).save(written, "WEBP")
    return written.getvalue()


@pytest.mark.parametrize("name", PICTURES)
def test_a_mark_says_what_was_put_into_it(name: str) -> None:
    picture = marked(PICTURES[name], "version 7")
    assert mark_in(picture) == "version 7"
    assert mark_in(PICTURES[name]) is None


@pytest.mark.parametrize("name", ["png", "jpeg"])
def test_a_marked_picture_is_the_same_picture(name: str) -> None:
    before, after = (Image.open(io.BytesIO(each)) for each in (PICTURES[name], marked(PICTURES[name], "version 7")))
    assert before.tobytes() == after.tobytes()
    assert after.format == before.format


def test_a_marked_clip_ends_with_a_box_that_players_skip() -> None:
    box = marked(CLIP, "version 7")[len(CLIP) :]
    assert (int.from_bytes(box[:4]), box[4:8]) == (len(box), b"free")


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_in_which_one_bit_was_changed_bears_no_mark(name: str) -> None:
    picture = bytearray(marked(PICTURES[name], "version 7"))
    for place in range(12, len(picture)):
        picture[place] ^= 1
        assert mark_in(bytes(picture)) != "version 7", place
        picture[place] ^= 1


def test_a_picture_that_was_saved_anew_with_its_remarks_bears_no_mark() -> None:
    with Image.open(io.BytesIO(marked(builders.png(20, 10), "version 7"))) as opened:
        opened.putpixel((0, 0), (1, 2, 3))
        text = dict(opened.info)
        written = io.BytesIO()
        opened.save(written, "PNG", pnginfo=_text_chunks(text))
    assert b"version 7" in written.getvalue()
    assert mark_in(written.getvalue()) is None


def _text_chunks(text: dict[str | tuple[int, int], str]) -> object:
    from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415

    chunks = PngInfo()
    for key, value in text.items():
        chunks.add_text(str(key), str(value))
    return chunks


@pytest.mark.parametrize("name", PICTURES)
def test_the_mark_of_another_shelf_does_not_hide_ours(name: str) -> None:
    assert mark_in(marked(marked(PICTURES[name], "version 7"), "version 8")) == "version 8"


@pytest.mark.parametrize("picture", [webp(), b"", b"rubbish"])
def test_what_has_no_room_for_a_mark_is_left_as_it_is(picture: bytes) -> None:
    assert marked(picture, "version 7") == picture
    assert mark_in(picture) is None


@pytest.mark.parametrize("name", PICTURES)
def test_the_mark_of_a_file_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "picture"
    path.write_bytes(marked(PICTURES[name], "version 7"))
    assert mark_of(path) == "version 7"
    path.write_bytes(PICTURES[name])
    assert mark_of(path) is None


def test_what_is_no_file_that_can_be_read_has_no_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "fifo")
    large = tmp_path / "large"
    large.write_bytes(marked(builders.png(), "version 7"))
    monkeypatch.setattr(picture_mark, "MAX_MARKED_BYTES", 100)
    for path in (tmp_path / "fifo", tmp_path, tmp_path / "nothing", large):
        assert mark_of(path) is None


def test_a_large_picture_of_somebody_s_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: bytes) -> str | None:
        raise AssertionError("read whole")

    path = tmp_path / "picture.png"
    path.write_bytes(builders.png(20, 10) + bytes(10_000))
    monkeypatch.setattr(picture_mark, "mark_in", refuse)
    assert mark_of(path) is None


def test_a_made_preview_takes_a_mark() -> None:
    assert mark_in(marked(to_png(builders.jpeg(20, 10), max_width=10), "version 7")) == "version 7"
