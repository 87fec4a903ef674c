"""The gallery of a folder: a card per model, to be searched, narrowed down and sorted without any server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from modelshelf.gallery.content import VEILED_NSFW_LEVEL, Card, CardState
from modelshelf.gallery.document import Design, render_document
from modelshelf.gallery.links import relative_href
from modelshelf.gallery.sanitise import without_unfit
from modelshelf.gallery.units import date_text, shortened, size_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modelshelf.gallery.content import GalleryContent

STANDING_CARDS = 200
"""Cards that stand in the HTML itself; the script draws the others as one scrolls. Without script the others are a list."""

_DESIGN = Design("gallery.html", ("colours.css", "gallery.css"), ("copy.js", "gallery.js"))
_ATTENTION_LIMIT = 100
_TEXT_LIMIT = 300
_WORDS_LIMIT = 100
_NEEDS_ATTENTION = frozenset({CardState.BROKEN, CardState.INCOMPLETE})
_STATES = {
    CardState.OK: "Identified",
    CardState.BROKEN: "Broken",
    CardState.INCOMPLETE: "Incomplete",
    CardState.WAITING: "Waiting",
    CardState.UNIDENTIFIED: "Not on Civitai",
}
_JSON_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def render_gallery(gallery: GalleryContent) -> str:
    """Give the gallery as one self-contained HTML document, cards by name; the same content gives the same text."""
    cards = sorted(
        gallery.cards, key=lambda card: (card.name.casefold(), card.folder, card.page_href or "", card.size_bytes)
    )
    records = [_record(card) for card in cards]
    attention = [record for card, record in zip(cards, records, strict=True) if card.state in _NEEDS_ATTENTION]
    values = {
        "title": shortened(gallery.title, _TEXT_LIMIT),
        "total": len(cards),
        "total_size": size_text(sum(card.size_bytes for card in cards)),
        "counts": dict(gallery.counts),
        "states": _STATES,
        "standing": records[:STANDING_CARDS],
        "listed": records[STANDING_CARDS:],
        "attention": attention[:_ATTENTION_LIMIT],
        "more_attention": max(0, len(attention) - _ATTENTION_LIMIT),
        "cards_json": _as_json({"states": _STATES, "cards": [_compact(record) for record in records]}),
    }
    return render_document(_DESIGN, values, gallery.generated_by)


def _record(card: Card) -> dict[str, Any]:
    """Give a card as its template and its script both read it: texts ready to be shown, addresses ready to be followed."""
    return {
        "name": _text(card.name),
        "version": _text(card.version_name),
        "type": _text(card.model_type),
        "base": _text(card.base_model),
        "creator": _text(card.creator),
        "words": _bounded(card.words),
        "tags": _bounded(card.tags),
        "page": relative_href(card.page_href) if card.page_href else "",
        "preview": relative_href(card.preview_href) if card.preview_href else "",
        "video": card.is_video,
        "veiled": card.nsfw_level >= VEILED_NSFW_LEVEL,
        "folder": _text(card.folder),
        "bytes": card.size_bytes,
        "size": size_text(card.size_bytes),
        "added": round(card.added_at.timestamp()) if card.added_at else 0,
        "day": date_text(card.added_at) if card.added_at else "",
        "state": str(card.state),
        "reason": _text(card.reason),
    }


def _text(text: str | None) -> str:
    return without_unfit(shortened(text or "", _TEXT_LIMIT))


def _bounded(texts: Iterable[str]) -> list[str]:
    return [_text(text) for text in list(texts)[:_WORDS_LIMIT]]


def _compact(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value}


def _as_json(value: Mapping[str, Any]) -> Markup:
    """Give JSON that can stand in a script element: ASCII only, and nothing in it looks like markup."""
    text = json.dumps(value, separators=(",", ":"))
    for character, escape in _JSON_ESCAPES.items():
        text = text.replace(character, escape)
    return Markup(text)  # noqa: S704 - nothing is left that markup could be made of
