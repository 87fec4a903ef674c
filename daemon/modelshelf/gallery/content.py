"""What a page and a gallery are made from: plain values, put together by whoever asks for one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from modelshelf import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from modelshelf.domain.description import Description
    from modelshelf.domain.update import Update

VEILED_NSFW_LEVEL = 4
"""From this level on (R, X, XXX and blocked in Civitai's bits) a picture is blurred until someone asks to see it."""


class CardState(StrEnum):
    """How things stand with one file, as its card shows it. `waiting`: not whole, hashed or looked up yet."""

    OK = "ok"
    BROKEN = "broken"
    INCOMPLETE = "incomplete"
    DANGEROUS = "dangerous"
    WAITING = "waiting"
    UNIDENTIFIED = "unidentified"


@dataclass(frozen=True, slots=True)
class Belief:
    """How it is known which version on Civitai a model is, and what became of that since. `newer`: versions nobody muted."""

    is_pinned: bool = False
    is_by_weights: bool = False
    gone_since: datetime | None = None
    newer: tuple[Update, ...] = ()


@dataclass(frozen=True, slots=True)
class Sites:
    """Civitai's hosts: `sfw` shows what suits everybody, `nsfw` everything."""

    sfw: str = "civitai.com"
    nsfw: str = "civitai.red"


@dataclass(frozen=True, slots=True)
class PageContent:
    """One model's page.

    `file_name` is fit for eyes. `previews` and `gallery_href` are paths relative to the page, as `os.fsdecode` gives
    them: quoting is done here. `is_looked_up`: Civitai was asked for this file at least once. `damage` says that its bytes are
    not what they were, since when, and where good ones are. `generated_by` is our version.
    """

    description: Description
    title: str
    file_name: str
    size_bytes: int
    modified_at: datetime
    previews: tuple[str, ...] = ()
    gallery_href: str | None = None
    is_looked_up: bool = False
    belief: Belief = field(default_factory=Belief)
    sites: Sites = field(default_factory=Sites)
    damage: str | None = None
    generated_by: str = __version__


@dataclass(frozen=True, slots=True)
class Card:
    """One model in a gallery.

    `page_href` and `preview_href` are paths relative to the gallery, as `os.fsdecode` gives them. `folder` is the
    sub-directory, fit for eyes, empty at the top. `nsfw_level` is Civitai's bit mask, 0 where unrated.
    """

    name: str
    version_name: str | None = None
    model_type: str | None = None
    base_model: str | None = None
    creator: str | None = None
    words: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    page_href: str | None = None
    preview_href: str | None = None
    is_video: bool = False
    nsfw_level: int = 0
    folder: str = ""
    size_bytes: int = 0
    added_at: datetime | None = None
    state: CardState = CardState.OK
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class GalleryContent:
    """All cards of one Folder, each asked for once. `counts` are further numbers for the head line, in their order."""

    title: str
    cards: Iterable[Card]
    counts: Mapping[str, int] = field(default_factory=dict)
    generated_by: str = __version__
