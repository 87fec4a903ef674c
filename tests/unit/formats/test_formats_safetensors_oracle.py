"""The reference implementation of safetensors is asked about every header that chance can spoil; it must agree."""

from __future__ import annotations

import itertools
import json
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, deserialize

from modelshelf.domain.header import Format, Verdict
from modelshelf.formats.inspect import read_header
from tests import builders

if TYPE_CHECKING:
    from pathlib import Path

UNKNOWN_DTYPE = "unknown variant"
"""The one difference: a dtype that is too new for the reference here may be known elsewhere."""


def reference_fault(content: bytes) -> str | None:
    try:
        deserialize(content)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        return str(error)
    return None


def require_agreement(folder: Path, content: bytes) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(content)
    header = read_header(path)
    fault = reference_fault(content)
    if fault is None:
        assert (header.format, header.verdict, header.reason) == (Format.SAFETENSORS, Verdict.SOUND, None), content
    elif UNKNOWN_DTYPE not in fault:
        assert not header.is_readable, (content, fault)


TOKENS = [
    *(
        '"',
        ",",
        ":",
        "{",
        "}",
        "[",
        "]",
        "{}",
        "[]",
        "null",
        "true",
        "false",
        " ",
        "\n",
        "\t",
        "\r",
        "\x0b",
        "\x0c",
        "\xa0",
    ),
    *("0", "-0", "-1", "1.0", "1e0", "0.0", "1e999", "-1e999", "01", "+1", "0x1", "1_0", ".5", "5.", "NaN", "Infinity"),
    *("18446744073709551615", "18446744073709551616", "9223372036854775808", "9" * 400, "1e-999", "-"),
    *("\\", "\\u0000", "\\ud800", "\\udc00", "\\ud83d\\ude00", "\\x41", "\\/", "\\u12", "\0", "\x1f", "\x7f", "\ufeff"),
    *(
        "é",
        "\U0001f600",
        "//",
        "/**/",
        "'",
        '"x":1,',
        '"dtype":"F32",',
        '"shape":[1],',
        '"__metadata__":{},',
        '"":null,',
    ),
    *(
        '"F4"',
        '"F6_E2M3"',
        '"BOOL"',
        '"f32"',
        '"F32"',
        '"C64"',
        '"t"',
        '"data_offsets"',
        '"x":' + "[" * 200 + "]" * 200 + ",",
    ),
]
SEEDS = [
    '{"t":{"dtype":"F32","shape":[5],"data_offsets":[0,20]}}',
    '{"__metadata__":{"a":"b","c":"d"},"t":{"dtype":"U8","shape":[4,5],"data_offsets":[0,20]}}',
    '{"b":{"dtype":"F16","shape":[],"data_offsets":[18,20]},"a":{"dtype":"I16","shape":[9],"data_offsets":[0,18],"x":0}}',
    '{"e":{"dtype":"F64","shape":[0,3],"data_offsets":[0,0]},"t":{"shape":[20],"data_offsets":[0,20],"dtype":"I8"}}',
    '{"t":["F32",[5],[0,20]]}',
    "{}",
]
MUTATION = st.tuples(st.integers(0, 200), st.integers(0, 8), st.sampled_from(["", *TOKENS]))


def spoilt(text: str, mutations: list[tuple[int, int, str]]) -> str:
    for at, length, token in mutations:
        text = text[:at] + token + text[at + length :]
    return text


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.sampled_from(SEEDS), mutations=st.lists(MUTATION, max_size=3), size=st.sampled_from([20, 20, 20, 0, 19, 21])
)
def test_a_spoilt_header_is_judged_as_the_reference_judges_it(
    tmp_path: Path, seed: str, mutations: list[tuple[int, int, str]], size: int
) -> None:
    header = spoilt(seed, mutations).encode("utf-8", "surrogatepass")
    require_agreement(tmp_path, builders.raw_safetensors(header, bytes(size)))


@pytest.mark.parametrize("length", [640, 896, 1152, 1408])
def test_a_broken_header_of_an_unlucky_length_is_no_pickle(tmp_path: Path, length: int) -> None:
    """Its length, as eight bytes, begins as a pickle of protocol 2 to 5 does."""
    require_agreement(tmp_path, builders.raw_safetensors(b"9" * length, bytes(20)))


@pytest.mark.parametrize("token", TOKENS)
def test_one_token_anywhere_is_judged_as_the_reference_judges_it(tmp_path: Path, token: str) -> None:
    seed = SEEDS[2]
    for at, length in itertools.product(range(len(seed) + 1), (0, 1)):
        header = spoilt(seed, [(at, length, token)]).encode("utf-8", "surrogatepass")
        require_agreement(tmp_path, builders.raw_safetensors(header, bytes(20)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**65) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "U8", "F4", "F6_E3M2", "F8_E8M0"]) | JSON,
        "shape": st.lists(st.integers(0, 2**63), max_size=3) | JSON,
        "data_offsets": st.lists(st.integers(0, 24), min_size=2, max_size=2) | JSON,
        "extra": JSON,
    },
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.dictionaries(st.sampled_from(["__metadata__", "a", "b"]), ENTRY | JSON, max_size=3))
def test_a_header_of_any_types_is_judged_as_the_reference_judges_it(tmp_path: Path, header: dict[str, object]) -> None:
    text = json.dumps(header, ensure_ascii=False).encode("utf-8", "surrogatepass")
    require_agreement(tmp_path, builders.raw_safetensors(text, bytes(20)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(length=0, rest=b"")
@example(length=2, rest=b"{}")
@example(length=1, rest=b"{")
@given(length=st.integers(0, 2**64 - 1) | st.integers(0, 60), rest=st.binary(max_size=60))
def test_any_length_is_judged_as_the_reference_judges_it(tmp_path: Path, length: int, rest: bytes) -> None:
    require_agreement(tmp_path, struct.pack("<Q", length) + rest)
