"""Civitai's JSON into our nouns and Facts, in every shape recorded from 2022 to 2026.

The same JSON lies in sidecars that other tools wrote, so only the id is insisted upon: a field that is missing or of
the wrong type is unknown. Keys without a noun of ours stay in `body`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from modelshelf.civitai.entries import download_url, remote_files, remote_images
from modelshelf.civitai.lenient import as_list, as_object, flag, integer, label, names, text
from modelshelf.domain.civitai import License, Model, ModelVersion, Sibling
from modelshelf.domain.fact import Fact, Field, is_known
from modelshelf.errors import CivitaiUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelshelf.domain.fact import Source
    from modelshelf.domain.jsontypes import JsonObject, JsonValue

_EARLY_ACCESS_KEYS = ("earlyAccessEndsAt", "earlyAccessDeadline")

LARGEST_META_CHARACTERS = 64 * 1024
"""Longest value of an image's `meta` that is kept: whole ComfyUI workflows hide there, megabytes per image."""


def parse_version(body: JsonValue) -> ModelVersion:
    """Read a model version, whether it came by hash, by id or inside a model; CivitaiUnavailable if it has no id."""
    record = as_object(body)
    version_id = integer(record.get("id"))
    if version_id is None:
        raise CivitaiUnavailable("Civitai answered something that is not a model version")
    parent = as_object(record.get("model"))
    model_id = integer(record.get("modelId"))
    return ModelVersion(
        id=version_id,
        model_id=integer(parent.get("id")) if model_id is None else model_id,
        name=label(record.get("name")),
        base_model=text(record.get("baseModel")),
        model_name=label(parent.get("name")),
        model_type=text(parent.get("type")),
        is_nsfw=flag(parent.get("nsfw")),
        nsfw_level=integer(record.get("nsfwLevel")),
        description=text(record.get("description")),
        trained_words=trained_words(record.get("trainedWords")),
        published_at=text(record.get("publishedAt")),
        air=text(record.get("air")),
        mode=text(parent.get("mode")),
        download_url=download_url(record.get("downloadUrl"), version_id),
        stats=as_object(record.get("stats")),
        files=remote_files(record.get("files"), version_id),
        images=remote_images(record.get("images")),
        body=record,
    )


def parse_model(body: JsonValue) -> Model:
    """Read a model with its versions in the creator's order; CivitaiUnavailable if it has no id."""
    record = as_object(body)
    model_id = integer(record.get("id"))
    if model_id is None:
        raise CivitaiUnavailable("Civitai answered something that is not a model")
    siblings = (_sibling(each) for each in as_list(record.get("modelVersions")))
    return Model(
        id=model_id,
        name=label(record.get("name")),
        type=text(record.get("type")),
        description=text(record.get("description")),
        is_nsfw=flag(record.get("nsfw")),
        nsfw_level=integer(record.get("nsfwLevel")),
        tags=names(record.get("tags")),
        creator=_creator(record),
        license=_license(record),
        mode=text(record.get("mode")),
        stats=as_object(record.get("stats")),
        versions=tuple(each for each in siblings if each is not None),
        body=record,
    )


def version_facts(version: ModelVersion, source: Source) -> list[Fact]:
    """Give what a version says, with what other tools have added to its `model`: description, tags, creator, licence."""
    parent = as_object(version.body.get("model"))
    return _facts(
        {
            Field.NAME: version.model_name,
            Field.VERSION_NAME: version.name,
            Field.MODEL_ID: version.model_id,
            Field.VERSION_ID: version.id,
            Field.MODEL_TYPE: version.model_type,
            Field.BASE_MODEL: version.base_model,
            Field.VERSION_DESCRIPTION: version.description,
            Field.TRAINED_WORDS: list(version.trained_words),
            Field.NSFW: version.is_nsfw,
            Field.NSFW_LEVEL: version.nsfw_level,
            Field.PUBLISHED_AT: version.published_at,
            Field.DOWNLOAD_URL: version.download_url,
            Field.AIR: version.air,
            Field.MODE: version.mode,
            Field.STATS: dict(version.stats),
            Field.DESCRIPTION: text(parent.get("description")),
            Field.TAGS: list(names(parent.get("tags"))),
            Field.CREATOR: _creator(version.body) or _creator(parent),
            Field.LICENSE: _license_value(_license(parent)),
        },
        source,
    )


