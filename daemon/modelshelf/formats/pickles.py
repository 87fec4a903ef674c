"""Looking into torch's pickles without ever loading one: the zip of torch 1.6 and later, and the bare pickle before it.

Only the zip's directory is read. Whether a pickle is safe to load is another question, for `pickle_scan`.
"""

from __future__ import annotations

import os
import struct
import zipfile
from pickletools import opcodes
from typing import TYPE_CHECKING

from modelshelf.domain.header import Format, Verdict
from modelshelf.errors import BrokenModelFile, from_os_error
from modelshelf.formats.contents import Contents
from modelshelf.formats.zip_end import find_zip_end

if TYPE_CHECKING:
    from modelshelf.formats.regular_file import RegularFile
    from modelshelf.formats.zip_end import ZipEnd

ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
TORCH_EXTENSIONS = frozenset({".ckpt", ".pt", ".pth", ".bin", ".pkl"})
_LEGACY_MAGIC = bytes.fromhex("8a0a6cfc9c46f9206aa85019")
_LEGACY_MAGIC_WITHIN_BYTES = 24
_PICKLE_PROTOCOLS = range(2, 6)
_OPCODES = frozenset(ord(each.code) for each in opcodes)

_MAX_DIRECTORY_BYTES = 8 * 1024 * 1024
_MAX_MEMBERS = 50_000
_LOCAL_NAME_LENGTH_AT = 26
_LOCAL_NAME_AT = 30
_ENCRYPTED = 0x1
_BOMB_RATIO = 100
_BOMB_ALLOWANCE_BYTES = 64 * 1024 * 1024


def is_pickle(head: bytes) -> bool:
    """Tell whether a file begins as a pickle of protocol 2 to 5, and goes on with something that unpickling knows.

    A safetensors header of 640, 896, 1152 or 1408 bytes begins with the same two.
    """
    if len(head) < 3 or head[0] != 0x80 or head[1] not in _PICKLE_PROTOCOLS:  # noqa: PLR2004
        return False
    return head[2] in _OPCODES


def read_pickle(head: bytes) -> Contents:
    """Give the verdict on a bare pickle: nothing in it can be checked without loading it."""
    is_torch = _LEGACY_MAGIC in head[: _LEGACY_MAGIC_WITHIN_BYTES + len(_LEGACY_MAGIC)]
    name = "torch's old pickle format" if is_torch else "a bare pickle"
    return Contents(Format.PICKLE, Verdict.UNPROVEN, f"{name} declares nothing that could be checked")


def read_zip(file: RegularFile) -> Contents:
    """Give the verdict on a zip by its directory; a torch file if `data.pkl` is in it, else an archive."""
    directory = find_zip_end(file.read_at, file.size_bytes)
    if directory is None:
        is_torch = _first_name(file).endswith("data.pkl") or _extension(file) in TORCH_EXTENSIONS
        reason = f"has {file.size_bytes:,} bytes and lacks the end of its zip"
        return Contents(Format.TORCH_ZIP if is_torch else Format.ARCHIVE, Verdict.INCOMPLETE, reason)
    members = _members(file, directory)
    is_torch = any(os.path.basename(member.filename) == "data.pkl" for member in members)
    _require_harmless(file, members)
    if not is_torch:
        return Contents(
            Format.ARCHIVE, Verdict.UNPROVEN, "a zip archive: unpack it to use what is inside", directory.end
        )
    excess = file.size_bytes - directory.end
    note = f"{excess:,} bytes follow the end of its zip" if excess else None
    return Contents(Format.TORCH_ZIP, Verdict.SOUND, note, directory.end)


def _extension(file: RegularFile) -> str:
    return file.path.suffix.lower()


def _first_name(file: RegularFile) -> str:
    head = file.head(_LOCAL_NAME_AT + 512)
    length = int.from_bytes(head[_LOCAL_NAME_LENGTH_AT : _LOCAL_NAME_LENGTH_AT + 2], "little")
    return head[_LOCAL_NAME_AT : _LOCAL_NAME_AT + length].decode("utf-8", "replace")


def _members(file: RegularFile, directory: ZipEnd) -> list[zipfile.ZipInfo]:
    """List the members; the directory's own claims are bounded first, since it is read into memory at one go."""
    if directory.member_count > _MAX_MEMBERS or directory.directory_bytes > _MAX_DIRECTORY_BYTES:
        raise BrokenModelFile(f"its zip claims {directory.member_count:,} members")
    try:
        with open(file.descriptor, "rb", closefd=False) as stream, zipfile.ZipFile(stream) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise BrokenModelFile(f"the directory of its zip is damaged: {error}") from error
    except OSError as error:
        raise from_os_error(error, os.fsencode(file.path), "read") from error


def _require_harmless(file: RegularFile, members: list[zipfile.ZipInfo]) -> None:
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise BrokenModelFile("its zip is encrypted")
    packed_bytes = sum(member.compress_size for member in members)
    unpacked_bytes = sum(member.file_size for member in members)
    if packed_bytes > file.size_bytes:
        raise BrokenModelFile("the members of its zip lie over one another")
    if unpacked_bytes > _BOMB_ALLOWANCE_BYTES + _BOMB_RATIO * file.size_bytes:
        raise BrokenModelFile(f"a zip bomb: {file.size_bytes:,} bytes that unpack to {unpacked_bytes:,}")
