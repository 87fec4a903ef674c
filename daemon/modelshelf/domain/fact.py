"""Facts: one value of one field from one source, and how the effective value is chosen among them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelshelf.domain.jsontypes import JsonValue


class Source(StrEnum):
    """Who says so, strongest first: this order decides the effective value of every field.

    `tool_json` is what other tools keep beside a model in their own words; what they keep of Civitai's is `civitai_json`.
    `stablequeue` is its database, a copy of a copy: it fills what nobody else knows.
    """

    USER = "user"
    FORGE = "forge"
    CIVITAI_JSON = "civitai_json"
    TOOL_JSON = "tool_json"
    EMBEDDED = "embedded"
    CIVITAI_API = "civitai_api"
    STABLEQUEUE = "stablequeue"


class Field(StrEnum):
    """What can be known of a model.

    Some sources speak of a thing in their own way; those get a field of their own (`forge_sd_version`, `trained_on`,
    `architecture`, `stated_license`) and never fill Civitai's `base_model` or `license`.
    """

    NAME = "name"
    VERSION_NAME = "version_name"
    MODEL_ID = "model_id"
    VERSION_ID = "version_id"
    MODEL_TYPE = "model_type"
    BASE_MODEL = "base_model"
    DESCRIPTION = "description"
    VERSION_DESCRIPTION = "version_description"
    TRAINED_WORDS = "trained_words"
    TAGS = "tags"
    CREATOR = "creator"
    LICENSE = "license"
    NSFW = "nsfw"
    NSFW_LEVEL = "nsfw_level"
    PUBLISHED_AT = "published_at"
    DOWNLOAD_URL = "download_url"
    AIR = "air"
    MODE = "mode"
    STATS = "stats"
    ACTIVATION_TEXT = "activation_text"
    PREFERRED_WEIGHT = "preferred_weight"
    NEGATIVE_TEXT = "negative_text"
    NOTES = "notes"
    FORGE_SD_VERSION = "forge_sd_version"
    TRAINED_ON = "trained_on"
    ARCHITECTURE = "architecture"
    TITLE = "title"
    AUTHOR = "author"
    TRIGGER_PHRASE = "trigger_phrase"
    USAGE_HINT = "usage_hint"
    RESOLUTION = "resolution"
    TRAINING_TAGS = "training_tags"
    NETWORK = "network"
    TRAINING = "training"
    CLASS_TOKENS = "class_tokens"
    TRAINED_ON_FILE = "trained_on_file"
    MERGED_FROM = "merged_from"
    MADE_WITH = "made_with"
    MADE_AT = "made_at"
    PREDICTION_TYPE = "prediction_type"
    STATED_LICENSE = "stated_license"
    STATED_VERSION = "stated_version"
    HOMEPAGE = "homepage"


@dataclass(frozen=True, slots=True)
class Fact:
    """One value of one field from one source; `value` is never None, an empty string or an empty list."""

    field: Field
    source: Source
    value: JsonValue


_ORDER = {source: rank for rank, source in enumerate(Source)}


def is_known(value: JsonValue) -> bool:
    """Tell whether a value says anything: null, blank text and empty lists do not; 0 and false do."""
    if isinstance(value, str):
        return bool(value.strip())
    return value is not None and value not in ([], {})


def choose(facts: Iterable[Fact]) -> dict[Field, Fact]:
    """Give the effective Fact of every field that any source knows: the strongest source wins, field by field."""
    chosen: dict[Field, Fact] = {}
    for fact in sorted(facts, key=lambda each: _ORDER[each.source]):
        if is_known(fact.value):
            chosen.setdefault(fact.field, fact)
    return chosen
