"""Pictures and clips straight to disk: in bounded memory, whole or not at all, going on where a connection broke."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING, Literal

from modelshelf.civitai.answers import Answer, AnswerTooLarge
from modelshelf.domain.display import readable
from modelshelf.errors import CivitaiUnavailable, ModelshelfError, WriteRefused, from_os_error
from modelshelf.files import move_without_replacing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from modelshelf.civitai.asking import Asker
    from modelshelf.civitai.question import Stream

HEAD_BYTES = 64
_TELLING_BYTES = 512
_UNPACKED = {"Accept-Encoding": "identity"}
_LONGEST_NOTE = 300
_NEW = os.O_CREAT | os.O_EXCL
_MODES: dict[int, Literal["rb", "wb", "r+b"]] = {os.O_RDONLY: "rb", os.O_WRONLY: "wb", os.O_RDWR: "r+b"}
_STRONG_ETAG = re.compile(r'"[!#-~]{1,200}"')
_DATE = re.compile("[A-Za-z0-9:, ]{20,40}")
_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(?:(\d{1,18})|\*)")


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What was put at `path`; its first bytes tell what it is, whatever its address says."""

    path: Path
    size_bytes: int
    head: bytes


class Downloads:
    """Fetches without the key, and no farther than any picture's address may lead."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    def fetch(self, url: str, destination: Path, max_bytes: int) -> Downloaded:
        """Put what is at `url` at `destination`, where nothing may be.

        What is received lies beside it as one of our temporary files, which a scan sweeps up after an hour. When the
        connection breaks it stays, and the next call asks for the rest, if it is still the rest of the same. Raises like
        `Asker.picture`, and WriteRefused where something is in the way.
        """
        if os.path.lexists(destination):
            raise WriteRefused(
                f"something else is in the way at {readable(destination)}: nothing is downloaded over it"
            )
        partial = _Partial(destination, url)
        try:
            head, size_bytes = self._received(url, partial, max_bytes)
            move_without_replacing(partial.path, destination)
        except CivitaiUnavailable:
            partial.keep_if_of_use()
            raise
        except ModelshelfError:
            partial.discard()
            raise
        partial.discard()
        return Downloaded(destination, size_bytes, head)

    def _received(self, url: str, partial: _Partial, max_bytes: int) -> tuple[bytes, int]:
        """Fill the partial file, from where it ends or, where the server will not have that, from the beginning."""
        validator, begun_bytes = partial.begun()
        if validator is not None:
            headers = {**_UNPACKED, "Range": f"bytes={begun_bytes}-", "If-Range": validator}
            with self._asker.picture_stream(url, headers) as stream:
                if stream.status == HTTPStatus.OK:
                    return partial.fill(stream, 0, max_bytes)
                if _continues_at(stream) == begun_bytes:
                    return partial.fill(stream, begun_bytes, max_bytes)
        with self._asker.picture_stream(url, _UNPACKED) as stream:
            return partial.fill(stream, 0, max_bytes)


class _Partial:
    """A file on its way, and beside it what the server calls this state of it; `files.is_leftover` knows both names."""

    def __init__(self, destination: Path, url: str) -> None:
        digest = hashlib.sha256(os.fsencode(destination.name) + b"/" + url.encode("utf-8", "surrogatepass")).hexdigest()
        self.path = destination.with_name(f".download.modelshelf-{digest[:16]}.tmp")
        self._note = destination.with_name(f".download.modelshelf-{digest[16:32]}.tmp")

    def begun(self) -> tuple[str | None, int]:
        """Give by what the rest may be asked for, and how much is there; None and 0 where nothing is of use."""
        try:
            with _opened(self.path, os.O_RDONLY) as partial, _opened(self._note, os.O_RDONLY) as note:
                size_bytes = os.fstat(partial.fileno()).st_size
                validator = note.read(_LONGEST_NOTE).decode("ascii", "replace")
        except (OSError, WriteRefused):
            return None, 0
        return (validator, size_bytes) if size_bytes and _is_validator(validator) else (None, 0)

    def fill(self, stream: Stream, begun_bytes: int, max_bytes: int) -> tuple[bytes, int]:
        """Write what comes behind what is there, down to the disk; gives the first bytes of it all and its size."""
        size_bytes = begun_bytes
        pieces = stream.pieces if begun_bytes else _examined(stream)
        with _translated(self.path), self._continued(stream.headers, begun_bytes) as opened:
            for piece in pieces:
                size_bytes += len(piece)
                if size_bytes > max_bytes:
                    raise AnswerTooLarge(f"{stream.host} sent more than the {max_bytes} bytes that are allowed")
                opened.write(piece)
            _require_whole(stream, size_bytes)
            opened.flush()
            os.fsync(opened.fileno())
            opened.seek(0)
            return opened.read(HEAD_BYTES), size_bytes

    def keep_if_of_use(self) -> None:
        """Let what broke off lie where the rest of it can be asked for."""
        if self.begun()[0] is None:
            self.discard()

    def discard(self) -> None:
        """Remove both files, where they are."""
        for each in (self.path, self._note):
            with suppress(OSError):
                each.unlink()

    @contextmanager
    def _continued(self, headers: Mapping[str, str], begun_bytes: int) -> Iterator[BinaryIO]:
        """Open what was begun at its end, or a new file after noting what the server calls what is to come."""
        if begun_bytes:
            with _opened(self.path, os.O_RDWR) as opened:
                opened.seek(begun_bytes)
                yield opened
            return
        self.discard()
        with _opened(self.path, os.O_RDWR | _NEW) as opened:
            self._take_note(headers)
            yield opened

    def _take_note(self, headers: Mapping[str, str]) -> None:
        """Remember the server's name for this state; what comes packed cannot be gone on with."""
        named = [headers.get("ETag", ""), headers.get("Last-Modified", "")]
        validator = next(filter(_is_validator, named), None)
        if validator is not None and headers.get("Content-Encoding", "identity") == "identity":
            with _opened(self._note, os.O_WRONLY | _NEW) as note:
                note.write(validator.encode("ascii"))


