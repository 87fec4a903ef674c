"""What goes over the wire between a client and the Civitai stand-in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelshelf.domain.jsontypes import JsonValue


PRIVATE = {"Cache-Control": "max-age=0, private, no-cache"}


class Cut(Enum):
    """Where a connection breaks."""

    NEVER = "never"
    BEFORE_HEADERS = "before the headers"
    MID_BODY = "in the middle of the body"
    HALF_WAY = "in the middle of the body, when all before it has arrived"


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it came in; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def route(self) -> str:
        """The path without its query."""
        return urlsplit(self.path).path

    @property
    def query(self) -> dict[str, str]:
        """The query's last value for each name."""
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}

    def json(self) -> JsonValue:
        """Give the body as JSON; None where it is none."""
        try:
            body: JsonValue = json.loads(self.body)
        except ValueError:
            return None
        return body


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is sent."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: Cut = Cut.NEVER


def json_reply(body: JsonValue, status: int = 200, cache_seconds: int = 300) -> Reply:
    """Give JSON with the Cache-Control that the real server sets on every status; 0 seconds: private."""
    cached = f"public, s-maxage={cache_seconds}, stale-while-revalidate={cache_seconds // 2}"
    headers = {"Cache-Control": cached} if cache_seconds else PRIVATE
    return Reply(status, json.dumps(body, ensure_ascii=False).encode(), headers=headers)


def error_reply(text: str, status: int, cache_seconds: int = 300) -> Reply:
    """Give an error in the server's usual form."""
    return json_reply({"error": text}, status, cache_seconds)


def page_reply(title: str, status: int, headers: Mapping[str, str] | None = None) -> Reply:
    """Give an HTML page."""
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>"
    return Reply(status, page.encode(), "text/html; charset=utf-8", headers or {})
