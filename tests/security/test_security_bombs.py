"""Small things that unpack to large ones, answers without end, addresses that lead inside: seen before they cost anything."""

from __future__ import annotations

import gzip
import io
import struct
import time
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.header import Verdict
from modelshelf.domain.task import TaskKind
from modelshelf.errors import BrokenModelFile, CivitaiUnavailable, ModelshelfError
from modelshelf.formats.pictures import to_png
from tests import builders
from tests.fakes.civitai_server import CivitaiStandIn
from tests.fakes.civitai_wire import Reply
from tests.security.stranger import CONTENT, speak

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.steps.step_shelf import StepShelf

GIGABYTE = 1024**3
LAYER_BYTES = 1024**2


@contextmanager
def cheap(*, seconds: float = 5, megabytes: int = 256) -> Iterator[None]:
    """Fail where the block takes more processor time, or at its peak more memory than before, than that."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")  # forgets the peak of before, see proc_pid_clear_refs(5)
    began, memory_before = time.process_time(), _peak_megabytes()
    yield
    assert time.process_time() - began < seconds
    assert _peak_megabytes() - memory_before < megabytes


def _peak_megabytes() -> float:
    lines = Path("/proc/self/status").read_text("ascii", "replace").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def zeros(gigabytes: float, wbits: int) -> bytes:
    """Give so many zeros, deflated: one flushed block over and over, so that making them costs nothing."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    first = packer.compress(bytes(LAYER_BYTES)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(LAYER_BYTES)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * int(gigabytes * GIGABYTE // LAYER_BYTES)


def test_a_torch_file_of_ten_gigabytes_of_zeros_is_broken_and_not_unpacked(shelf: StepShelf) -> None:
    packed = zeros(10, -15)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        archive.writestr("archive/data/0", packed)
        member = archive.getinfo("archive/data/0")
        member.compress_type, member.file_size = zipfile.ZIP_DEFLATED, 10 * GIGABYTE
    shelf.put("bomb.ckpt", written.getvalue())
    with cheap():
        shelf.look_through()
    header = shelf.store.files.header(shelf.file("bomb.ckpt").id)
    assert header is not None
    assert header.verdict is Verdict.BROKEN
    assert "a zip bomb" in (header.reason or "")
    assert "bomb.json" not in shelf.names()


def png(width: int, height: int, pixels: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    head = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    parts = [
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in (head, *chunks, (b"IDAT", pixels), (b"IEND", b""))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


PICTURES = {
    "pixels": png(40_000, 40_000, zeros(1.6, 15)),
    "one long row": png(400_000_000, 1, zeros(0.4, 15)),
    "data behind a small picture": png(4, 4, zeros(2, 15)),
    "text": png(4, 4, zlib.compress(bytes(20)), (b"zTXt", b"a\0\0" + zeros(1, 15))),
    "profile": png(4, 4, zlib.compress(bytes(20)), (b"iCCP", b"a\0\0" + zeros(1, 15))),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_unpacks_to_gigabytes_costs_next_to_nothing(name: str) -> None:
    with cheap(seconds=2, megabytes=100):
        made, cause = drawn(PICTURES[name])
    assert len(made) < 10_000
    assert not isinstance(cause, MemoryError)


def drawn(picture: bytes) -> tuple[bytes, BaseException | None]:
    """Give the PNG that is made of a picture, or why there is none."""
    try:
        return to_png(picture, max_width=512), None
    except BrokenModelFile as error:
        return b"", error.__cause__


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_is_a_bomb_gives_its_place_to_the_next(
    shelf: StepShelf, civitai: CivitaiStandIn, name: str
) -> None:
    good = f"{civitai.origin}/images/u/width=8/2.jpeg"
    with CivitaiStandIn() as hostile:
        hostile.mood_for = lambda _: lambda _: Reply(200, PICTURES[name], "image/png")
        speak(civitai, "words", f"{hostile.origin}/images/u/width=8/1.jpeg", good)
        shelf.put("model.safetensors", CONTENT)
        shelf.look_through()
    assert shelf.path("model.preview.png").stat().st_size < 1_000_000


@pytest.mark.parametrize("layers", ["gzip", "gzip, gzip", "deflate"])
def test_an_answer_that_unpacks_to_gigabytes_is_no_answer(
    shelf: StepShelf, civitai: CivitaiStandIn, layers: str
) -> None:
    bomb = zeros(2, 31 if layers.startswith("gzip") else 15)
    bomb = gzip.compress(bomb) if layers == "gzip, gzip" else bomb
    civitai.mood_for = lambda _: lambda _: Reply(200, bomb, headers={"Content-Encoding": layers})
    with cheap(), pytest.raises(ModelshelfError):
        shelf.client.get_model(1)
    shelf.put("model.safetensors", CONTENT)
    with cheap(seconds=10):
        shelf.look_through()
    assert shelf.content("model.safetensors").version_id is None


def test_a_record_of_millions_of_empty_lists_is_not_taken_apart(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    civitai.mood_for = lambda _: lambda _: Reply(200, b'{"id":1,"images":[' + b"[]," * 7_000_000 + b"[]]}")
    with cheap(megabytes=150), pytest.raises(ModelshelfError, match="more values than any record has"):
        shelf.client.get_model(1)


@pytest.mark.parametrize("text", [b"[" + b"[]," * 5_000_000 + b"[]]", b"[" * 16_000_000])
def test_a_sidecar_that_would_fill_the_memory_is_left_alone(shelf: StepShelf, text: bytes) -> None:
    shelf.put("model.safetensors", CONTENT)
    path = shelf.put("model.json", text)
    with cheap(seconds=10):
        shelf.look_through()
    assert path.read_bytes() == text
    assert shelf.events("sidecar_not_written")


@pytest.mark.parametrize(
    "header", [b'{"t":[' + b"[]," * 5_000_000 + b"[]]}", b'{"t":"' + b"\xf0\x9f\x98\x80" * 20_000_000 + b'"}']
)
def test_a_header_that_would_fill_the_memory_is_not_taken_apart(shelf: StepShelf, header: bytes) -> None:
    shelf.put("model.safetensors", builders.raw_safetensors(header))
    with cheap(seconds=10):
        shelf.scan()
        shelf.do(TaskKind.INSPECT_FILE, "model.safetensors")
    found = shelf.store.files.header(shelf.file("model.safetensors").id)
    assert found is not None
    assert found.verdict is Verdict.UNPROVEN


def test_a_picture_at_an_inner_address_is_passed_over(
    shelf: StepShelf, civitai: CivitaiStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelshelf.civitai.reach.Reach._is_home_inside", lambda _: False)
    inner = [f"http://{host}/width=8/1.jpeg" for host in ("169.254.169.254", "localhost:9", "[::1]:9", "10.0.0.1")]
    odd = ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x", "data:image/png;base64,AA", "//x/y", "\\\\host\\x"]
    speak(civitai, "words", *inner, *odd, f"{civitai.origin}/images/u/width=8/2.jpeg")
    shelf.put("model.safetensors", CONTENT)
    shelf.look_through()
    assert shelf.path("model.preview.png").exists()


def test_a_server_that_only_redirects_is_asked_six_times(shelf: StepShelf, civitai: CivitaiStandIn) -> None:
    civitai.mood_for = lambda _: lambda _: Reply(302, b"x" * 1000, headers={"Location": "/again"})
    with pytest.raises(CivitaiUnavailable, match="redirects more than"):
        shelf.client.get_model(1)
    assert len(civitai.requests) == 6
