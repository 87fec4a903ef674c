"""What the pickles in a file import, judged by picklescan; none is ever loaded.

picklescan says "clean" of whatever it cannot read, so every pickle is first followed to its last byte here, and what cannot be
followed makes the file `not_scanned`. It is called in a process of its own: a crafted pickle takes any memory and time.
"""

from __future__ import annotations

import lzma
import os
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from functools import partial
from io import BufferedReader, BytesIO, FileIO
from typing import IO, TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.header import Format, PickleVerdict
from modelshelf.formats.architecture import recognise
from modelshelf.formats.contents import shown
from modelshelf.formats.pickle_stream import PickleStream, can_begin_pickle, follow
from modelshelf.formats.pickle_tensors import is_hypernetwork, tensor_shapes
from modelshelf.formats.pickles import TORCH_EXTENSIONS, ZIP_MAGICS, is_pickle
from modelshelf.formats.regular_file import RegularFile, opened
from modelshelf.formats.zip_end import find_zip_end

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from modelshelf.domain.header import Header

_PICKLE_FORMATS = {Format.TORCH_ZIP, Format.PICKLE}
_CONTAINERS = {*_PICKLE_FORMATS, Format.ARCHIVE}
_PICKLE_NAMES = frozenset({".pkl", ".pickle", ".joblib", ".dat", ".data", ".ckpt", ".pt", ".pth", ".bin"})
_UNOPENED = (b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x1f\x8b\x08", b"\x93NUMPY")
"""7z, RAR, gzip, and NumPy's arrays, which may hold pickles."""
_HEAD_BYTES = 8
_LEGACY_FIRST = bytes.fromhex("8a0a6cfc9c46f9206aa850192e")
_LEGACY_PICKLES = 5
_MOST_PICKLES = 1000
_SMALLEST_UNPROMISED_BYTES = 16
"""A stray byte or two can be a pickle by chance."""
_SMALLEST_IMPORT_BYTES = 5
_MOST_NESTED_BYTES = 64 * 1024 * 1024
_DEEPEST = 3
_MOST_FINDINGS = 20
_MOST_SHOWN = 120
_WORD = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)
_UNKNOWN = "unknown"
"""What picklescan calls a name that is put together when it is loaded."""
_ZIP_FAULTS = (
    *(zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError, OSError),
    *(struct.error, zlib.error, lzma.LZMAError),
)


@dataclass(frozen=True, slots=True)
class PickleScan:
    """The verdict, None where there is no pickle; and the imports that it rests on, or why there is none.

    `kind` and `architecture` are what the tensors make that the pickle describes.
    """

    verdict: PickleVerdict | None
    findings: tuple[str, ...] = ()
    tensor_count: int = 0
    kind: str | None = None
    architecture: str | None = None


def foresee_scan(path: Path, header: Header) -> PickleScan | None:
    """Give what a scan would give where no scan is needed to tell, else None. Programs choose their loader by the name.

    Raises what `opened` does.
    """
    is_torch_named = path.suffix.lower() in TORCH_EXTENSIONS
    if not header.is_readable:
        return not_scanned(header.reason or header.verdict) if header.format in _PICKLE_FORMATS else PickleScan(None)
    if header.format in _CONTAINERS:
        return None
    if not is_torch_named:
        return PickleScan(None)
    with opened(path) as file:
        if can_begin_pickle(file.head(1)):
            return None
    return _Tally().result(is_pickle_expected=header.format is Format.UNKNOWN)


def not_scanned(why: str) -> PickleScan:
    """Give the scan that was none."""
    return PickleScan(PickleVerdict.NOT_SCANNED, (why[:_MOST_SHOWN],))


def scan_pickles(path: Path, header_format: Format) -> PickleScan:
    """Scan every pickle of a file of this format, those in its zip and in the zips within it too.

    FileGone, FileUnreadable and FileChanged are raised; whatever else stops it is a finding.
    """
    tally = _Tally()
    with opened(path) as file:
        try:
            _scan_file(tally, file, header_format)
        except MemoryError:
            tally.doubts.append("it takes more memory than a scan may use")
    is_promised = path.suffix.lower() in TORCH_EXTENSIONS and header_format in {Format.ARCHIVE, Format.UNKNOWN}
    is_expected = is_promised or header_format in _PICKLE_FORMATS
    kind, architecture = recognise(tally.shapes, {})
    return replace(
        tally.result(is_pickle_expected=is_expected),
        tensor_count=len(tally.shapes),
        kind="Hypernetwork" if is_hypernetwork(tally.shapes) else kind,
        architecture=architecture,
    )


