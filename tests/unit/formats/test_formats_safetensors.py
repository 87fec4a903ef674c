"""Safetensors headers: valid exactly where the reference implementation says so, bounded where it is not."""

from __future__ import annotations

import json
import os
import struct
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, deserialize

from modelshelf.domain.header import Format, Verdict
from modelshelf.errors import FileChanged
from modelshelf.formats.inspect import declared_size, read_header
from modelshelf.formats.safetensors import MAX_HEADER_BYTES
from tests import builders

if TYPE_CHECKING:
    from pathlib import Path

    from modelshelf.domain.header import Header

WHOLE = '"dtype":"F32","shape":[5],"data_offsets":[0,20]'
DATA = bytes(20)


def read(folder: Path, content: bytes, name: str = "model.safetensors") -> Header:
    path = folder / name
    path.write_bytes(content)
    return read_header(path)


def is_valid_for_the_reference(content: bytes) -> bool:
    try:
        deserialize(content)  # type: ignore[no-untyped-call]
    except SafetensorError:
        return False
    return True


CASES = {
    "one tensor": f'{{"t":{{{WHOLE}}}}}',
    "leading space": f' \n\t\r{{"t":{{{WHOLE}}}}}',
    "trailing space": f'{{"t":{{{WHOLE}}}}} \t\r\n',
    "trailing garbage": f'{{"t":{{{WHOLE}}}}}x',
    "trailing NUL": f'{{"t":{{{WHOLE}}}}}\0\0',
    "byte order mark": f'\ufeff{{"t":{{{WHOLE}}}}}',
    "trailing comma": f'{{"t":{{{WHOLE}}},}}',
    "metadata": f'{{"__metadata__":{{"a":"1"}},"t":{{{WHOLE}}}}}',
    "metadata last": f'{{"t":{{{WHOLE}}},"__metadata__":{{"a":"1"}}}}',
    "metadata null": f'{{"__metadata__":null,"t":{{{WHOLE}}}}}',
    "metadata twice": f'{{"__metadata__":null,"__metadata__":null,"t":{{{WHOLE}}}}}',
    "metadata key twice": f'{{"__metadata__":{{"a":"1","a":"2"}},"t":{{{WHOLE}}}}}',
    "metadata number": f'{{"__metadata__":{{"a":1}},"t":{{{WHOLE}}}}}',
    "metadata null value": f'{{"__metadata__":{{"a":null}},"t":{{{WHOLE}}}}}',
    "metadata list": f'{{"__metadata__":["a"],"t":{{{WHOLE}}}}}',
    "metadata text": f'{{"__metadata__":"a","t":{{{WHOLE}}}}}',
    "control character": f'{{"__metadata__":{{"a":"\n"}},"t":{{{WHOLE}}}}}',
    "lone surrogate in metadata": f'{{"__metadata__":{{"a":"\\ud800"}},"t":{{{WHOLE}}}}}',
    "surrogate pair in metadata": f'{{"__metadata__":{{"a":"\\ud83d\\ude00"}},"t":{{{WHOLE}}}}}',
    "lone surrogate in name": f'{{"\\udc00":{{{WHOLE}}}}}',
    "lone surrogate in extra field": f'{{"t":{{{WHOLE},"x":["\\ud800"]}}}}',
    "extra field": f'{{"t":{{{WHOLE},"x":[{{"y":null}}]}}}}',
    "NaN": f'{{"t":{{{WHOLE},"x":NaN}}}}',
    "Infinity": f'{{"t":{{{WHOLE},"x":-Infinity}}}}',
    "empty name": f'{{"":{{{WHOLE}}}}}',
    "name with NUL": f'{{"t\\u0000":{{{WHOLE}}}}}',
    "dtype twice": f'{{"t":{{{WHOLE},"dtype":"F32"}}}}',
    "shape twice": f'{{"t":{{{WHOLE},"shape":[5]}}}}',
    "offsets twice": f'{{"t":{{{WHOLE},"data_offsets":[0,20]}}}}',
    "extra field twice": f'{{"t":{{{WHOLE},"x":1,"x":1}}}}',
    "tensor twice": f'{{"t":{{{WHOLE}}},"t":{{{WHOLE}}}}}',
    "tensor as list": '{"t":["F32",[5],[0,20]]}',
    "tensor null": '{"t":null}',
    "no dtype": '{"t":{"shape":[5],"data_offsets":[0,20]}}',
    "no shape": '{"t":{"dtype":"F32","data_offsets":[0,20]}}',
    "no offsets": '{"t":{"dtype":"F32","shape":[5]}}',
    "three offsets": '{"t":{"dtype":"F32","shape":[5],"data_offsets":[0,20,20]}}',
    "float extent": '{"t":{"dtype":"F32","shape":[5.0],"data_offsets":[0,20]}}',
    "true extent": '{"t":{"dtype":"F32","shape":[true,5],"data_offsets":[0,20]}}',
    "negative extent": '{"t":{"dtype":"F32","shape":[-1,-5],"data_offsets":[0,20]}}',
    "huge number": '{"t":{"dtype":"F32","shape":[5],"data_offsets":[0,18446744073709551616]}}',
    "endless number": f'{{"t":{{"dtype":"F32","shape":[{"9" * 5000}],"data_offsets":[0,20]}}}}',
    "overflow": '{"t":{"dtype":"F32","shape":[9223372036854775808,8,0],"data_offsets":[0,20]}}',
    "many dimensions": '{"t":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,5],"data_offsets":[0,20]}}',
    "half a byte": '{"t":{"dtype":"F4","shape":[39],"data_offsets":[0,20]}}',
    "four bits": '{"t":{"dtype":"F4","shape":[40],"data_offsets":[0,20]}}',
    "six bits": '{"t":{"dtype":"F6_E2M3","shape":[4,5],"data_offsets":[0,15]},"u":{"dtype":"U8","shape":[5],'
    '"data_offsets":[15,20]}}',
    "wrong size": '{"t":{"dtype":"F32","shape":[4],"data_offsets":[0,20]}}',
    "ends before it begins": '{"t":{"dtype":"U8","shape":[0],"data_offsets":[20,0]}}',
    "late start": '{"t":{"dtype":"U8","shape":[19],"data_offsets":[1,20]}}',
    "hole": '{"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]},"b":{"dtype":"U8","shape":[10],"data_offsets":[10,20]}}',
    "overlap": '{"a":{"dtype":"U8","shape":[11],"data_offsets":[0,11]},"b":{"dtype":"U8","shape":[10],"data_offsets":[10,20]}}',
    "shared": f'{{"a":{{{WHOLE}}},"b":{{{WHOLE}}}}}',
    "any order": '{"b":{"dtype":"U8","shape":[10],"data_offsets":[10,20]},"a":{"dtype":"U8","shape":[10],"data_offsets":[0,10]}}',
    "empty tensor first": f'{{"z":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}},"t":{{{WHOLE}}}}}',
    "empty tensor last": f'{{"t":{{{WHOLE}}},"a":{{"dtype":"F32","shape":[0,7],"data_offsets":[20,20]}}}}',
    "empty tensor inside": f'{{"t":{{{WHOLE}}},"a":{{"dtype":"F32","shape":[0],"data_offsets":[10,10]}}}}',
    "scalar": '{"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"t":{"dtype":"F64","shape":[2],"data_offsets":[4,20]}}',
    "data that nobody declares": "{}",
    "not an object inside": '{"t":5}',
}


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_is_that_of_the_reference(tmp_path: Path, case: str) -> None:
    content = builders.raw_safetensors(CASES[case].encode(), DATA)

    header = read(tmp_path, content)

    assert (header.verdict is Verdict.SOUND) == is_valid_for_the_reference(content), header
    assert header.verdict in {Verdict.SOUND, Verdict.BROKEN}
    assert (header.reason is None) == (header.verdict is Verdict.SOUND)