def model_facts(model: Model, source: Source) -> list[Fact]:
    """Give what a model says of each of its versions.

    Its level and statistics are left out: they cover sibling versions too, and would hide the version's own.
    """
    return _facts(
        {
            Field.NAME: model.name,
            Field.MODEL_ID: model.id,
            Field.MODEL_TYPE: model.type,
            Field.DESCRIPTION: model.description,
            Field.TAGS: list(model.tags),
            Field.CREATOR: model.creator,
            Field.LICENSE: _license_value(model.license),
            Field.NSFW: model.is_nsfw,
            Field.MODE: model.mode,
        },
        source,
    )


def slim(body: JsonObject) -> JsonObject:
    """Give the body as received without the giant values of its images' `meta`, those of a model's versions, too.

    `body` itself is left alone.
    """
    if isinstance(images := body.get("images"), list):
        body = {**body, "images": [_slim_image(each) for each in images]}
    if isinstance(versions := body.get("modelVersions"), list):
        body = {**body, "modelVersions": [slim(each) if isinstance(each, dict) else each for each in versions]}
    return body


def _slim_image(image: JsonValue) -> JsonValue:
    if not isinstance(image, dict) or not isinstance(meta := image.get("meta"), dict):
        return image
    return {**image, "meta": {key: value for key, value in meta.items() if not _is_giant(value)}}


def _is_giant(value: JsonValue) -> bool:
    if isinstance(value, dict | list):
        try:
            return len(json.dumps(value)) > LARGEST_META_CHARACTERS
        except RecursionError:
            return True
    return isinstance(value, str) and len(value) > LARGEST_META_CHARACTERS


def _facts(values: Mapping[Field, JsonValue], source: Source) -> list[Fact]:
    return [Fact(field, source, value) for field, value in values.items() if is_known(value)]


def trained_words(value: JsonValue) -> tuple[str, ...]:
    """Give the words without blanks and trailing commas; an item that is itself a comma list stays one item."""
    items = [value] if isinstance(value, str) else as_list(value)
    words = (label(each) or "" for each in items)
    return tuple(dict.fromkeys(word for each in words if (word := each.strip().rstrip(", \t\r\n"))))


def _sibling(value: JsonValue) -> Sibling | None:
    record = as_object(value)
    version_id = integer(record.get("id"))
    if version_id is None:
        return None
    return Sibling(
        id=version_id,
        name=label(record.get("name")),
        base_model=text(record.get("baseModel")),
        published_at=text(record.get("publishedAt")),
        is_paid=_is_paid(record),
        access_ends_at=_access_ends_at(record),
    )


def _is_paid(record: JsonObject) -> bool:
    """Tell whether a version costs something with no end to it: `paidAccess`, which replaced early access in July 2026."""
    access = as_object(record.get("paidAccess"))
    return bool(access) and (access.get("permanent") is True or text(access.get("endsAt")) is None)


def _access_ends_at(record: JsonObject) -> str | None:
    """Give until when a version costs something, under any of the names that this has had since May 2024."""
    ends = (as_object(record.get("paidAccess")).get("endsAt"), *(record.get(each) for each in _EARLY_ACCESS_KEYS))
    return next(filter(None, map(text, ends)), None)


def _creator(record: JsonObject) -> str | None:
    """Give the creator's name; the site's own account has none, and a sidecar may hold the text "{}" instead."""
    return label(as_object(record.get("creator")).get("username"))


def _license(record: JsonObject) -> License:
    return License(
        allow_no_credit=flag(record.get("allowNoCredit")),
        allow_commercial_use=_commercial_use(record.get("allowCommercialUse")),
        allow_derivatives=flag(record.get("allowDerivatives")),
        allow_different_license=flag(record.get("allowDifferentLicense")),
    )


def _commercial_use(value: JsonValue) -> tuple[str, ...]:
    """Read one word (2023), a list (2024) or the text of a Postgres array, `{Image,RentCivit}` (now)."""
    if not isinstance(value, str):
        return names(value)
    words = (each.strip().strip('"') for each in value.strip().strip("{}").split(","))
    return tuple(dict.fromkeys(each for each in words if each))


def _license_value(terms: License) -> JsonObject:
    """Give a licence as a Fact's value: what is known of it, under the names of `License`."""
    value: JsonObject = {
        "allow_no_credit": terms.allow_no_credit,
        "allow_commercial_use": list(terms.allow_commercial_use),
        "allow_derivatives": terms.allow_derivatives,
        "allow_different_license": terms.allow_different_license,
    }
    return {key: each for key, each in value.items() if is_known(each)}
