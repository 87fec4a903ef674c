"""What a record said before and says no more: it stays, for answers are thin at times, and an archived model's have no files.

A state that ends by not being told any more (`mode`, early and paid access) ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.civitai.entries import remote_images
from modelshelf.civitai.lenient import as_list, as_object, flag, integer, label, names, text
from modelshelf.civitai.payload import trained_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from modelshelf.domain.jsontypes import JsonObject, JsonValue


def _objects(value: JsonValue) -> list[JsonValue]:
    return [each for each in as_list(value) if as_object(each)]


def _terms(value: JsonValue) -> object:
    return text(value) or names(value)


_LASTING: Mapping[str, Callable[[JsonValue], object]] = {
    **dict.fromkeys(("name", "username"), label),
    **dict.fromkeys(("type", "baseModel", "description", "publishedAt", "downloadUrl", "air"), text),
    **dict.fromkeys(("nsfw", "allowNoCredit", "allowDerivatives", "allowDifferentLicense"), flag),
    **dict.fromkeys(("modelId", "nsfwLevel"), integer),
    "trainedWords": trained_words,
    "allowCommercialUse": _terms,
    **dict.fromkeys(("files", "modelVersions"), _objects),
    "images": remote_images,
    "tags": names,
    "stats": as_object,
}
"""The keys that facts, files and pictures are read from, wherever they stand, and what reads them."""

_PARTS = ("model", "creator")


def completed(body: JsonObject, former: JsonObject | None) -> JsonObject:
    """Give a record with what only the `former` one of the same id says; both are left alone."""
    if not former:
        return body
    kept = {
        key: former[key]
        for key, read in _LASTING.items()
        if _is_said(read(former.get(key))) and not _is_said(read(body.get(key)))
    }
    parts = {key: completed(as_object(body.get(key)), as_object(former[key])) for key in _PARTS if former.get(key)}
    return {**body, **kept, **{key: part for key, part in parts.items() if part}}


def _is_said(value: object) -> bool:
    return value is not None and value not in ((), [], {})
