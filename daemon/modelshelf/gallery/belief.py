"""What a page says of Civitai and its model: how it was recognised, whether it is gone there, which versions are newer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.update import Access
from modelshelf.gallery.standing import Badge, Notice
from modelshelf.gallery.units import date_text, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelshelf.domain.update import Update
    from modelshelf.gallery.content import Belief

_NEWER_LIMIT = 5
_NAME_LIMIT = 80
_ACCESS = {Access.FREE: "", Access.EARLY: "early access", Access.PAID: "paid"}


def belief_badges(belief: Belief) -> tuple[Badge, ...]:
    """Give the badges of a model's page that stand behind those of the file itself."""
    return tuple(_badges(belief))


def belief_notices(belief: Belief) -> tuple[Notice, ...]:
    """Give the boxes of a model's page that stand behind those of the file itself."""
    return tuple(_notices(belief))


def _badges(belief: Belief) -> Iterator[Badge]:
    if belief.is_pinned:
        yield Badge("Pinned by you", "plain")
    if belief.is_by_weights:
        yield Badge("Known by its weights", "plain")
    if belief.gone_since is not None:
        yield Badge("Gone from Civitai", "warning")
    if any(update.is_same_base for update in belief.newer):
        yield Badge("Update available", "accent")


def _notices(belief: Belief) -> Iterator[Notice]:
    if belief.gone_since is not None:
        since = date_text(belief.gone_since)
        text = (
            f"It has not been there since {since}. What was known of it is kept, and it cannot be fetched there again."
        )
        yield Notice("Gone from Civitai", text, "warning")
    if belief.newer:
        shown = "; ".join(_text(update) for update in belief.newer[:_NEWER_LIMIT])
        more = f"; and {len(belief.newer) - _NEWER_LIMIT} more" if len(belief.newer) > _NEWER_LIMIT else ""
        yield Notice("There is a newer version", f"{shown}{more}.", "plain")


def _text(update: Update) -> str:
    name = shortened(update.name or str(update.version_id), _NAME_LIMIT)
    details = (shortened(update.base_model or "", _NAME_LIMIT), _ACCESS[update.access])
    told = ", ".join(each for each in details if each)
    return f"{name} ({told})" if told else name
