"""Whatever a file is named, its bytes say what it is; what is no model says so and what to do."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.header import Format, Verdict
from modelshelf.errors import FileGone, FileUnreadable
from modelshelf.formats.inspect import declared_size, read_header
from tests import builders

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from modelshelf.domain.header import Header


def read(folder: Path, content: bytes, name: str = "model.safetensors") -> Header:
    path = folder / name
    path.write_bytes(content)
    return read_header(path)


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return written.getvalue()


def tarred() -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.safetensors"), io.BytesIO())
    return written.getvalue()


NO_MODELS = {
    "lfs": (builders.lfs_pointer(), Format.LFS_POINTER, "a Git LFS pointer to a file of 254,736 bytes, not the model"),
    "lfs without size": (
        b"version https://git-lfs.github.com/spec/v1\n",
        Format.LFS_POINTER,
        "a Git LFS pointer to a file, not the model: run git lfs pull",
    ),
    "page": (builders.html_page(), Format.HTML, 'a web page ("Sign in"), not the model'),
    "page without title": (b"\xef\xbb\xbf \n<HTML>", Format.HTML, "a web page, not the model"),
    "XML error": (
        b'<?xml version="1.0"?><Error><Message>Access\nDenied</Message></Error>',
        Format.HTML,
        'a web page ("Access Denied")',
    ),
    "JSON error": (b'{"error":"Unauthorized"}', Format.JSON, 'a JSON text ("Unauthorized"), not the model'),
    "nested JSON error": (b'{"error":{"message":"Not\\nfound"}}', Format.JSON, '("Not found")'),
    "JSON without message": (b'{"a": 1, "error": 5}', Format.JSON, "a JSON text, not the model"),
    "JSON list": (b'[{"error": "x"}]', Format.JSON, "a JSON text, not the model"),
    "cut JSON": (b'{"error": "Unauth', Format.JSON, "a JSON text, not the model"),
    "deep JSON": (b"[" * 50_000, Format.JSON, "a JSON text, not the model"),
    "empty": (b"", Format.EMPTY, "an empty file"),
    "blank": (bytes(5000), Format.BLANK, "begins with zeros"),
    "blank head": (bytes(8) + b"rest", Format.BLANK, "begins with zeros"),
    "three zeros": (bytes(3), Format.BLANK, "begins with zeros"),
}


@pytest.mark.parametrize("extension", [".safetensors", ".ckpt", ".gguf"])
@pytest.mark.parametrize("case", NO_MODELS)
def test_what_is_no_model_is_broken_and_says_what_it_is(tmp_path: Path, case: str, extension: str) -> None:
    content, expected_format, said = NO_MODELS[case]

    header = read(tmp_path, content, f"model{extension}")

    assert (header.format, header.verdict) == (expected_format, Verdict.BROKEN)
    assert said in (header.reason or "")
    assert not header.is_readable
    assert header.declared_size_bytes is None


@pytest.mark.parametrize(
    ("content", "name", "expected_format"),
    [
        (builders.legacy_pickle(1), "model.ckpt", Format.PICKLE),
        (b"\x80\x04}.", "model.pt", Format.PICKLE),
        (builders.onnx(1), "model.onnx", Format.ONNX),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "model.h5", Format.UNKNOWN),
        (b"neither this nor that", "model.bin", Format.UNKNOWN),
        (b"{\0binary", "model.bin", Format.UNKNOWN),
        (b"7z\xbc\xaf\x27\x1c rest", "model.7z", Format.ARCHIVE),
        (b"\x1f\x8b rest", "model.gz", Format.ARCHIVE),
        (b"Rar!\x1a\x07 rest", "model.rar", Format.ARCHIVE),
        (tarred(), "model.tar", Format.ARCHIVE),
        (zipped({"poses/one.png": b"x"}), "poses.zip", Format.ARCHIVE),
    ],
)
def test_what_declares_nothing_is_unproven(tmp_path: Path, content: bytes, name: str, expected_format: Format) -> None:
    header = read(tmp_path, content, name)

    assert (header.format, header.verdict) == (expected_format, Verdict.UNPROVEN)
    assert header.reason


@pytest.mark.parametrize("extension", [".safetensors", ".gguf"])
@pytest.mark.parametrize(
    "content", [b"neither this nor that", b"1234567", b"7z\xbc\xaf\x27\x1c rest", zipped({"a": b"x"})]
)
def test_a_strict_extension_over_other_bytes_is_broken(tmp_path: Path, content: bytes, extension: str) -> None:
    header = read(tmp_path, content, f"model{extension}")

    assert header.verdict is Verdict.BROKEN
    assert (header.reason or "").startswith(f"named {extension} but is ")


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (builders.lora(1), "model.ckpt", "named .ckpt but is safetensors"),
        (builders.lora(1), "MODEL.PT", "named .pt but is safetensors"),
        (builders.gguf(1), "model.safetensors", "named .safetensors but is gguf"),
        (builders.torch_zip(1), "model.safetensors", "named .safetensors but is torch_zip"),
    ],
)
def test_a_sound_file_under_another_formats_name_stays_sound_but_says_so(
    tmp_path: Path, content: bytes, name: str, reason: str
) -> None:
    header = read(tmp_path, content, name)

    assert (header.verdict, header.reason) == (Verdict.SOUND, reason)


@pytest.mark.parametrize("name", ["model.safetensors", "model.sft", "model.SafeTensors", "model", "model.part"])
def test_a_sound_file_under_a_fitting_or_unknown_name_has_nothing_to_say(tmp_path: Path, name: str) -> None:
    header = read(tmp_path, builders.lora(1), name)

    assert (header.verdict, header.reason) == (Verdict.SOUND, None)


def test_a_broken_file_keeps_its_reason_under_any_name(tmp_path: Path) -> None:
    header = read(tmp_path, builders.lora(1) + b"x", "model.ckpt")

    assert "but its header declares" in (header.reason or "")


@pytest.mark.parametrize("read_it", [read_header, declared_size])
def test_a_fifo_or_directory_is_unreadable_and_never_blocks(tmp_path: Path, read_it: Callable[[Path], object]) -> None:
    fifo = tmp_path / "pipe.safetensors"
    os.mkfifo(fifo)
    for path in (fifo, tmp_path):
        with pytest.raises(FileUnreadable):
            read_it(path)
    with pytest.raises(FileGone):
        read_it(tmp_path / "nothing")


@pytest.mark.parametrize(
    "content", [b"", b"PK", bytes(100), builders.onnx(1), builders.legacy_pickle(1), builders.lora(1)[:50], b"{}"]
)
def test_what_declares_no_length_has_no_declared_size(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model"
    path.write_bytes(content)

    assert declared_size(path) is None


def test_a_whole_torch_zip_is_sound(tmp_path: Path) -> None:
    content = builders.torch_zip(1)

    header = read(tmp_path, content, "model.pt")

    assert (header.format, header.verdict, header.reason) == (Format.TORCH_ZIP, Verdict.SOUND, None)
    assert header.declared_size_bytes == len(content)


def test_a_torch_zip_ends_behind_its_comment_and_says_what_follows(tmp_path: Path) -> None:
    written = io.BytesIO(builders.torch_zip(1))
    with zipfile.ZipFile(written, "a") as archive:
        archive.comment = b"by hand"
    content = written.getvalue()

    assert read(tmp_path, content, "model.pt").declared_size_bytes == len(content)

    longer = read(tmp_path, content + b"xyz", "model.pt")
    assert (longer.verdict, longer.declared_size_bytes) == (Verdict.SOUND, len(content))
    assert longer.reason == "3 bytes follow the end of its zip"


def test_every_cut_through_a_torch_zip_is_incomplete(tmp_path: Path) -> None:
    content = builders.torch_zip(1)
    for length in range(9, len(content)):
        header = read(tmp_path, content[:length], "model.pt")
        assert (header.format, header.verdict) == (Format.TORCH_ZIP, Verdict.INCOMPLETE), length


def test_a_cut_zip_of_another_name_is_judged_by_its_first_member(tmp_path: Path) -> None:
    assert read(tmp_path, builders.torch_zip(1)[:100], "model").format is Format.TORCH_ZIP
    assert read(tmp_path, zipped({"one.png": bytes(100)})[:90], "poses.zip").format is Format.ARCHIVE


def test_a_zip_cut_within_its_comment_is_incomplete(tmp_path: Path) -> None:
    written = io.BytesIO(builders.torch_zip(1))
    with zipfile.ZipFile(written, "a") as archive:
        archive.comment = b"by hand"

    assert read(tmp_path, written.getvalue()[:-1], "model.pt").verdict is Verdict.INCOMPLETE


def test_an_empty_zip_is_an_archive(tmp_path: Path) -> None:
    assert read(tmp_path, zipped({}), "model.pt").format is Format.ARCHIVE


def test_an_encrypted_zip_is_broken(tmp_path: Path) -> None:
    content = bytearray(builders.torch_zip(1))
    content[content.index(b"PK\x01\x02") + 8] |= 1

    header = read(tmp_path, bytes(content), "model.pt")

    assert (header.verdict, header.reason) == (Verdict.BROKEN, "its zip is encrypted")


def test_a_zip_bomb_is_broken(tmp_path: Path) -> None:
    content = zipped({"archive/data.pkl": b"}.", "archive/data/0": bytes(80_000_000)}, zipfile.ZIP_DEFLATED)

    header = read(tmp_path, content, "model.pt")

    assert header.verdict is Verdict.BROKEN
    assert "a zip bomb" in (header.reason or "")


def test_members_that_lie_over_one_another_are_broken(tmp_path: Path) -> None:
    content = bytearray(builders.torch_zip(1))
    at = content.index(b"PK\x01\x02")
    content[at + 20 : at + 24] = struct.pack("<I", 2**31)

    header = read(tmp_path, bytes(content), "model.pt")

    assert (header.verdict, header.reason) == (Verdict.BROKEN, "the members of its zip lie over one another")


def test_a_damaged_directory_is_broken(tmp_path: Path) -> None:
    content = bytearray(builders.torch_zip(1))
    content[content.index(b"PK\x01\x02")] = 0

    header = read(tmp_path, bytes(content), "model.pt")

    assert header.verdict is Verdict.BROKEN
    assert "directory of its zip is damaged" in (header.reason or "")


def test_a_directory_that_claims_too_much_is_never_read(tmp_path: Path) -> None:
    content = bytearray(builders.torch_zip(1))
    content[-12:-10] = struct.pack("<H", 0xFFFF)

    header = read(tmp_path, bytes(content), "model.pt")

    assert (header.verdict, header.reason) == (Verdict.BROKEN, "its zip claims 65,535 members")


def with_zip64_record(content: bytes, *, members: int, locator: bytes = b"PK\x06\x07") -> bytes:
    """Put a zip64 record and its locator before the end record, as torch does for large files."""
    end = content.rindex(b"PK\x05\x06")
    _, _, _, _, count, size, offset, _ = struct.unpack("<4s4H2LH", content[end : end + 22])
    record = struct.pack(
        "<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, members or count, members or count, size, offset
    )
    return content[:end] + record + struct.pack("<4sLQL", locator, 0, end, 1) + content[end:]


def test_the_zip64_record_of_large_files_counts(tmp_path: Path) -> None:
    content = builders.torch_zip(1)

    assert read(tmp_path, with_zip64_record(content, members=0), "model.pt").verdict is Verdict.SOUND
    assert "claims 60,000 members" in (
        read(tmp_path, with_zip64_record(content, members=60_000), "model.pt").reason or ""
    )


def test_a_zip64_record_without_locator_does_not_count(tmp_path: Path) -> None:
    content = with_zip64_record(builders.torch_zip(1), members=60_000, locator=b"PK\0\0")

    assert "members" not in (read(tmp_path, content, "model.pt").reason or "")


def test_an_error_of_the_disk_within_a_zip_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(builders.torch_zip(1))

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("zipfile.ZipFile", fail)
    with pytest.raises(FileUnreadable, match="EIO"):
        read_header(path)


@pytest.mark.parametrize(
    "content",
    [
        b"\x08\x08\x3a\x02",  # a graph, and no more
        b"\x08\x08\x3a\xff\xff\xff\xff\x07graph",
    ],
)
def test_an_onnx_model_that_ends_within_its_graph_is_incomplete(tmp_path: Path, content: bytes) -> None:
    header = read(tmp_path, content, "model.onnx")

    assert (header.format, header.verdict) == (Format.ONNX, Verdict.INCOMPLETE)


@pytest.mark.parametrize(
    "content",
    [
        b"\x08\x08",  # no graph
        b"\x3a\x02xy",  # no version
        b"\x08\x00\x3a\x02xy",  # version 0
        b"\x08\x65\x3a\x02xy",  # version 101
        b"\x0a\x02xy\x3a\x02xy",  # the version is text
        b"\x08\x08\x3a\x02xy\x4a\x02xy",  # a field that ONNX does not have
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x08\x08\x12",
        b"\xff" * 100,
    ],
)
def test_junk_is_no_onnx_model(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content, "model.onnx").format is Format.UNKNOWN


def test_a_protobuf_of_endless_fields_is_left_alone(tmp_path: Path) -> None:
    assert read(tmp_path, b"\x08\x08" * 20_000 + b"\x3a\x00", "model.onnx").format is Format.UNKNOWN


@pytest.mark.parametrize("name", ["empty.pt", "vaeapprox-sd1.pt", "vaeapprox-sdxl.pt"])
def test_real_torch_files_are_sound(recordings: Path, name: str) -> None:
    path = recordings / "files" / "pickle_benign" / name

    header = read_header(path)

    assert (header.format, header.verdict) == (Format.TORCH_ZIP, Verdict.SOUND)
    assert header.declared_size_bytes == path.stat().st_size


def test_real_pointers_under_model_names_are_broken(recordings: Path) -> None:
    paths = sorted((recordings / "files" / "lfs_pointer_masquerading").iterdir())

    assert len(paths) == 6
    for path in paths:
        assert read_header(path).format is Format.LFS_POINTER


def test_real_pictures_and_workflows_are_no_models(recordings: Path) -> None:
    for path in sorted((recordings / "files" / "images").iterdir()):
        assert read_header(path).format is Format.UNKNOWN
    for path in sorted((recordings / "files" / "comfy_workflow_json").iterdir()):
        assert read_header(path).format is Format.JSON
