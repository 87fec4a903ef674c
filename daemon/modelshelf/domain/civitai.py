"""Civitai's records as our nouns: ModelVersion (behind a hash), Model (above it), their files and images.

Shapes: reference of the public REST API, with every older form that recordings show. `body` is what was received.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelshelf.domain.jsontypes import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a ModelVersion as Civitai lists it; `hashes` keeps Civitai's names, values in UPPERCASE."""

    id: int | None
    name: str
    type: str | None
    size_kb: float | None
    hashes: Mapping[str, str]
    is_primary: bool
    download_url: str | None
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    pickle_scan: str | None = None
    virus_scan: str | None = None

    @property
    def size_bytes(self) -> int | None:
        """The exact size in bytes (`sizeKB * 1024`), None where Civitai has none."""
        return round(self.size_kb * 1024) if self.size_kb else None


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """A picture or clip of a ModelVersion. `nsfw_level` is one bit: 1 PG, 2 PG13, 4 R, 8 X, 16 XXX, 32 blocked, 0 unrated.

    `is_of_minor`, `is_of_real_person`: Civitai flagged it as showing somebody who looks like a child, or a real person.
    """

    url: str
    type: str
    nsfw_level: int
    width: int | None = None
    height: int | None = None
    prompt: str | None = None
    negative_prompt: str | None = None
    is_of_minor: bool = False
    is_of_real_person: bool = False


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """What Civitai answers for a hash. Dates are ISO 8601 text as received; `nsfw_level` is a bit mask over all images."""

    id: int
    model_id: int | None
    name: str | None
    base_model: str | None
    model_name: str | None
    model_type: str | None
    is_nsfw: bool | None
    nsfw_level: int | None
    description: str | None
    trained_words: tuple[str, ...]
    published_at: str | None
    air: str | None
    mode: str | None
    download_url: str | None
    stats: Mapping[str, JsonValue]
    files: tuple[RemoteFile, ...]
    images: tuple[RemoteImage, ...]
    body: JsonObject


@dataclass(frozen=True, slots=True)
class Alternate:
    """Another version that holds the same bytes; `published_at` is None where Civitai has named only its id."""

    version_id: int
    model_id: int | None
    published_at: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """The version behind a hash, and the others that it was chosen from."""

    version: ModelVersion
    alternates: tuple[Alternate, ...] = ()


@dataclass(frozen=True, slots=True)
class License:
    """What the creator allows."""

    allow_no_credit: bool | None
    allow_commercial_use: tuple[str, ...]
    allow_derivatives: bool | None
    allow_different_license: bool | None


@dataclass(frozen=True, slots=True)
class Sibling:
    """Another version of the same Model, in the creator's order.

    `is_paid`: it costs something for good; `access_ends_at` is when it costs nothing any more, where that is said.
    """

    id: int
    name: str | None
    base_model: str | None
    published_at: str | None
    is_paid: bool = False
    access_ends_at: str | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """The record above a ModelVersion: tags, creator and licence stand only here."""

    id: int
    name: str | None
    type: str | None
    description: str | None
    is_nsfw: bool | None
    nsfw_level: int | None
    tags: tuple[str, ...]
    creator: str | None
    license: License
    mode: str | None
    stats: Mapping[str, JsonValue]
    versions: tuple[Sibling, ...]
    body: JsonObject
