"""What the Civitai stand-in stores, and what may be said of a file that is added."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.domain.jsontypes import JsonObject

_LATEST = "9999"


class Details(TypedDict, total=False):
    """What may be said of a file that is added. With `version_id` or `model_id` it joins an existing record.

    `image_levels` are those of the first images and clips; any further ones are PG.
    """

    name: str
    version_name: str
    model_type: str
    base_model: str
    trained_words: Sequence[str]
    description: str | None
    version_description: str | None
    tags: Sequence[str]
    creator: str | None
    images: int
    videos: int
    image_levels: Sequence[int]
    paid_access: JsonObject
    published_at: str | None
    status: str
    nsfw: bool
    nsfw_level: int
    mode: str
    poi: bool
    minor: bool
    availability: str
    file_name: str
    file_type: str
    file_format: str
    is_hidden: bool
    is_replaced: bool
    model_id: int
    version_id: int


@dataclass(slots=True)
class StoredModel:
    """A model without its versions; `recorded` is the body to be given word for word."""

    id: int
    body: JsonObject
    status: str = "Published"
    recorded: JsonObject | None = None


@dataclass(slots=True)
class StoredVersion:
    """A version in the shape of a by-hash body with all files, and which of them the answers leave out."""

    id: int
    model: StoredModel
    body: JsonObject
    hidden: set[int] = field(default_factory=set)
    replaced: set[int] = field(default_factory=set)

    @property
    def age(self) -> tuple[str, int]:
        """The order of GET by-hash: oldest published first, unpublished last, then by id."""
        return str(self.body.get("publishedAt") or _LATEST), self.id

    @property
    def is_published(self) -> bool:
        """Whether the public may see it."""
        return self.body.get("status", "Published") == "Published" and self.model.status == "Published"