EXTENTS = st.lists(st.integers(0, 4), max_size=3)
TENSORS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5).filter(lambda name: name != "__metadata__"),
    st.tuples(st.sampled_from(["U8", "F16", "F32", "F64", "BF16", "F8_E4M3"]), EXTENTS),
    max_size=4,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tensors=TENSORS, nudges=st.lists(st.sampled_from([0, 0, 0, 0, 1, -1]), min_size=9, max_size=9))
def test_any_header_is_judged_as_the_reference_judges_it(
    tmp_path: Path, tensors: dict[str, tuple[str, list[int]]], nudges: list[int]
) -> None:
    entries, offset = {}, 0
    for index, (name, (dtype, shape)) in enumerate(tensors.items()):
        end = offset + builders.tensor_bytes(dtype, shape)
        offsets = [max(0, offset + nudges[2 * index]), max(0, end + nudges[2 * index + 1])]
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        offset = end
    content = builders.raw_safetensors(json.dumps(entries).encode(), bytes(max(0, offset + nudges[8])))

    header = read(tmp_path, content)

    assert header.is_readable == is_valid_for_the_reference(content)


@pytest.mark.parametrize("content", [b"{}", b'{"__metadata__":{"a":"b"}}'])
def test_a_file_without_tensors_is_sound(tmp_path: Path, content: bytes) -> None:
    header = read(tmp_path, builders.raw_safetensors(content))

    assert (header.format, header.verdict, header.tensor_count) == (Format.SAFETENSORS, Verdict.SOUND, 0)


