"""Moods of the real server and of what stands before it: each turns a genuine Reply into what is sent instead."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from tests.fakes.civitai_wire import Cut, Reply, error_reply, json_reply, page_reply

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject, JsonValue

Mood: TypeAlias = Callable[[Reply], Reply]


def content(reply: Reply) -> Reply:
    """Answer as if nothing were wrong."""
    return reply


def rate_limited(retry_after: str | None = None) -> Mood:
    """Give Cloudflare's 429; `retry_after` is seconds or an HTTP date."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return lambda _: page_reply("Too Many Requests", 429, headers)


def paging_cap(_: Reply) -> Reply:
    """Give the 429 that no waiting mends."""
    return error_reply("You've requested too many pages, please use cursors instead", 429)


def overloaded(_: Reply) -> Reply:
    """Give the 503 that says itself to be transient."""
    reply = error_reply("The service is temporarily overloaded - please retry.", 503)
    return replace(reply, headers={"Cache-Control": "no-store", "Retry-After": "2"})


def timed_out_at_edge(_: Reply) -> Reply:
    """Give Cloudflare's 524."""
    return page_reply("524: A timeout occurred", 524)


def challenged(_: Reply) -> Reply:
    """Give Cloudflare's challenge."""
    return page_reply("Just a moment...", 403, {"cf-mitigated": "challenge"})


def region_blocked(_: Reply) -> Reply:
    """Give the country block."""
    text = "Access to this service is not available in your region due to legal restrictions."
    return json_reply({"error": text, "code": "REGION_BLOCKED"}, 451, 0)


def unauthorized(_: Reply) -> Reply:
    """Give the 401 of a route that wants a key."""
    return error_reply("Unauthorized", 401, 0)


def forbidden(_: Reply) -> Reply:
    """Give a 403 of the server itself."""
    return error_reply("Early Access", 403)


def malformed(_: Reply) -> Reply:
    """Give a 400, as one malformed hash brings on a whole batch."""
    return error_reply("Request must include an array of SHA256 Hashes. [...]", 400)


def too_large(_: Reply) -> Reply:
    """Give the 413 of a body over a megabyte."""
    return Reply(413, b"Body exceeded 1mb limit", "text/plain; charset=utf-8")


def unknown(_: Reply) -> Reply:
    """Give the server's own 404, as its edge does for an hour and a half after a hash has become known."""
    return error_reply("Model not found", 404, 3600)


def method_not_allowed(_: Reply) -> Reply:
    """Give the 405 of a server that does not speak this method."""
    return error_reply("Method not allowed", 405)


def page(_: Reply) -> Reply:
    """Give a web page with status 200."""
    return page_reply("Civitai", 200)


def wrong_address(_: Reply) -> Reply:
    """Give the web site's own 404."""
    return page_reply("404: This page could not be found", 404)


def strange_miss(_: Reply) -> Reply:
    """Give the 404 of a mirror or a gateway, which is JSON, too."""
    return json_reply({"detail": "Not Found"}, 404)


def crashed(_: Reply) -> Reply:
    """Give Next.js's plain 500."""
    return Reply(500, b"Internal Server Error", "text/plain; charset=utf-8")


def truncated(reply: Reply) -> Reply:
    """Give half of the JSON and call it whole."""
    return replace(reply, body=reply.body[: len(reply.body) // 2])


def raw_control_character(reply: Reply) -> Reply:
    """Put control characters into the first name, as bodies of 2025 had them (civitai/cli issue 525)."""
    return replace(reply, body=reply.body.replace(b'"name": "', b'"name": "\x01\n', 1))


def reset(reply: Reply) -> Reply:
    """Reset the connection in the middle of the body."""
    return replace(reply, cut=Cut.MID_BODY)


def hung_up(reply: Reply) -> Reply:
    """Close the connection without a word."""
    return replace(reply, cut=Cut.BEFORE_HEADERS)


def redirected(location: str, status: int = 302) -> Mood:
    """Send the client elsewhere."""
    return lambda _: replace(page_reply("Moved", status), headers={"Location": location})


redirect_loop = redirected("/redirect-loop")
"""Sends the client to an address that sends it there again, for ever."""


def numeric_username(reply: Reply) -> Reply:
    """Give every creator's name as a bare number (civitai/cli issue 513)."""
    return rewritten(reply, lambda key, value: 12345 if key == "username" else value)


def without_hashes(reply: Reply) -> Reply:
    """Give files as they are before their scan."""
    return rewritten(reply, lambda key, value: {} if key == "hashes" else value)


def lower_case_hashes(reply: Reply) -> Reply:
    """Give hashes in lower case."""
    return rewritten(reply, lambda key, value: _lowered(value) if key == "hashes" else value)


def _lowered(hashes: JsonValue) -> JsonValue:
    return {name: str(value).lower() for name, value in hashes.items()} if isinstance(hashes, dict) else hashes


def rewritten(reply: Reply, change: Callable[[str, JsonValue], JsonValue]) -> Reply:
    """Change every value under a key of an answer that is JSON."""

    def walk(value: JsonValue) -> JsonValue:
        if isinstance(value, list):
            return [walk(each) for each in value]
        if isinstance(value, dict):
            rewritten: JsonObject = {key: walk(change(key, each)) for key, each in value.items()}
            return rewritten
        return value

    if not reply.content_type.startswith("application/json"):
        return reply
    return replace(reply, body=json.dumps(walk(json.loads(reply.body))).encode())
