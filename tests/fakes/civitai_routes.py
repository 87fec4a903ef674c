"""The routes of the Civitai stand-in: a request in, a genuine Reply out (civitai/civitai v5.0, src/pages/api/v1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tests.fakes.civitai_bodies import by_hash_body, by_id_body, model_version_body
from tests.fakes.civitai_pictures import picture_reply
from tests.fakes.civitai_wire import RecordedRequest, Reply, error_reply, json_reply, page_reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from tests.fakes.civitai_records import Records
    from tests.fakes.civitai_stored import StoredModel

BATCH_LIMIT = 100
IDS_LIMIT = 10_000
LARGEST_REQUEST_BYTES = 1_000_000
_LARGEST_ID = 2**31 - 1


class Routes:
    """Answers requests from the records. `keys` are the API keys that /me accepts: elsewhere a wrong one is no key."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.keys = {"stand-in-key"}
        self._table: list[tuple[str, Callable[[RecordedRequest, str], Reply]]] = [
            (r"/api/v1/model-versions/by-hash/ids", self._ids_by_hash),
            (r"/api/v1/model-versions/by-hash/([^/]+)", self._by_hash),
            (r"/api/v1/model-versions/by-hash/?", self._batch_by_hash),
            (r"/api/v1/model-versions/([^/]+)", self._version),
            (r"/api/v1/models/([^/]+)", self._model),
            (r"/api/v1/models/?", self._models),
            (r"/api/v1/me", self._me),
            (r"(/images/.+)", lambda _, route: picture_reply(route)),
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
        return json_reply(by_id_body(version))

    def _model(self, _: RecordedRequest, text: str) -> Reply:
        model_id = _identifier(text)
        if model_id is None:
            return error_reply("Invalid model id", 400)
        model = self.records.models.get(model_id)
        if model is None or not self._is_shown(model):
            return error_reply(f"No model with id {model_id}", 404)
        return json_reply(model.recorded or self._model_body(model, is_listed=False))

    def _models(self, request: RecordedRequest, _: str) -> Reply:
        if request.method != "GET":
            return error_reply("Method not allowed", 405)
        query = request.query
        limit = min(int(query.get("limit", "100")), 100)
        start = int(query.get("cursor", "0"))
        wanted = [int(each) for each in query.get("ids", "").split(",") if each.isdecimal()]
        models = [each for each in self.records.models.values() if not wanted or each.id in wanted]
        is_any_level = query.get("nsfw") == "true"
        shown = [each for each in models if self._is_shown(each) and _is_listed(each, is_any_level=is_any_level)]
        items: list[JsonValue] = [
            each.recorded or self._model_body(each, is_listed=True) for each in shown[start : start + limit]
        ]
        rest: JsonObject = {"nextCursor": start + limit} if start + limit < len(shown) else {}
        return json_reply({"items": items, "metadata": rest})

    def _me(self, request: RecordedRequest, _: str) -> Reply:
        key = request.headers.get("authorization", "").partition(" ")[2]
        if key not in self.keys:
            return error_reply("Unauthorized", 401, 0)
        return json_reply({"id": 7, "username": "stand_in_user", "tier": "free", "status": "active"}, 200, 0)

    def _is_shown(self, model: StoredModel) -> bool:
        is_private = model.body.get("availability") == "Private" or model.body.get("poi") is True
        return model.status == "Published" and not is_private and bool(self.records.versions_of(model))

    def _model_body(self, model: StoredModel, *, is_listed: bool) -> JsonObject:
        versions = self.records.versions_of(model)
        bodies: list[JsonValue] = [
            model_version_body(version, index, is_listed=is_listed) for index, version in enumerate(versions)
        ]
        return {**model.body, "modelVersions": bodies}


def _is_listed(model: StoredModel, *, is_any_level: bool) -> bool:
    """Tell whether a list names the model: archived ones never, others by level, or anything that shows no minor."""
    if model.body.get("mode") == "Archived":
        return False
    if is_any_level:
        return not model.body.get("minor")
    level = model.body.get("nsfwLevel", 1)
    return isinstance(level, int) and bool(level & 1)


def _sha256s(request: RecordedRequest, limit: int) -> list[str] | Reply:
    """Read the hashes of a batch; one that is not 64 characters long spoils all of them."""
    body = request.json()
    hashes = [each for each in body if isinstance(each, str) and len(each) == 64] if isinstance(body, list) else None
    if hashes is None or not isinstance(body, list) or len(hashes) != len(body) or len(body) > limit:
        return error_reply("Request must include an array of SHA256 Hashes. [...]", 400)
    return hashes


def _identifier(text: str) -> int | None:
    return int(text) if text.isdecimal() and 0 < int(text) <= _LARGEST_ID else None
