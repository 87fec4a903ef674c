"""Reading a GGUF header within bounds: no length is believed before the file is known to be that long.

Layout and limits: ggml's docs/gguf.md and src/gguf.cpp. Versions 2 and 3 are read, of either byte order; arrays of more than
64 elements and texts of more than 65 536 characters (tokenizers) are stepped over and not kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.header import Format, Verdict
from modelshelf.errors import BrokenModelFile
from modelshelf.formats.contents import Contents, Judgement, judge_length, shown
from modelshelf.formats.cursor import Cursor, EndOfFile
from modelshelf.formats.gguf_types import TENSOR_TYPES

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonValue
    from modelshelf.formats.regular_file import RegularFile

MAGIC = b"GGUF"
_READ_VERSIONS = (2, 3)
_MAX_HEADER_BYTES = 64 * 1024 * 1024
_MAX_ENTRIES = 100_000
_MAX_TENSORS = 200_000
_MAX_KEY_BYTES = 65_535
_MAX_TEXT_BYTES = 16 * 1024 * 1024
_MAX_ARRAY_ELEMENTS = 2**30
_MAX_DIMENSIONS = 4
_MAX_ELEMENTS = 2**63 - 1
_KEPT_ELEMENTS = 64
_KEPT_CHARACTERS = 64 * 1024
_DEFAULT_ALIGNMENT = 32

_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT = 8
_ARRAY = 9


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    type_number: int
    offset: int

    @property
    def size_bytes(self) -> int | None:
        """The bytes it takes; None where its type is not known here."""
        known = TENSOR_TYPES.get(self.type_number)
        if known is None:
            return None
        return math.prod(self.shape) // known.block_elements * known.block_bytes

    @property
    def dtype(self) -> str:
        known = TENSOR_TYPES.get(self.type_number)
        return known.name if known else f"type {self.type_number}"


def read_gguf(file: RegularFile) -> Contents:
    """Give what the header says and whether the file is as long; BrokenModelFile if it breaks a rule of the format."""
    cursor = Cursor(file, limit=_MAX_HEADER_BYTES)
    try:
        return _read(file, cursor)
    except EndOfFile:
        reason = f"has {file.size_bytes:,} bytes and ends within its header"
        return Contents(Format.GGUF, Verdict.INCOMPLETE, reason)


def _read(file: RegularFile, cursor: Cursor) -> Contents:
    cursor.skip(len(MAGIC))
    version = _version(cursor)
    if version not in _READ_VERSIONS:
        if version > max(_READ_VERSIONS):
            return Contents(Format.GGUF, Verdict.UNPROVEN, f"GGUF version {version} is not known here")
        raise BrokenModelFile(f"GGUF version {version} is no longer read by anything: convert it again")
    tensor_count = _bounded(cursor.number("Q"), _MAX_TENSORS, "tensors")
    entry_count = _bounded(cursor.number("Q"), _MAX_ENTRIES, "metadata entries")
    metadata = _metadata(cursor, entry_count)
    tensors = [_tensor(cursor) for _ in range(tensor_count)]
    if len({each.name for each in tensors}) < len(tensors):
        raise BrokenModelFile("two of its tensors have the same name")
    judgement, declared = _judge(file.size_bytes, cursor.position, tensors, _alignment(metadata))
    return Contents(
        format=Format.GGUF,
        verdict=judgement.verdict,
        reason=judgement.reason,
        declared_size_bytes=declared,
        shapes={each.name: each.shape for each in tensors},
        dtypes=_bytes_per_dtype(tensors),
        metadata=metadata,
    )


def _version(cursor: Cursor) -> int:
    """Read the version, and from its look the byte order: the low half of a small number is never zero."""
    version: int = cursor.number("I")
    if version and not version & 0xFFFF:
        cursor.is_big_endian = True
        return int.from_bytes(version.to_bytes(4, "little"), "big")
    return version


def _bounded(count: int, limit: int, what: str) -> int:
    if count > limit:
        raise BrokenModelFile(f"its header claims {count:,} {what}")
    return count


def _metadata(cursor: Cursor, count: int) -> dict[str, JsonValue]:
    kept: dict[str, JsonValue] = {}
    seen: set[str] = set()
    for _ in range(count):
        key = cursor.text(_MAX_KEY_BYTES, "metadata key")
        if key in seen:
            raise BrokenModelFile(f"its metadata has {shown(key)} twice")
        seen.add(key)
        value = _value(cursor, cursor.number("I"))
        if value is not None:
            kept[key] = value
    return kept


def _value(cursor: Cursor, type_number: int) -> JsonValue:
    """Read one value; None for one that is stepped over, and for numbers that JSON does not have."""
    if type_number == _ARRAY:
        return _array(cursor)
    if type_number == _TEXT:
        return _text(cursor)
    if type_number not in _NUMBERS:
        raise BrokenModelFile(f"its metadata has a value of unknown type {type_number}")
    number = cursor.number(_NUMBERS[type_number])
    return number if math.isfinite(number) else None


def _text(cursor: Cursor) -> str | None:
    text = cursor.text_up_to(4 * _KEPT_CHARACTERS, _MAX_TEXT_BYTES, "metadata value")
    return text if text is not None and len(text) <= _KEPT_CHARACTERS else None


def _array(cursor: Cursor) -> JsonValue:
    element_type = cursor.number("I")
    count = cursor.number("Q")
    if element_type != _TEXT and element_type not in _NUMBERS:
        raise BrokenModelFile(f"its metadata has an array of unknown type {element_type}")
    _bounded(count, _MAX_ARRAY_ELEMENTS, "elements of one array")
    if count <= _KEPT_ELEMENTS:
        return [_value(cursor, element_type) for _ in range(count)]
    if element_type in _NUMBERS:
        cursor.skip(count * cursor.width(_NUMBERS[element_type]))
        return None
    cursor.skip_texts(count, _MAX_TEXT_BYTES, "metadata value")
    return None


def _tensor(cursor: Cursor) -> _Tensor:
    name = cursor.text(_MAX_KEY_BYTES, "tensor name")
    dimension_count = cursor.number("I")
    if dimension_count > _MAX_DIMENSIONS:
        raise BrokenModelFile(f"tensor {shown(name)} has {dimension_count} dimensions")
    extents = [cursor.number("Q") for _ in range(dimension_count)]
    tensor = _Tensor(name, tuple(reversed(extents)), cursor.number("I"), cursor.number("Q"))
    known = TENSOR_TYPES.get(tensor.type_number)
    if math.prod(extents) > _MAX_ELEMENTS or (known and extents and extents[0] % known.block_elements):
        raise BrokenModelFile(f"tensor {shown(name)} has a shape that its type cannot have")
    return tensor


def _alignment(metadata: dict[str, JsonValue]) -> int:
    alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
    if type(alignment) is not int or alignment < 1 or alignment & (alignment - 1):
        raise BrokenModelFile(f"its alignment is {alignment!r}, not a power of two")
    return alignment


def _judge(size_bytes: int, header_end: int, tensors: list[_Tensor], alignment: int) -> tuple[Judgement, int | None]:
    """Add the tensors up. Writers may or may not pad the end, so a length within the last padding is as declared."""
    start = _padded(header_end, alignment)
    end = header_end
    expected_offset = 0
    for tensor in tensors:
        if tensor.offset != expected_offset:
            raise BrokenModelFile(f"tensor {shown(tensor.name)} does not begin where the one before it ends")
        if tensor.size_bytes is None:
            reason = f"tensor {shown(tensor.name)} has a type not known here: {tensor.dtype}"
            return Judgement(Verdict.UNPROVEN, reason), None
        end = start + tensor.offset + tensor.size_bytes
        expected_offset = _padded(tensor.offset + tensor.size_bytes, alignment)
    declared = min(max(size_bytes, end), _padded(end, alignment))
    return judge_length(size_bytes, declared), declared


def _padded(length: int, alignment: int) -> int:
    return -(-length // alignment) * alignment


def _bytes_per_dtype(tensors: list[_Tensor]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for each in tensors:
        totals[each.dtype] = totals.get(each.dtype, 0) + (each.size_bytes or 0)
    return totals
