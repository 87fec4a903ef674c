"""What HTTP itself adds to a whole answer of the stand-in: an ETag, a 304 for who has it already, pieces of pictures."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.fakes.civitai_wire import Reply

if TYPE_CHECKING:
    from tests.fakes.civitai_wire import RecordedRequest

_TAGGED = ("application/json", "image/", "video/")
_IN_PIECES = ("image/", "video/")
_FROM = re.compile(r"bytes=(\d+)-(\d*)")


def conditional(request: RecordedRequest, reply: Reply, *, has_ranges: bool = True) -> Reply:
    """Give the answer as asked for: whole, as a 304, or from a byte on; without `has_ranges` a Range is ignored."""
    if reply.status != 200 or not reply.content_type.startswith(_TAGGED):
        return reply
    etag = f'"{hashlib.sha256(reply.body).hexdigest()[:20]}"'
    headers = {**reply.headers, "ETag": etag}
    if request.method == "GET" and etag in request.headers.get("if-none-match", ""):
        return Reply(304, b"", reply.content_type, headers)
    reply = replace(reply, headers=headers)
    if not has_ranges or not reply.content_type.startswith(_IN_PIECES):
        return reply
    return _piece(request, replace(reply, headers={**headers, "Accept-Ranges": "bytes"}), etag)


def _piece(request: RecordedRequest, reply: Reply, etag: str) -> Reply:
    asked = _FROM.fullmatch(request.headers.get("range", ""))
    if asked is None or request.headers.get("if-range", etag) != etag:
        return reply
    size, first = len(reply.body), int(asked[1])
    if first >= size:
        return replace(reply, status=416, body=b"", headers={**reply.headers, "Content-Range": f"bytes */{size}"})
    last = min(int(asked[2] or size), size - 1)
    headers = {**reply.headers, "Content-Range": f"bytes {first}-{last}/{size}"}
    return replace(reply, status=206, body=reply.body[first : last + 1], headers=headers)
