"""Reading a safetensors header, by the rules of safetensors 0.8 (tensor.rs), except that an unknown dtype is no fault.

Layout: a little-endian u64 N, N bytes of JSON, tensor data. Never more than 8 + N bytes are read, and of a header far
beyond all that is known nothing: taken apart it would need twenty times its size in memory.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn

from modelshelf.domain.header import Format, Verdict
from modelshelf.errors import BrokenModelFile
from modelshelf.formats.contents import Contents, judge_length, shown

if TYPE_CHECKING:
    from modelshelf.formats.regular_file import RegularFile

PREFIX_BYTES = 8
MAX_HEADER_BYTES = 100_000_000
_MOST_PARSED_BYTES = 16 * 1024 * 1024
"""Real headers have 20 kB to 2 MB; Civitai's own scanner reads no more than this either."""
_MOST_COMMAS = 500_000
"""Bounds the memory that short values take; the largest real headers have some 50 000."""
_MAX_U64 = 2**64 - 1
_METADATA = "__metadata__"
_DEEPEST = 127
_LEAST_DIGITS_BEYOND_DOUBLE = 309
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')

_BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("C64", "F64", "I64", "U64"), 64),
}


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def header_length(head: bytes) -> int | None:
    """Give N if the first bytes can begin a safetensors file, else None; 64 bytes are enough."""
    length = int.from_bytes(head[:PREFIX_BYTES], "little")
    is_plausible = len(head) > PREFIX_BYTES and 2 <= length <= MAX_HEADER_BYTES  # noqa: PLR2004  # "{}"
    return length if is_plausible and head[PREFIX_BYTES:].lstrip(b" \t\r\n").startswith(b"{") else None


def read_safetensors(file: RegularFile) -> Contents:
    """Give what the header says, and whether the file is as long as it says; BrokenModelFile if it breaks a rule."""
    length = int.from_bytes(file.read_at(0, PREFIX_BYTES), "little")
    start = PREFIX_BYTES + length
    if start > file.size_bytes:
        reason = f"has {file.size_bytes:,} bytes, and its header alone takes {start:,}"
        return Contents(Format.SAFETENSORS, Verdict.INCOMPLETE, reason)
    raw = file.read_at(PREFIX_BYTES, length) if length <= _MOST_PARSED_BYTES else None
    if raw is None or raw.count(b",") > _MOST_COMMAS:
        reason = f"its header of {length:,} bytes is larger than any that is known, and was not looked at"
        return Contents(Format.SAFETENSORS, Verdict.UNPROVEN, reason)
    header = _parse(raw)
    metadata = _metadata(header.pop(_METADATA, None))
    tensors = sorted((_tensor(name, entry) for name, entry in header.items()), key=lambda each: (each.begin, each.end))
    declared = start + _tensors_length(tensors)
    judgement = judge_length(file.size_bytes, declared)
    return Contents(
        format=Format.SAFETENSORS,
        verdict=judgement.verdict,
        reason=judgement.reason,
        declared_size_bytes=declared,
        shapes={each.name: each.shape for each in tensors},
        dtypes=_bytes_per_dtype(tensors),
        metadata=metadata,
    )


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        header = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_int=_whole_number,
            parse_float=_finite_number,
        )
        _require_shallow(raw, len(header))
        if b"\\u" in raw:
            json.dumps(header, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise BrokenModelFile("its header is not UTF-8") from error
    except UnicodeEncodeError as error:
        raise BrokenModelFile("its header has half a character (a lone surrogate)") from error
    except RecursionError as error:
        raise BrokenModelFile("its header is nested too deeply") from error
    except ValueError as error:
        raise BrokenModelFile(f"its header is not valid JSON: {error}") from error
    return dict(header)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object as the reference does: a later key wins, but `__metadata__` and a tensor's fields stand once."""
    built = dict(pairs)
    if len(built) < len(pairs):
        names = [name for name, _ in pairs]
        for name in (_METADATA, "dtype", "shape", "data_offsets"):
            if names.count(name) > 1:
                raise ValueError(f"{name} stands there twice")
    return built


def _whole_number(text: str) -> float:
    """Read a number as the reference does: minus zero is no whole number, and what no double holds is none at all."""
    if text == "-0":
        return -0.0
    return int(text) if len(text) < _LEAST_DIGITS_BEYOND_DOUBLE or _finite_number(text) else 0


def _finite_number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is out of range")
    return number


def _require_shallow(raw: bytes, entry_count: int) -> None:
    """Refuse what is nested deeper than the reference follows; looked for where there are more brackets than tensors need."""
    if raw.count(b"[") <= 2 * entry_count and raw.count(b"{") <= entry_count + 1:
        return
    depth = 0
    for bracket in re.findall(rb"[\[\]{}]", _STRING.sub(b"", raw)):
        depth += 1 if bracket in b"[{" else -1
        if depth > _DEEPEST:
            raise BrokenModelFile("its header is nested too deeply")


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _metadata(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BrokenModelFile("its __metadata__ is not an object")
    for key, text in value.items():
        if not isinstance(text, str):
            raise BrokenModelFile(f"its __metadata__ has a value that is not text: {shown(key)}")
    return value


def _tensor(name: str, entry: Any) -> _Tensor:
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [begin, end]}:
            pass
        case [str(dtype), list(shape), [begin, end]]:
            pass
        case _:
            raise BrokenModelFile(f"tensor {shown(name)} lacks dtype, shape or data_offsets")
    if not all(type(number) is int and 0 <= number <= _MAX_U64 for number in (*shape, begin, end)):
        raise BrokenModelFile(f"tensor {shown(name)} has a shape or offset that is no whole number")
    tensor = _Tensor(name, dtype, tuple(shape), begin, end)
    _require_size(tensor)
    return tensor


def _require_size(tensor: _Tensor) -> None:
    if tensor.end < tensor.begin:
        raise BrokenModelFile(f"tensor {shown(tensor.name)} ends before it begins")
    bits = _BITS.get(tensor.dtype)
    if bits is None:
        return
    needed_bits = bits
    for extent in tensor.shape:
        needed_bits *= extent
        if needed_bits > _MAX_U64 * bits:
            raise BrokenModelFile(f"tensor {shown(tensor.name)} has a shape beyond all bounds")
    if needed_bits != (tensor.end - tensor.begin) * 8:
        raise BrokenModelFile(f"tensor {shown(tensor.name)} does not have the size that its shape and dtype need")


def _tensors_length(tensors: list[_Tensor]) -> int:
    if not tensors:
        return 0
    if tensors[0].begin:
        raise BrokenModelFile(f"its first tensor, {shown(tensors[0].name)}, does not begin at 0")
    for before, after in pairwise(tensors):
        if after.begin != before.end:
            fault = "overlap" if after.begin < before.end else "leave a hole"
            raise BrokenModelFile(f"tensors {shown(before.name)} and {shown(after.name)} {fault}")
    return tensors[-1].end


def _bytes_per_dtype(tensors: list[_Tensor]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for each in tensors:
        totals[each.dtype] = totals.get(each.dtype, 0) + each.end - each.begin
    return totals