@dataclass(frozen=True, slots=True)
class _Import:
    """What a pickle imports, and picklescan's word for it."""

    module: str
    name: str
    safety: str

    @property
    def is_plausible(self) -> bool:
        """Whether chance cannot have made it: raw numbers can look like an import, hardly like one with a name."""
        words = (self.module, self.name)
        return _UNKNOWN not in words and all(_WORD.fullmatch(word) for word in words)

    def __str__(self) -> str:
        return readable(f"{self.module}.{self.name}")[:_MOST_SHOWN]


@dataclass(frozen=True, slots=True)
class _Source:
    """Where pickles may stand one after another. `is_promised`: by its name or format there are some."""

    name: str
    size_bytes: int
    open: Callable[[], IO[bytes]]
    is_promised: bool

    def stream(self, start: int = 0) -> PickleStream:
        return PickleStream(self.open(), self.size_bytes, start)

    def head(self) -> bytes:
        head = self.stream().read(min(_HEAD_BYTES, self.size_bytes))
        if len(head) < min(_HEAD_BYTES, self.size_bytes):
            raise EOFError("it is shorter than its zip says")
        return head


@dataclass(slots=True)
class _Reading:
    """What one source holds. `fault` tells where following ended before its last byte."""

    imports: list[_Import] = field(default_factory=list)
    pickle_count: int = 0
    fault: str | None = None
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class _Tally:
    """All that was found in one file."""

    dangerous: set[str] = field(default_factory=set)
    suspicious: set[str] = field(default_factory=set)
    doubts: list[str] = field(default_factory=list)
    pickle_count: int = 0
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def add(self, source: _Source, reading: _Reading) -> None:
        """Count what was read of a source, if it is a pickle at all."""
        has_magic = is_pickle(source.head())
        is_whole = reading.fault is None and source.size_bytes >= _SMALLEST_UNPROMISED_BYTES
        is_sure = source.is_promised or is_whole or (has_magic and reading.pickle_count > 0)
        imports = [each for each in reading.imports if is_sure or each.is_plausible]
        if not imports and not is_sure:
            return
        self.pickle_count += reading.pickle_count
        self.shapes = self.shapes or reading.shapes
        self.dangerous |= {str(each) for each in imports if each.safety == PickleVerdict.DANGEROUS}
        self.suspicious |= {str(each) for each in imports if each.safety == PickleVerdict.SUSPICIOUS}
        if reading.fault and (source.is_promised or imports):
            self.doubts.append(f"{source.name}: {reading.fault}" if source.name else reading.fault)

    def result(self, *, is_pickle_expected: bool) -> PickleScan:
        """Give the verdict: the worst that was found, and nothing better than the worst doubt."""
        if self.dangerous:
            return PickleScan(PickleVerdict.DANGEROUS, _few(sorted(self.dangerous)))
        if self.doubts:
            return PickleScan(PickleVerdict.NOT_SCANNED, _few([*self.doubts, *sorted(self.suspicious)]))
        if self.suspicious:
            return PickleScan(PickleVerdict.SUSPICIOUS, _few(sorted(self.suspicious)))
        if self.pickle_count:
            return PickleScan(PickleVerdict.CLEAN)
        return not_scanned("no pickle was found in it") if is_pickle_expected else PickleScan(None)


def _few(findings: list[str]) -> tuple[str, ...]:
    rest = len(findings) - _MOST_FINDINGS
    return (*findings[:_MOST_FINDINGS], *([f"and {rest:,} more"] if rest > 0 else []))


def _scan_file(tally: _Tally, file: RegularFile, header_format: Format) -> None:
    head = file.head(_HEAD_BYTES)
    open_file = partial(_reader_of, file)
    if head.startswith(ZIP_MAGICS):
        _scan_zip(tally, open_file(), 1)
    elif header_format is Format.ARCHIVE:
        tally.doubts.append("an archive that is not opened here")
    else:
        _scan_source(tally, _Source("", file.size_bytes, open_file, header_format is Format.PICKLE))


def _reader_of(file: RegularFile) -> IO[bytes]:
    reader = BufferedReader(FileIO(file.descriptor, closefd=False))
    reader.seek(0)
    return reader


