"""The lists of the Civitai stand-in: models by id or by words, and the images of a version, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes.civitai_bodies import as_objects, model_version_body
from tests.fakes.civitai_wire import error_reply, json_reply

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from tests.fakes.civitai_records import Records
    from tests.fakes.civitai_stored import StoredModel
    from tests.fakes.civitai_wire import RecordedRequest, Reply

MOST_MODELS, MOST_IMAGES = 100, 200
_LAST_PAGED = 1000
_WORDS = {1: "None", 2: "Soft", 4: "Mature", 8: "X", 16: "X"}
_LEVELS = {"": 1, "false": 1, "None": 1, "Soft": 2, "Mature": 4, "X": 31, "true": 31}
_FROM_SEARCH = "after-"
"""Cursors are opaque: here those of a search are texts, and all others numbers."""


class Lists:
    """Answers with pages of what the records hold."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def models(self, request: RecordedRequest) -> Reply:
        """Answer `/models`: by ids, by words, by type; what a list leaves out, it leaves out without a word."""
        query = request.query
        limit, page = _number(query.get("limit"), MOST_MODELS), _number(query.get("page"), 0)
        if limit is None or page is None or not 0 <= limit <= MOST_MODELS:
            return _malformed("limit")
        if page and "query" in query:
            return error_reply("Cannot use page param with query search. Use cursor-based pagination.", 400)
        if page * limit > _LAST_PAGED:
            return error_reply("You've requested too many pages, please use cursors instead", 429)
        start = (page - 1) * limit if page else int(query.get("cursor", "0").removeprefix(_FROM_SEARCH))
        shown = self._wanted(query)
        items: list[JsonValue] = [each.recorded or self.model(each, is_listed=True) for each in shown[start:][:limit]]
        paged: JsonObject = {"currentPage": page, "pageSize": limit} if page else {}
        return json_reply({"items": items, "metadata": {**paged, **_rest(request, start + limit, len(shown))}})

    def model(self, model: StoredModel, *, is_listed: bool) -> JsonObject:
        """Give a model with its versions."""
        versions = self._records.versions_of(model)
        bodies: list[JsonValue] = [
            model_version_body(version, index, is_listed=is_listed) for index, version in enumerate(versions)
        ]
        return {**model.body, "modelVersions": bodies}

    def is_shown(self, model: StoredModel) -> bool:
        """Tell whether anyone but its creator sees the model at all."""
        is_private = model.body.get("availability") == "Private" or model.body.get("poi") is True
        return model.status == "Published" and not is_private and bool(self._records.versions_of(model))

    def images(self, request: RecordedRequest) -> Reply:
        """Answer `/images` of a version: PG alone unless more is asked for, and levels as words."""
        query = request.query
        limit = _number(query.get("limit"), MOST_IMAGES // 2)
        if limit is None or not 0 <= limit <= MOST_IMAGES:
            return _malformed("limit")
        version = self._records.versions.get(_number(query.get("modelVersionId"), 0) or 0)
        allowed = _LEVELS.get(query.get("nsfw", ""), 1)
        has_meta = query.get("withMeta") == "true"
        held = as_objects(version.body.get("images")) if version is not None and version.is_published else []
        shown = [each for each in held if _level(each) & (2 * allowed - 1)]
        start = int(query.get("cursor", "0").partition("|")[0])
        items: list[JsonValue] = [_image(each, has_meta=has_meta) for each in shown[start:][:limit]]
        end = start + limit
        rest: JsonObject = {"nextCursor": f"{end}|1750000000000"} if end < len(shown) else {}
        return json_reply({"items": items, "metadata": rest})

    def _wanted(self, query: dict[str, str]) -> list[StoredModel]:
        ids = {int(each) for each in query.get("ids", "").split(",") if each.isdecimal()}
        held = self._records.models
        models = [held[each] for each in sorted(ids) if each in held] if ids else [*held.values()]
        is_any_level = query.get("nsfw") == "true"
        return [
            each
            for each in models
            if self.is_shown(each) and _is_listed(each, is_any_level=is_any_level) and _fits(each, query)
        ]


def _is_listed(model: StoredModel, *, is_any_level: bool) -> bool:
    """Tell whether a list names the model: archived ones never, others by level, or anything that shows no minor."""
    if model.body.get("mode") == "Archived":
        return False
    if is_any_level:
        return not model.body.get("minor")
    level = model.body.get("nsfwLevel", 1)
    return isinstance(level, int) and bool(level & 1)


def _fits(model: StoredModel, query: dict[str, str]) -> bool:
    words = query.get("query", "").lower().split()
    name = str(model.body.get("name")).lower()
    return all(each in name for each in words) and query.get("types", model.body.get("type")) == model.body.get("type")


def _rest(request: RecordedRequest, end: int, count: int) -> JsonObject:
    if end >= count:
        return {}
    cursor: int | str = f"{_FROM_SEARCH}{end}" if "query" in request.query else end
    return {"nextCursor": cursor, "nextPage": f"https://civitai.com{request.route}?cursor={cursor}"}


def _level(image: JsonObject) -> int:
    level = image.get("nsfwLevel", 1)
    return level if isinstance(level, int) else 1


def _image(body: JsonObject, *, has_meta: bool) -> JsonObject:
    """Give an image as this route does: its id apart, its level as a word and as a bit."""
    level = _level(body)
    left_out = {"metadata", "availability", "hasMeta", "hasPositivePrompt", "onSite", "remixOfId", "minor", "poi"}
    stem = str(body["url"]).rpartition("/")[2].partition(".")[0]
    return {
        **{key: value for key, value in body.items() if key not in left_out},
        "id": int(stem) if stem.isdecimal() else 0,
        "nsfw": level > 1,
        "nsfwLevel": _WORDS.get(level, "X"),
        "browsingLevel": level,
        "createdAt": "2025-06-01T12:00:00.000Z",
        "postId": 7,
        "username": "stand_in_creator",
        "stats": {"cryCount": 0, "laughCount": 0, "likeCount": 3, "heartCount": 1, "commentCount": 0},
        "meta": body.get("meta") if has_meta else None,
    }


def _malformed(key: str) -> Reply:
    issues = f'[{{"code": "custom", "path": ["{key}"], "message": "Invalid input"}}]'
    return json_reply({"error": {"name": "ZodError", "message": issues}}, 400)


def _number(text: str | None, otherwise: int) -> int | None:
    """Read a number of the query; None where it is none."""
    if text is None:
        return otherwise
    return int(text) if text.isdecimal() else None
