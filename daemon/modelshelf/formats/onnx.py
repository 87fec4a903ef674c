"""Telling an ONNX model from junk: a protobuf without any magic, known by the fields of its outermost message.

Field numbers and types: ModelProto in onnx.proto3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.header import Format, Verdict
from modelshelf.formats.contents import Contents
from modelshelf.formats.cursor import Cursor, EndOfFile

if TYPE_CHECKING:
    from modelshelf.formats.regular_file import RegularFile

_VARINT = 0
_LENGTH = 2
_IR_VERSION = 1
_GRAPH = 7
_FIELDS = {
    _IR_VERSION: _VARINT,
    2: _LENGTH,  # producer_name
    3: _LENGTH,  # producer_version
    4: _LENGTH,  # domain
    5: _VARINT,  # model_version
    6: _LENGTH,  # doc_string
    _GRAPH: _LENGTH,
    8: _LENGTH,  # opset_import
    14: _LENGTH,  # metadata_props
    20: _LENGTH,  # training_info
    25: _LENGTH,  # functions
}
_MAX_FIELDS = 10_000
_MAX_IR_VERSION = 100
_MAX_VARINT_BYTES = 10


def read_onnx(file: RegularFile) -> Contents | None:
    """Give the verdict on an ONNX model, None for anything else.

    It declares no length, so a whole one is unproven; one whose graph ends behind the file is incomplete.
    """
    cursor = Cursor(file, limit=file.size_bytes)
    seen: set[int] = set()
    try:
        for _ in range(_MAX_FIELDS):
            if cursor.position == file.size_bytes:
                break
            if not _step(cursor, seen):
                return None
    except EndOfFile:
        if seen >= {_IR_VERSION, _GRAPH}:
            return Contents(Format.ONNX, Verdict.INCOMPLETE, f"has {file.size_bytes:,} bytes and ends within its graph")
        return None
    if not seen >= {_IR_VERSION, _GRAPH}:
        return None
    return Contents(Format.ONNX, Verdict.UNPROVEN, "ONNX declares nothing that could be checked")


def _step(cursor: Cursor, seen: set[int]) -> bool:
    """Step over one field and note it; whether it can stand in a ModelProto."""
    tag = _varint(cursor)
    number, wire_type = tag >> 3, tag & 7
    if _FIELDS.get(number) != wire_type:
        return False
    seen.add(number)
    value = _varint(cursor)
    if wire_type == _LENGTH:
        cursor.skip(value)
    return number != _IR_VERSION or 1 <= value <= _MAX_IR_VERSION


def _varint(cursor: Cursor) -> int:
    value = 0
    for index in range(_MAX_VARINT_BYTES):
        byte = cursor.take(1)[0]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004  # the top bit says that more follows
            break
    return value
