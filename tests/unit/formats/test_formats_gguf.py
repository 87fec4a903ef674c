"""GGUF headers: both byte orders, every bound, every way to end too early."""

from __future__ import annotations

import struct
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelshelf.domain.header import Format, Verdict
from modelshelf.formats.inspect import declared_size, read_header
from tests import builders
from tests.builders import gguf_text

if TYPE_CHECKING:
    from pathlib import Path

    from modelshelf.domain.header import Header


def read(folder: Path, content: bytes) -> Header:
    path = folder / "model.gguf"
    path.write_bytes(content)
    return read_header(path)


def headed(*, tensors: int = 0, entries: int = 0, rest: bytes = b"", version: int = 3) -> bytes:
    return struct.pack("<4sIQQ", b"GGUF", version, tensors, entries) + rest


def entry(key: str, type_number: int, value: bytes) -> bytes:
    return gguf_text(key) + struct.pack("<I", type_number) + value


def tensor(name: str, extents: tuple[int, ...], type_number: int = 0, offset: int = 0) -> bytes:
    return (
        gguf_text(name)
        + struct.pack(f"<I{len(extents)}Q", len(extents), *extents)
        + struct.pack("<IQ", type_number, offset)
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", [2, 3])
def test_the_header_is_told(tmp_path: Path, version: int, order: str) -> None:
    content = builders.gguf(
        1,
        {"img_in.weight": ("Q8_0", (16, 64)), "bias": ("F32", (3,))},
        {"general.architecture": "flux", "general.tags": ["a", "b"], "general.file_type": 7, "alpha": 0.5},
        version=version,
        order=order,
    )

    header = read(tmp_path, content)

    assert (header.format, header.verdict, header.reason) == (Format.GGUF, Verdict.SOUND, None)
    assert header.declared_size_bytes == len(content)
    assert header.tensor_count == 2
    assert header.dtypes == {"Q8_0": 16 * 64 // 32 * 34, "F32": 12}
    assert header.metadata == {
        "general.architecture": "flux",
        "general.tags": ["a", "b"],
        "general.file_type": 7,
        "alpha": 0.5,
    }
    assert header.architecture == "Flux.1"


def test_shapes_are_turned_into_torchs_order(tmp_path: Path) -> None:
    tensors = {"input_blocks.0.0.weight": ("F16", (4, 32)), "a.attn2.to_k.weight": ("F16", (32, 2048))}

    assert read(tmp_path, builders.gguf(1, tensors, {})).architecture == "SDXL"


def test_the_last_padding_may_be_missing(tmp_path: Path) -> None:
    padded = builders.gguf(1, {"t": ("F32", (3,))}, {})
    for content in (padded, padded[:-20], padded[:-7]):
        header = read(tmp_path, content)
        assert (header.verdict, header.declared_size_bytes) == (Verdict.SOUND, len(content))


def test_a_truncated_file_is_incomplete_and_says_both_numbers(tmp_path: Path) -> None:
    padded = builders.gguf(1, {"t": ("F32", (8,))}, {})

    header = read(tmp_path, padded[:-1])

    assert header.verdict is Verdict.INCOMPLETE
    assert header.declared_size_bytes == len(padded)
    assert header.reason == f"has {len(padded) - 1:,} bytes of the {len(padded):,} that its header declares"
    assert declared_size(tmp_path / "model.gguf") == len(padded)


def test_a_longer_file_is_broken(tmp_path: Path) -> None:
    header = read(tmp_path, builders.gguf(1) + b"x")

    assert header.verdict is Verdict.BROKEN


def test_every_cut_through_the_header_is_incomplete(tmp_path: Path) -> None:
    content = builders.gguf(1, {"t": ("F32", (8,))}, {"general.architecture": "flux", "tags": ["a"] * 70, "n": 1})
    for length in range(4, len(content)):
        header = read(tmp_path, content[:length])
        assert header.verdict is Verdict.INCOMPLETE, length


def test_a_vocabulary_without_tensors_is_sound(tmp_path: Path) -> None:
    header = read(tmp_path, headed(entries=1, rest=entry("general.architecture", 8, gguf_text("bert"))))

    assert (header.verdict, header.tensor_count) == (Verdict.SOUND, 0)


@pytest.mark.parametrize(
    ("type_number", "value", "kept"),
    [
        (0, b"\xff", 255),
        (1, b"\xff", -1),
        (2, b"\x01\x01", 257),
        (3, b"\xff\xff", -1),
        (4, b"\1\0\0\0", 1),
        (5, b"\xff\xff\xff\xff", -1),
        (6, struct.pack("<f", 0.25), 0.25),
        (7, b"\1", True),
        (8, gguf_text("é"), "é"),
        (8, b"\2\0\0\0\0\0\0\0\xff\xfe", "\ufffd\ufffd"),
        (10, b"\xff" * 8, 2**64 - 1),
        (11, b"\xff" * 8, -1),
        (12, struct.pack("<d", 1e300), 1e300),
        (9, struct.pack("<IQ2i", 5, 2, -1, 7), [-1, 7]),
        (9, struct.pack("<IQ", 5, 64) + bytes(256), [0] * 64),
    ],
)
def test_values_of_every_type_are_kept(tmp_path: Path, type_number: int, value: bytes, kept: object) -> None:
    assert read(tmp_path, headed(entries=1, rest=entry("k", type_number, value))).metadata == {"k": kept}


@pytest.mark.parametrize(
    ("type_number", "value"),
    [
        (9, struct.pack("<IQ", 5, 65) + bytes(260)),
        (9, struct.pack("<IQ", 8, 65) + gguf_text("a") * 65),
        (8, gguf_text("x" * 65_537)),
        (6, struct.pack("<f", float("nan"))),
        (12, struct.pack("<d", float("inf"))),
    ],
)
def test_what_is_too_long_or_no_json_is_stepped_over(tmp_path: Path, type_number: int, value: bytes) -> None:
    rest = entry("k", type_number, value) + entry("after", 7, b"\1")

    header = read(tmp_path, headed(entries=2, rest=rest))

    assert (header.verdict, header.metadata) == (Verdict.SOUND, {"after": True})


BROKEN = {
    "version 1": (headed(version=1, rest=bytes(100)), "version 1 is no longer read"),
    "too many tensors": (headed(tensors=200_001), "claims 200,001 tensors"),
    "too many entries": (headed(entries=100_001), "claims 100,001 metadata entries"),
    "key too long": (headed(entries=1, rest=struct.pack("<Q", 65_536)), "metadata key claims 65,536 bytes"),
    "text too long": (
        headed(entries=1, rest=entry("k", 8, struct.pack("<Q", 2**40))),
        "claims 1,099,511,627,776 bytes",
    ),
    "array too long": (headed(entries=1, rest=entry("k", 9, struct.pack("<IQ", 0, 2**40))), "elements of one array"),
    "text in array too long": (
        headed(entries=1, rest=entry("k", 9, struct.pack("<IQQ", 8, 65, 2**40))),
        "claims 1,099,511,627,776 bytes",
    ),
    "array of arrays": (headed(entries=1, rest=entry("k", 9, struct.pack("<IQ", 9, 1))), "array of unknown type 9"),
    "unknown type": (headed(entries=1, rest=entry("k", 13, b"")), "unknown type 13"),
    "key twice": (headed(entries=2, rest=entry("k", 7, b"\1") * 2), "'k' twice"),
    "five dimensions": (headed(tensors=1, rest=tensor("t", (1, 1, 1, 1, 1))), "5 dimensions"),
    "overflow": (headed(tensors=1, rest=tensor("t", (2**62, 2))), "shape that its type cannot have"),
    "half a block": (headed(tensors=1, rest=tensor("t", (31,), 8)), "shape that its type cannot have"),
    "name twice": (headed(tensors=2, rest=tensor("t", (8,)) + tensor("t", (8,), 0, 32)), "same name"),
    "hole": (headed(tensors=2, rest=tensor("t", (8,)) + tensor("u", (8,), 0, 64)), "does not begin where"),
    "alignment 3": (headed(entries=1, rest=entry("general.alignment", 4, b"\3\0\0\0")), "alignment is 3"),
    "alignment text": (headed(entries=1, rest=entry("general.alignment", 8, gguf_text("32"))), "alignment is '32'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_breaks_a_rule_is_broken_and_says_which(tmp_path: Path, case: str) -> None:
    content, said = BROKEN[case]

    header = read(tmp_path, content)

    assert header.verdict is Verdict.BROKEN
    assert said in (header.reason or "")


def test_another_alignment_is_kept(tmp_path: Path) -> None:
    rest = entry("general.alignment", 4, struct.pack("<I", 64)) + tensor("t", (8,)) + tensor("u", (8,), 0, 64)
    content = headed(tensors=2, entries=1, rest=rest)
    content += bytes(-len(content) % 64) + bytes(64 + 32)

    assert read(tmp_path, content).verdict is Verdict.SOUND


def test_a_tensor_type_from_the_future_leaves_the_length_unproven(tmp_path: Path) -> None:
    header = read(tmp_path, headed(tensors=1, rest=tensor("t", (8,), 99)) + bytes(100))

    assert (header.verdict, header.declared_size_bytes) == (Verdict.UNPROVEN, None)
    assert header.dtypes == {"type 99": 0}


def test_a_version_from_the_future_is_unproven(tmp_path: Path) -> None:
    assert read(tmp_path, headed(version=4)).verdict is Verdict.UNPROVEN


def test_a_header_without_end_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    with path.open("wb") as file:
        file.write(headed(entries=1, rest=entry("k", 9, struct.pack("<IQ", 0, 2**29))))
        file.truncate(2**30)

    assert "longer than 67,108,864 bytes" in (read_header(path).reason or "")


def test_a_lying_length_allocates_nothing(tmp_path: Path) -> None:
    content = headed(entries=1, rest=entry("k", 8, struct.pack("<Q", 15 * 2**20)))
    tracemalloc.start()

    header = read(tmp_path, content)

    assert header.verdict is Verdict.INCOMPLETE
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(4, 200), value=st.integers(0, 255))
def test_no_damaged_byte_does_worse_than_a_verdict(tmp_path: Path, position: int, value: int) -> None:
    content = bytearray(builders.gguf(1, None, {"general.architecture": "flux", "tags": ["a", "b"], "n": 1}))
    content[position] = value

    assert isinstance(read(tmp_path, bytes(content)).verdict, Verdict)


@pytest.mark.parametrize("name", ["ggml-vocab-bert-bge.gguf", "ggml-vocab-llama-spm.gguf"])
def test_real_vocabularies_are_sound(recordings: Path, name: str) -> None:
    header = read_header(recordings / "files" / "gguf" / name)

    assert header.verdict is Verdict.SOUND
    assert header.metadata["general.architecture"] in {"bert", "llama"}


@pytest.mark.parametrize(
    "content",
    [
        headed(entries=2, rest=entry("k\n" * 9_000, 4, bytes(4)) * 2),
        headed(tensors=1, rest=gguf_text("t" * 9_000) + struct.pack("<I", 9)),
        headed(tensors=1, rest=tensor("t" * 9_000, (1,), offset=32)),
        headed(tensors=1, rest=tensor("t" * 9_000, (1,), 999)),
    ],
)
def test_a_reason_is_a_line_whatever_the_names(tmp_path: Path, content: bytes) -> None:
    reason = read(tmp_path, content).reason or ""

    assert 0 < len(reason) < 200
    assert "\n" not in reason


def test_texts_of_no_length_are_not_stepped_over_for_ever(tmp_path: Path) -> None:
    rest = entry("k", 9, struct.pack("<IQ", 8, 1_000_001)) + bytes(8 * 1_000_001)

    assert read(tmp_path, headed(entries=1, rest=rest)).reason == "its header holds more than 1,000,000 texts"


def test_texts_that_are_kept_are_bounded_together(tmp_path: Path) -> None:
    rest = b"".join(entry(f"k{each}", 8, gguf_text("x" * 60_000)) for each in range(300))

    assert "take more than 16,777,216 bytes" in (read(tmp_path, headed(entries=300, rest=rest)).reason or "")


def test_texts_that_are_not_kept_count_for_nothing(tmp_path: Path) -> None:
    rest = b"".join(entry(f"k{each}", 8, gguf_text("x" * 300_000)) for each in range(60))
    header = read(tmp_path, headed(entries=61, rest=rest + entry("last", 8, gguf_text("x"))))

    assert header.verdict is Verdict.SOUND
    assert header.metadata == {"last": "x"}
