"""The routes of the Civitai stand-in: a request in, a genuine Reply out (civitai/civitai v5.0, src/pages/api/v1)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tests.fakes.civitai_bodies import by_hash_body, by_id_body
from tests.fakes.civitai_lists import Lists
from tests.fakes.civitai_pictures import picture_reply
from tests.fakes.civitai_wire import PRIVATE, RecordedRequest, Reply, error_reply, json_reply, page_reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelshelf.domain.jsontypes import JsonValue
    from tests.fakes.civitai_records import Records

BATCH_LIMIT = 100
IDS_LIMIT = 10_000
LARGEST_REQUEST_BYTES = 1_000_000
_LARGEST_ID = 2**31 - 1


class Routes:
    """Answers requests from the records. `keys` are the API keys that /me accepts: elsewhere a wrong one is no key.

    `picture` draws what lies behind an address of the image edge.
    """

    def __init__(self, records: Records) -> None:
        self.records = records
        self.lists = Lists(records)
        self.keys = {"stand-in-key"}
        self.picture: Callable[[str], Reply] = picture_reply
        self._table: list[tuple[str, Callable[[RecordedRequest, str], Reply]]] = [
            (r"/api/v1/model-versions/by-hash/ids", self._ids_by_hash),
            (r"/api/v1/model-versions/by-hash/([^/]+)", self._by_hash),
            (r"/api/v1/model-versions/by-hash/?", self._batch_by_hash),
            (r"/api/v1/model-versions/([^/]+)", self._version),
            (r"/api/v1/models/([^/]+)", self._model),
            (r"/api/v1/models/?", self._models),
            (r"/api/v1/images/?", lambda request, _: self.lists.images(request)),
            (r"/api/v1/me", self._me),
            (r"(/images/.+)", lambda _, route: self.picture(route)),
            (r"/redirect-loop", lambda *_: Reply(302, b"", headers={"Location": "/redirect-loop"})),
        ]

    def answer(self, request: RecordedRequest) -> Reply:
        """Give the genuine answer."""
        if len(request.body) > LARGEST_REQUEST_BYTES:
            return Reply(413, b"Body exceeded 1mb limit", "text/plain")
        for pattern, route in self._table:
            if match := re.fullmatch(pattern, request.route):
                return route(request, unquote(match[1]) if match.groups() else "")
        return page_reply("404: This page could not be found", 404)

    def _by_hash(self, _: RecordedRequest, digits: str) -> Reply:
        found = self.records.with_hash(digits)
        if not found:
            return error_reply("Model not found", 404, 3600)
        return json_reply(by_hash_body(found[0]), cache_seconds=3600)

    def _batch_by_hash(self, request: RecordedRequest, _: str) -> Reply:
        sha256s = _sha256s(request, BATCH_LIMIT)
        if isinstance(sha256s, Reply):
            return sha256s
        pairs = self.records.with_sha256s(sha256s)
        nulls: list[JsonValue] = [None] if pairs else []
        return json_reply([*nulls, *(by_hash_body(version, is_batch=True) for _, version in pairs)])

    def _ids_by_hash(self, request: RecordedRequest, _: str) -> Reply:
        sha256s = _sha256s(request, IDS_LIMIT)
        if isinstance(sha256s, Reply):
            return sha256s
        pairs = self.records.with_sha256s(sha256s)
        return json_reply(
            [{"modelVersionId": each.id, "modelId": each.model.id, "hash": sha256} for sha256, each in pairs]
        )

    def _version(self, request: RecordedRequest, text: str) -> Reply:
        if request.method != "GET":
            return error_reply("Method not allowed", 405)
        version_id = _identifier(text)
        if version_id is None:
            return error_reply("Missing modelVersionId", 400)
        version = self.records.versions.get(version_id)
        if version is None or not version.is_published:
            return error_reply("Model not found", 404)
        return self._mixed(request, json_reply(by_id_body(version)))

    def _model(self, _: RecordedRequest, text: str) -> Reply:
        model_id = _identifier(text)
        if model_id is None:
            return error_reply("Invalid model id", 400)
        model = self.records.models.get(model_id)
        if model is None or not self.lists.is_shown(model):
            return error_reply(f"No model with id {model_id}", 404)
        return json_reply(model.recorded or self.lists.model(model, is_listed=False))

    def _models(self, request: RecordedRequest, _: str) -> Reply:
        if request.method != "GET":
            return error_reply("Method not allowed", 405)
        if {"favorites", "hidden"} & request.query.keys() and not self._has_session(request):
            return error_reply("Unauthorized", 401, 0)
        return self._mixed(request, self.lists.models(request))

    def _me(self, request: RecordedRequest, _: str) -> Reply:
        if not self._has_session(request):
            return error_reply("Unauthorized", 401, 0)
        return json_reply({"id": 7, "username": "stand_in_user", "tier": "free", "status": "active"}, 200, 0)

    def _has_session(self, request: RecordedRequest) -> bool:
        """Tell whether the request shows a key that is one; with any other it is anybody's."""
        return request.headers.get("authorization", "").partition(" ")[2] in self.keys

    def _mixed(self, request: RecordedRequest, reply: Reply) -> Reply:
        """Have an answer to somebody known cached by nobody."""
        return replace(reply, headers=PRIVATE) if self._has_session(request) else reply


def _sha256s(request: RecordedRequest, limit: int) -> list[str] | Reply:
    """Read the hashes of a batch; one that is not 64 characters long spoils all of them."""
    body = request.json()
    hashes = [each for each in body if isinstance(each, str) and len(each) == 64] if isinstance(body, list) else None
    if hashes is None or not isinstance(body, list) or len(hashes) != len(body) or len(body) > limit:
        return error_reply("Request must include an array of SHA256 Hashes. [...]", 400)
    return hashes


def _identifier(text: str) -> int | None:
    return int(text) if text.isdecimal() and 0 < int(text) <= _LARGEST_ID else None
