"""What a file says of itself: its true format by its first bytes, whether it can be whole, and what its tensors show."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from modelshelf.domain.header import Format, Header, Verdict
from modelshelf.errors import BrokenModelFile
from modelshelf.formats import gguf, pickles
from modelshelf.formats.architecture import recognise
from modelshelf.formats.contents import Contents
from modelshelf.formats.onnx import read_onnx
from modelshelf.formats.regular_file import RegularFile, opened
from modelshelf.formats.safetensors import PREFIX_BYTES, header_length, read_safetensors
from modelshelf.formats.texts import read_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_HEAD_BYTES = 512
_TAR_MAGIC_AT = 257
_ARCHIVES = ((b"7z\xbc\xaf\x27\x1c", "a 7z"), (b"\x1f\x8b", "a gzip"), (b"Rar!\x1a\x07", "a RAR"))
_HDF5 = b"\x89HDF\r\n\x1a\n"

_EXTENSIONS = {
    Format.SAFETENSORS: frozenset({".safetensors", ".sft"}),
    Format.GGUF: frozenset({".gguf"}),
    Format.TORCH_ZIP: pickles.TORCH_EXTENSIONS,
    Format.PICKLE: pickles.TORCH_EXTENSIONS,
    Format.ONNX: frozenset({".onnx"}),
}
_STRICT_FORMATS = (Format.SAFETENSORS, Format.GGUF)
"""Formats with a magic of their own: a file of that name without it can never be read as one."""


def read_header(path: Path) -> Header:
    """Give the Header of a file, whatever it is: a faulty file is a verdict, not an error.

    FileGone, FileUnreadable and FileChanged are raised; a fifo or directory is FileUnreadable and never blocks.
    """
    with opened(path) as file:
        contents = _judged_by_name(file, _read(file))
    kind, architecture = recognise(contents.shapes, contents.metadata)
    return Header(
        format=contents.format,
        verdict=contents.verdict,
        reason=contents.reason,
        declared_size_bytes=contents.declared_size_bytes,
        tensor_count=len(contents.shapes),
        dtypes=contents.dtypes,
        metadata=contents.metadata,
        kind=kind,
        architecture=architecture,
    )


def declared_size(path: Path) -> int | None:
    """Give the length in bytes that the file claims for itself; None where it claims none, or none that is readable yet.

    Raises what `read_header` raises.
    """
    with opened(path) as file:
        return _read(file).declared_size_bytes


def _read(file: RegularFile) -> Contents:
    head = file.head(_HEAD_BYTES)
    if not head:
        return Contents(Format.EMPTY, Verdict.BROKEN, "an empty file: copy or download it again")
    if not any(head[:PREFIX_BYTES]):
        return Contents(
            Format.BLANK, Verdict.BROKEN, "begins with zeros: space was set aside and never filled; copy it again"
        )
    for candidate, is_it, read in _READERS:
        if is_it(head):
            try:
                return read(file)
            except BrokenModelFile as error:
                return Contents(candidate, Verdict.BROKEN, str(error))
    return _archive(head) or read_text(file, head) or read_onnx(file) or _unknown(head)


def _is_safetensors(head: bytes) -> bool:
    return header_length(head) is not None


def _is_gguf(head: bytes) -> bool:
    return head.startswith(gguf.MAGIC)


def _is_zip(head: bytes) -> bool:
    return head.startswith(pickles.ZIP_MAGICS)


def _read_pickle(file: RegularFile) -> Contents:
    return pickles.read_pickle(file.head(_HEAD_BYTES))


_READERS: tuple[tuple[Format, Callable[[bytes], bool], Callable[[RegularFile], Contents]], ...] = (
    (Format.GGUF, _is_gguf, gguf.read_gguf),
    (Format.TORCH_ZIP, _is_zip, pickles.read_zip),
    (Format.SAFETENSORS, _is_safetensors, read_safetensors),
    (Format.PICKLE, pickles.is_pickle, _read_pickle),
)


def _archive(head: bytes) -> Contents | None:
    names = [name for magic, name in _ARCHIVES if head.startswith(magic)]
    if head[_TAR_MAGIC_AT:].startswith(b"ustar"):
        names.append("a tar")
    if not names:
        return None
    return Contents(Format.ARCHIVE, Verdict.UNPROVEN, f"{names[0]} archive: unpack it to use what is inside")


def _unknown(head: bytes) -> Contents:
    reason = "an HDF5 file (Keras)" if head.startswith(_HDF5) else "not a format known here"
    return Contents(Format.UNKNOWN, Verdict.UNPROVEN, reason)


def _judged_by_name(file: RegularFile, contents: Contents) -> Contents:
    """Compare the bytes with the extension: a known format under another's name is fine, but said."""
    extension = file.path.suffix.lower()
    promised = next((each for each, extensions in _EXTENSIONS.items() if extension in extensions), None)
    is_settled = contents.verdict in {Verdict.INCOMPLETE, Verdict.BROKEN}
    if promised is None or is_settled or extension in _EXTENSIONS.get(contents.format, ()):
        return contents
    if contents.format in _EXTENSIONS:
        return replace(contents, reason=f"named {extension} but is {contents.format}")
    if promised in _STRICT_FORMATS:
        return replace(contents, verdict=Verdict.BROKEN, reason=f"named {extension} but is {contents.reason}")
    return contents
