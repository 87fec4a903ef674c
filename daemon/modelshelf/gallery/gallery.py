"""The gallery of a folder: a card per model, to be searched, narrowed down and sorted without any server."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from modelshelf.gallery.content import VEILED_NSFW_LEVEL, Card, CardState
from modelshelf.gallery.document import Design, render_document
from modelshelf.gallery.links import relative_href
from modelshelf.gallery.sanitise import without_unfit
from modelshelf.gallery.units import date_text, shortened, size_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelshelf.gallery.content import GalleryContent

STANDING_CARDS = 200
"""Cards that stand in the HTML itself; the script draws the others as one scrolls. Without script the others are a list."""

_DESIGN = Design("gallery.html", ("colours.css", "gallery.css"), ("copy.js", "gallery.js"))
_ATTENTION_LIMIT = 100
_TEXT_LIMIT = 300
_WORDS_LIMIT = 100
_NEEDS_ATTENTION = frozenset({CardState.BROKEN, CardState.INCOMPLETE, CardState.DANGEROUS})
_STATES = {
    CardState.OK: "Identified",
    CardState.BROKEN: "Broken",
    CardState.INCOMPLETE: "Incomplete",
    CardState.DANGEROUS: "Dangerous",
    CardState.WAITING: "Waiting",
    CardState.UNIDENTIFIED: "Not on Civitai",
}
_JSON_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def render_gallery(gallery: GalleryContent) -> str:
    """Give the gallery as one self-contained HTML document, cards by name; the same content gives the same text."""
    pressed = sorted(map(_press, gallery.cards), key=lambda each: each.place)
    attention = [each for each in pressed if each.needs_attention]
    values = {
        "title": shortened(gallery.title, _TEXT_LIMIT),
        "total": len(pressed),
        "total_size": size_text(sum(each.size_bytes for each in pressed)),
        "counts": dict(gallery.counts),
        "states": _STATES,
        "standing": map(_record_of, pressed[:STANDING_CARDS]),
        "listed": map(_record_of, pressed[STANDING_CARDS:]),
        "listed_count": max(0, len(pressed) - STANDING_CARDS),
        "attention": map(_record_of, attention[:_ATTENTION_LIMIT]),
        "attention_count": len(attention),
        "more_attention": max(0, len(attention) - _ATTENTION_LIMIT),
        "cards_json": _as_script(pressed),
    }
    return render_document(_DESIGN, values, gallery.generated_by)


@dataclass(frozen=True, slots=True)
class _Pressed:
    """A card while the others are awaited: its place in the order, and the rest as JSON without what is empty.

    Ten thousand cards are tens of megabytes otherwise, of which Python gives little back.
    """

    place: tuple[str, str, str, int]
    json: str
    needs_attention: bool

    @property
    def size_bytes(self) -> int:
        """The size of the file."""
        return self.place[-1]


def _press(card: Card) -> _Pressed:
    record = {key: value for key, value in _record(card).items() if value}
    place = (card.name.casefold(), card.folder, card.page_href or "", card.size_bytes)
    return _Pressed(place, json.dumps(record, separators=(",", ":")), card.state in _NEEDS_ATTENTION)


def _record_of(pressed: _Pressed) -> dict[str, Any]:
    return {**_blank(), **json.loads(pressed.json)}


@cache
def _blank() -> dict[str, Any]:
    return _record(Card(""))


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


def _as_script(pressed: Iterable[_Pressed]) -> Markup:
    """Give the JSON that the script reads: ASCII only, and nothing in it looks like markup."""
    states = json.dumps(_STATES, separators=(",", ":"))
    text = f'{{"states":{states},"cards":[{",".join(each.json for each in pressed)}]}}'
    return Markup(text.translate(_JSON_ESCAPES))  # noqa: S704 - nothing is left that markup could be made of
