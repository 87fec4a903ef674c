"""What is asked over HTTP and what comes back, in plain values: whoever has nothing to ask loads no HTTP library."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from modelshelf.civitai.answers import AnswerTooLarge
from modelshelf.domain.display import readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from modelshelf.domain.jsontypes import JsonValue

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Question:
    """One request. The key is shown only where `has_key`, and then only to the home host."""

    url: str
    method: str = "GET"
    json: JsonValue = None
    has_key: bool = True
    accept: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose body is still coming, in `pieces` of any size; `headers` may be asked in any case.

    `is_elsewhere`: redirects led to another host than the one that was asked.
    """

    host: str
    status: int
    headers: Mapping[str, str]
    pieces: Iterator[bytes]
    is_elsewhere: bool = False

    def read(self, max_bytes: int) -> bytes:
        """Give the whole body; AnswerTooLarge above `max_bytes`."""
        content = bytearray()
        for piece in self.pieces:
            content += piece
            if len(content) > max_bytes:
                raise AnswerTooLarge(f"{self.host} sent more than the {max_bytes} bytes that are allowed")
        return bytes(content)


def origin_of(url: str) -> tuple[str, str, int] | None:
    """Give scheme, host and port of a web address; None if it is none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not host:
        return None
    return parts.scheme, host, port or DEFAULT_PORTS[parts.scheme]


def host_of(url: str) -> str:
    """Name the host for eyes; name and password of the address are left out."""
    origin = origin_of(url)
    return readable(origin[1]) if origin else "the server"
