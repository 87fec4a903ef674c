"""What `why` tells of Civitai and a file: which version it is and why that is believed, when it was asked, when it is next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.cli.wording import when_text
from modelshelf.domain.content import Match
from modelshelf.domain.decision import IGNORE
from modelshelf.domain.display import readable
from modelshelf.domain.update import Access

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from modelshelf.cli.known import Known
    from modelshelf.domain.content import Content
    from modelshelf.domain.update import Update

MATCHES = {
    Match.FILE: "it lists these very bytes",
    Match.WEIGHTS: "it lists the same weights under another header",
}
_ACCESS = {Access.FREE: "free", Access.EARLY: "early access", Access.PAID: "paid"}


def is_ignored(known: Known) -> bool:
    """Tell whether a person has said that the file is to be left alone."""
    return any(decision.matter == IGNORE for decision in known.decisions)


def match_text(content: Content) -> str | None:
    """Say why the content is taken for its version; None where it is none."""
    if content.pinned_version_id is not None and content.pinned_version_id == content.version_id:
        return "a person said so"
    if content.version_id is None:
        return None
    if content.matched_by is Match.FILE and not content.is_read:
        return "it lists the hash that another program told; the file was not read here"
    return MATCHES[content.matched_by] if content.matched_by else "an earlier answer said so"


def reason_of_next(known: Known) -> str:
    """Say why Civitai is asked about the file when it is asked next."""
    content = known.content
    if is_ignored(known):
        return "never: it is ignored"
    if content is None or content.looked_up_at is None:
        return "it was not asked yet"
    times = f" {content.lookup_count} times" if content.lookup_count > 1 else ""
    reasons = (
        (
            content.pinned_version_id not in {None, content.version_id},
            f"version {content.pinned_version_id}, to which it is pinned, was not to be had",
        ),
        (content.version_id is None, f"it did not know it{times}"),
        (content.gone_since is not None, "to see whether it is back"),
        (content.absent_since is not None, "it was not there the last time; a second look tells whether it is gone"),
    )
    return next((reason for is_so, reason in reasons if is_so), "to see whether it is still there")


def lookup_pairs(known: Known, now: datetime) -> list[tuple[str, str]]:
    """Give what is known from Civitai and of asking it, as names with values."""
    return list(_pairs(known, known.content, now)) if known.content is not None else []


def _pairs(known: Known, content: Content, now: datetime) -> Iterator[tuple[str, str]]:
    yield "on Civitai", _standing(content, now)
    match = match_text(content)
    if match is not None:
        yield "because", match
    if content.pinned_version_id not in {None, content.version_id}:
        yield "pinned to", f"version {content.pinned_version_id}; its record has not come yet"
    if known.question is not None:
        yield "not believed", f"version {content.questioned_version_id}: {readable(known.question)}"
    if known.alternates:
        yield "could be too", ", ".join(f"version {each.version_id}" for each in known.alternates)
    yield from _absences(known, content, now)
    for update in known.updates:
        yield "newer version", update_text(update)
    yield from _next_questions(known, content, now)


def _standing(content: Content, now: datetime) -> str:
    asked = f"asked {when_text(content.looked_up_at, now)}"
    if content.version_id is not None:
        return f"version {content.version_id}, {asked}"
    return f"not known there, {asked}" if content.looked_up_at is not None else "not asked yet"


def _absences(known: Known, content: Content, now: datetime) -> Iterator[tuple[str, str]]:
    if content.gone_since is not None:
        yield "gone since", when_text(content.gone_since, now)
    elif content.absent_since is not None:
        yield "missing there since", when_text(content.absent_since, now)
    if known.schedule.model_gone_since is not None:
        yield "its model gone since", when_text(known.schedule.model_gone_since, now)
    elif known.schedule.model_absent_since is not None:
        yield "its model not shown", f"since {when_text(known.schedule.model_absent_since, now)}"


def _next_questions(known: Known, content: Content, now: datetime) -> Iterator[tuple[str, str]]:
    schedule = known.schedule
    if is_ignored(known):
        yield "asked next", reason_of_next(known)
        return
    if content.next_lookup_at is not None:
        yield "asked next", f"{when_text(content.next_lookup_at, now)}: {reason_of_next(known)}"
    if schedule.next_weights_lookup_at is not None:
        yield "asked by its weights", when_text(schedule.next_weights_lookup_at, now)
    elif content.weights_looked_up_at is not None:
        yield "asked by its weights", when_text(content.weights_looked_up_at, now)
    if schedule.next_model_check_at is not None:
        yield "its model asked next", when_text(schedule.next_model_check_at, now)


def update_text(update: Update) -> str:
    """Give a newer version in one line."""
    base = "the same base model" if update.is_same_base else f"base model {readable(update.base_model or 'unknown')}"
    muted = ", muted" if update.is_muted else ""
    name = f" {readable(update.name.encode('utf-8', 'backslashreplace'))}" if update.name else ""
    return f"{update.version_id}{name}, {base}, {_ACCESS[update.access]}{muted}"
