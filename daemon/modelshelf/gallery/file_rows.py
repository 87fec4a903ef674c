"""What the file itself shows: its name, size, format and tensors, and its hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from modelshelf.domain.fact import Field
from modelshelf.domain.header import Format, PickleVerdict
from modelshelf.gallery.known import value_text
from modelshelf.gallery.units import count_text, shortened, size_text, time_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from modelshelf.domain.hashes import Hashes
    from modelshelf.domain.header import Header
    from modelshelf.gallery.content import PageContent

Row: TypeAlias = tuple[str, str]
"""A label and its text."""

_FORMATS = {
    Format.SAFETENSORS: "safetensors",
    Format.GGUF: "GGUF",
    Format.TORCH_ZIP: "PyTorch (zip)",
    Format.PICKLE: "pickle",
    Format.ONNX: "ONNX",
    Format.ARCHIVE: "archive",
    Format.LFS_POINTER: "Git LFS pointer (not the model itself)",
    Format.HTML: "web page (not a model)",
    Format.JSON: "JSON (not a model)",
    Format.EMPTY: "empty",
    Format.BLANK: "nothing but zeros",
    Format.UNKNOWN: "unknown",
}
_PICKLES = {
    PickleVerdict.CLEAN: "no harmful import found",
    PickleVerdict.SUSPICIOUS: "imports what nobody has judged",
    PickleVerdict.DANGEROUS: "dangerous: loading it may run any program",
    PickleVerdict.NOT_SCANNED: "not scanned",
}
_DTYPES_LIMIT = 12


def file_rows(content: PageContent) -> tuple[Row, ...]:
    """Give what the disk and the header say of the file."""
    return tuple((name, text) for name, text in _rows(content) if text)


def hash_rows(hashes: Hashes | None) -> tuple[Row, ...]:
    """Give the hashes under Civitai's names; empty where the file was not hashed."""
    if hashes is None:
        return ()
    named = (
        ("SHA256", hashes.sha256),
        ("BLAKE3", hashes.blake3),
        ("AutoV1", hashes.autov1),
        ("AutoV2", hashes.autov2),
        ("AutoV3", hashes.autov3),
        ("CRC32", hashes.crc32),
    )
    return tuple((name, text) for name, text in named if text)


def _rows(content: PageContent) -> Iterator[Row]:
    description = content.description
    yield "Name", content.file_name
    yield "Size", f"{size_text(content.size_bytes)} ({count_text(content.size_bytes, 'byte', 'bytes')})"
    yield "Modified", time_text(content.modified_at)
    if description.header:
        yield from _header_rows(description.header)
    yield "Network", value_text(description.value(Field.NETWORK))
    yield "Trained on", value_text(description.value(Field.TRAINED_ON))


def _header_rows(header: Header) -> Iterator[Row]:
    yield "Format", _FORMATS[header.format]
    yield "Pickles", _PICKLES[header.pickle_verdict] if header.pickle_verdict else ""
    yield "Tensors", f"{header.tensor_count:,}" if header.tensor_count else ""
    yield "Precision", _dtypes(header.dtypes)
    yield "Holds", shortened(header.kind or "", 80)
    yield "Architecture", shortened(header.architecture or "", 80)


def _dtypes(sizes: Mapping[str, int]) -> str:
    largest = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:_DTYPES_LIMIT]
    return ", ".join(f"{shortened(name, 20)} ({size_text(size_bytes)})" for name, size_bytes in largest)
