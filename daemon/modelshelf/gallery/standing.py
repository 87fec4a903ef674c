"""How things stand with a model: badges at its name, and boxes that say what is wrong and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.fact import Field
from modelshelf.domain.header import PickleVerdict, Verdict
from modelshelf.gallery.links import is_nsfw, version_id
from modelshelf.gallery.units import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelshelf.domain.description import Description
    from modelshelf.gallery.content import PageContent

_REASON_LIMIT = 500
_VERDICTS = {
    Verdict.BROKEN: "This file is broken",
    Verdict.INCOMPLETE: "This file is incomplete",
}
_PICKLES = {
    PickleVerdict.DANGEROUS: (
        "Do not load this file",
        "Its pickles import what can run any program: {}. Delete it, or look for it as safetensors.",
        "danger",
    ),
    PickleVerdict.SUSPICIOUS: (
        "This file imports what nobody has judged",
        "Old checkpoints often do; harm is not shown, nor is there proof against it: {}. Prefer safetensors.",
        "warning",
    ),
    PickleVerdict.NOT_SCANNED: ("Not scanned for what loading it runs", "{}. Prefer safetensors.", "warning"),
}


@dataclass(frozen=True, slots=True)
class Badge:
    """A word at the name; `tone` is the style: plain, accent, warning or danger."""

    text: str
    tone: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A box that says what is wrong; `tone` is warning or danger."""

    title: str
    text: str
    tone: str


def badges(content: PageContent) -> tuple[Badge, ...]:
    """Give the badges of a model's page."""
    return tuple(_badges(content))


def damage_notices(content: PageContent) -> tuple[Notice, ...]:
    """Give the box that comes before all others: of a file that has rotted."""
    return (Notice("This file is damaged", _reason(content.damage), "danger"),) if content.damage else ()


def notices(description: Description) -> tuple[Notice, ...]:
    """Give the boxes of a model's page: broken, incomplete, not safe to load, still arriving, not hashed."""
    return tuple(_notices(description))


def _badges(content: PageContent) -> Iterator[Badge]:
    description = content.description
    verdict = description.header.verdict if description.header else None
    for field, tone in ((Field.MODEL_TYPE, "accent"), (Field.BASE_MODEL, "plain")):
        if text := description.text(field):
            yield Badge(shortened(text, 80), tone)
    if is_nsfw(description):
        yield Badge("NSFW", "danger")
    if content.damage:
        yield Badge("Damaged", "danger")
    if verdict in _VERDICTS:
        yield Badge(verdict.capitalize(), "danger")
    if description.header and description.header.pickle_verdict is PickleVerdict.DANGEROUS:
        yield Badge("Dangerous", "danger")
    if mode := description.text(Field.MODE):
        yield Badge(f"{shortened(mode, 40)} on Civitai", "warning")
    if version_id(description) is None:
        yield Badge("Not on Civitai" if content.is_looked_up else "Not looked up yet", "warning")


def _notices(description: Description) -> Iterator[Notice]:
    header, file = description.header, description.file
    if header and header.verdict in _VERDICTS:
        yield Notice(_VERDICTS[header.verdict], _reason(header.reason), "danger")
    if header and header.pickle_verdict in _PICKLES:
        title, text, tone = _PICKLES[header.pickle_verdict]
        yield Notice(title, _reason(text.format(", ".join(header.pickle_findings))), tone)
    if file.waiting_reason:
        yield Notice("This file is still being written", _reason(file.waiting_reason), "warning")
    if file.hash_skipped_reason:
        yield Notice("This file was not hashed", _reason(file.hash_skipped_reason), "warning")


def _reason(reason: str | None) -> str:
    return shortened(reason or "No reason is known.", _REASON_LIMIT)