def test_the_header_is_told(tmp_path: Path) -> None:
    content = builders.lora(1, metadata={"ss_network_dim": "4"})

    header = read(tmp_path, content)

    assert header.format is Format.SAFETENSORS
    assert header.declared_size_bytes == len(content)
    assert header.tensor_count == 3
    assert header.dtypes == {"F16": 2 * (4 * 2048 + 320 * 4 + 1)}
    assert header.metadata == {"ss_network_dim": "4"}
    assert (header.kind, header.architecture) == ("LoRA", "SDXL")


def test_an_unknown_dtype_breaks_nothing(tmp_path: Path) -> None:
    content = builders.raw_safetensors(b'{"t":{"dtype":"F2","shape":[9],"data_offsets":[0,20]}}', DATA)

    header = read(tmp_path, content)

    assert (header.verdict, header.dtypes) == (Verdict.SOUND, {"F2": 20})


@pytest.mark.parametrize("missing", [1, 100, 18000])
def test_a_truncated_file_is_incomplete_and_says_both_numbers(tmp_path: Path, missing: int) -> None:
    whole = builders.lora(1)

    header = read(tmp_path, whole[:-missing])

    assert header.verdict is Verdict.INCOMPLETE
    assert header.declared_size_bytes == len(whole)
    assert header.reason == f"has {len(whole) - missing:,} bytes of the {len(whole):,} that its header declares"


@pytest.mark.parametrize("kept", [9, 20, 200])
def test_a_file_that_ends_within_its_header_is_incomplete(tmp_path: Path, kept: int) -> None:
    header = read(tmp_path, builders.lora(1)[:kept])

    assert (header.format, header.verdict) == (Format.SAFETENSORS, Verdict.INCOMPLETE)
    assert header.declared_size_bytes is None


def test_a_longer_file_is_broken(tmp_path: Path) -> None:
    whole = builders.lora(1)

    header = read(tmp_path, whole + b"x")

    assert header.verdict is Verdict.BROKEN
    assert header.reason == f"has {len(whole) + 1:,} bytes, but its header declares {len(whole):,}"


def test_deep_nesting_is_broken(tmp_path: Path) -> None:
    content = builders.raw_safetensors(b'{"t":' + b"[" * 200_000 + b"]" * 200_000 + b"}")

    header = read(tmp_path, content)

    assert (header.verdict, header.reason) == (Verdict.BROKEN, "its header is nested too deeply")


def test_a_header_that_is_not_utf8_is_broken(tmp_path: Path) -> None:
    header = read(tmp_path, builders.raw_safetensors(b'{"\xff":1}'))

    assert (header.verdict, header.reason) == (Verdict.BROKEN, "its header is not UTF-8")


@pytest.mark.parametrize(
    "text", [b'{"t":[' + b"0," * 500_001 + b"0]}", b'{"__metadata__":{"a":"' + b"x" * 2**24 + b'"}}']
)
def test_a_header_larger_than_any_is_not_looked_at_and_not_judged(tmp_path: Path, text: bytes) -> None:
    header = read(tmp_path, builders.raw_safetensors(text))

    assert (header.verdict, header.declared_size_bytes) == (Verdict.UNPROVEN, None)
    assert header.reason == f"its header of {len(text):,} bytes is larger than any that is known, and was not looked at"


def test_a_lying_length_allocates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", MAX_HEADER_BYTES) + b'{"t"')
    tracemalloc.start()

    header = read_header(path)

    assert header.verdict is Verdict.INCOMPLETE
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_a_header_beyond_the_limit_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", MAX_HEADER_BYTES + 1) + b"{}")
    os.truncate(path, MAX_HEADER_BYTES + 1000)

    assert read_header(path).verdict is Verdict.BROKEN


def test_the_declared_size_is_cheap_and_the_same(tmp_path: Path) -> None:
    whole = builders.lora(1)
    path = tmp_path / "model.safetensors"
    path.write_bytes(whole[:-10])

    assert declared_size(path) == len(whole)


def test_a_hundred_megabytes_declare_themselves_at_once(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(builders.lora(1, padding_bytes=100_000_000))

    assert declared_size(path) == path.stat().st_size > 100_000_000
    assert read_header(path).architecture == "SDXL"


def test_a_file_cut_while_its_header_is_read_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(builders.lora(1))
    pread = os.pread

    def cut_then_read(descriptor: int, length: int, offset: int) -> bytes:
        if offset:
            os.truncate(path, 10)
        return pread(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", cut_then_read)
    with pytest.raises(FileChanged):
        read_header(path)


@pytest.mark.parametrize("name", ["test_embedding.safetensors", "stable_diffusion_ssd_ldm_base.safetensors"])
def test_real_files_are_sound(recordings: Path, name: str) -> None:
    path = recordings / "files" / "safetensors" / name

    header = read_header(path)

    assert header.verdict is Verdict.SOUND
    assert header.declared_size_bytes == path.stat().st_size