def _scan_zip(tally: _Tally, raw: IO[bytes], depth: int) -> None:
    """Scan the members, checksums, flags and names in their own headers ignored, as torch's reader does."""
    from picklescan.relaxed_zipfile import RelaxedZipFile  # noqa: PLC0415 -- the daemon itself never needs it

    try:
        with RelaxedZipFile(raw) as archive:
            members = archive.infolist()
            if members and all(member.header_offset for member in members):
                tally.doubts.append(
                    "its zip begins behind other bytes, and programs may differ on where its members are"
                )
            if not _is_certain(raw):
                tally.doubts.append("the records at the end of its zip may lead programs to different members")
            for member in {_place_of(each): each for each in members}.values():
                _scan_member(tally, archive, member, depth)
    except _ZIP_FAULTS as error:
        tally.doubts.append(f"its zip cannot be read: {readable(str(error))}")


def _is_certain(raw: IO[bytes]) -> bool:
    """Tell whether whoever opens this zip sees the members that are seen here."""

    def read_at(offset: int, length: int) -> bytes:
        raw.seek(offset)
        return raw.read(length)

    end = find_zip_end(read_at, raw.seek(0, os.SEEK_END))
    return end is not None and end.is_certain


def _place_of(member: zipfile.ZipInfo) -> tuple[object, ...]:
    """Give what tells a member from others: a directory may list the same bytes tens of thousands of times."""
    suffix = os.path.splitext(member.filename)[1].lower()
    return member.header_offset, member.compress_type, member.compress_size, member.file_size, suffix


def _scan_member(tally: _Tally, archive: zipfile.ZipFile, member: zipfile.ZipInfo, depth: int) -> None:
    is_promised = os.path.splitext(member.filename)[1].lower() in _PICKLE_NAMES
    if member.file_size < (1 if is_promised else _SMALLEST_IMPORT_BYTES):
        return
    name = shown(member.filename)
    source = _Source(name, member.file_size, partial(archive.open, member), is_promised)
    if member.flag_bits & 1:
        tally.doubts.append(f"{name} is encrypted")
    try:
        head = source.head()
        if head.startswith(ZIP_MAGICS):
            _scan_nested(tally, source, depth)
        elif head.startswith(_UNOPENED):
            tally.doubts.append(f"{name} is not opened here")
        elif can_begin_pickle(head) or is_promised:
            _scan_source(tally, source)
    except _ZIP_FAULTS as error:
        tally.doubts.append(f"{name} cannot be read: {readable(str(error))}")


def _scan_nested(tally: _Tally, source: _Source, depth: int) -> None:
    if depth == _DEEPEST or source.size_bytes > _MOST_NESTED_BYTES:
        tally.doubts.append(f"{source.name} is a zip too deep or too large to look into")
    else:
        _scan_zip(tally, BytesIO(source.stream().read(source.size_bytes)), depth + 1)


def _scan_source(tally: _Tally, source: _Source) -> None:
    tally.add(source, _read(source))


def _read(source: _Source) -> _Reading:
    """Follow and judge pickle after pickle. Behind the five of torch's old format raw numbers follow, which nobody loads."""
    reading = _Reading()
    start = 0
    while start < source.size_bytes and reading.pickle_count < _MOST_PICKLES:
        try:
            end = follow(source.stream(start))
        except ValueError as error:
            reading.imports += _imports(source, start)
            reading.fault = f"cannot be followed from byte {start:,} on: {readable(str(error))}"
            return reading
        reading.imports += _imports(source, start, end)
        if source.is_promised and not reading.shapes:
            reading.shapes = tensor_shapes(source.stream(start))
        reading.pickle_count += 1
        if reading.pickle_count == _LEGACY_PICKLES and _is_legacy(source):
            return reading
        start = end
    if start < source.size_bytes:
        reading.fault = f"holds more than {_MOST_PICKLES:,} pickles"
    return reading


def _is_legacy(source: _Source) -> bool:
    length = 2 + len(_LEGACY_FIRST)
    return source.size_bytes > length and source.stream().read(length)[2:] == _LEGACY_FIRST


def _imports(source: _Source, start: int, end: int = 0) -> list[_Import]:
    """Ask picklescan what one pickle imports: each by itself, since its memory of names must not outlast a pickle.

    It takes an error for an end, want of memory too, so how far it came is compared.
    """
    from picklescan.scanner import scan_pickle_bytes  # noqa: PLC0415 -- the daemon itself never needs it

    stream = source.stream(start)
    try:
        scanned = scan_pickle_bytes(stream, source.name, multiple_pickles=False)
    except ValueError:
        return [_Import(_UNKNOWN, _UNKNOWN, PickleVerdict.DANGEROUS)]
    if stream.furthest < end:
        raise MemoryError
    return [_Import(str(each.module), str(each.name), each.safety.value) for each in scanned.globals]