def _examined(stream: Stream) -> Iterator[bytes]:
    """Give the pieces, after a look at the first ones: a page of HTML, or nothing, is no picture."""
    beginning = b""
    for piece in stream.pieces:
        beginning += piece
        if len(beginning) >= _TELLING_BYTES:
            break
    if not beginning or Answer(stream.host, stream.status, stream.headers, beginning).is_page:
        raise CivitaiUnavailable(f"{stream.host} answered {stream.status} with something that is no picture")
    return chain([beginning], stream.pieces)


def _continues_at(stream: Stream) -> int | None:
    """Give from which byte on a partial answer goes on; None for one that is none."""
    match = _RANGE.fullmatch(stream.headers.get("Content-Range", ""))
    is_plain = stream.headers.get("Content-Encoding", "identity") == "identity"
    return int(match[1]) if match and is_plain and stream.status == HTTPStatus.PARTIAL_CONTENT else None


def _require_whole(stream: Stream, size_bytes: int) -> None:
    match = _RANGE.fullmatch(stream.headers.get("Content-Range", ""))
    if match and match[2] and int(match[2]) != size_bytes:
        raise CivitaiUnavailable(f"{stream.host} sent {size_bytes} of {match[2]} bytes")


def _is_validator(text: str) -> bool:
    return bool(_STRONG_ETAG.fullmatch(text) or _DATE.fullmatch(text))


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[BinaryIO]:
    """Open a file of ours; a link of any kind under its name is somebody's trap."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    with os.fdopen(descriptor, _MODES[flags & os.O_ACCMODE]) as opened:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise WriteRefused(f"something else is in the way at {readable(path)}: it was left alone")
        yield opened


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise from_os_error(error, os.fsencode(path), "write") from error
