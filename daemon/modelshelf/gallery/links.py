"""Links: relative paths made fit for an attribute, and the one address outside, the model's page on Civitai."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from modelshelf.domain.fact import Field
from modelshelf.gallery.content import VEILED_NSFW_LEVEL

if TYPE_CHECKING:
    from modelshelf.domain.description import Description
    from modelshelf.domain.jsontypes import JsonValue

_VIDEO_SUFFIXES = (".mp4", ".webm")


def relative_href(path: str) -> str:
    """Give the URL of a relative `path`, byte for byte, so that names that are not UTF-8 or hold ``#?%`` are found.

    A colon is quoted too, so no name can pass for a scheme (`javascript:`), and a leading slash never leads to another host.
    """
    quoted = quote(os.fsencode(path), safe="/")
    return f".{quoted}" if quoted.startswith("/") else quoted


def is_video(path: str) -> bool:
    """Tell whether a preview is a clip, by its name."""
    return path.lower().endswith(_VIDEO_SUFFIXES)


def model_id(description: Description) -> int | None:
    """Give the id of the Model on Civitai, whoever knows it."""
    known = _id(description.value(Field.MODEL_ID))
    if known is None and description.version:
        known = description.version.model_id
    return known


def version_id(description: Description) -> int | None:
    """Give the id of the ModelVersion on Civitai, whoever knows it."""
    known = _id(description.value(Field.VERSION_ID))
    if known is None and description.version:
        known = description.version.id
    return known


def is_nsfw(description: Description) -> bool:
    """Tell whether a model, or one of its pictures, is not for everybody's eyes."""
    level = description.value(Field.NSFW_LEVEL)
    return description.value(Field.NSFW) is True or (isinstance(level, int) and level >= VEILED_NSFW_LEVEL)


def civitai_href(site: str, model: int | None, version: int | None) -> str | None:
    """Give the address of a model's page on Civitai, None where the model is not known."""
    if model is None:
        return None
    query = f"?modelVersionId={version}" if version is not None else ""
    return f"https://{site}/models/{model}{query}"


def _id(value: JsonValue) -> int | None:
    if isinstance(value, bool):
        return None
    text = str(value) if isinstance(value, int | str) else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 and int(text) else None  # noqa: PLR2004 - 64 bits
