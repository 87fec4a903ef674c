"""What a person reads: any number of events as one subject line and a line per kind."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.gallery.units import count_text, shortened, size_text, statistics_text
from modelshelf.notifying.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.store.events import Event, News
    from modelshelf.store.store import Store

SHOWN = 3
LONGEST_NAME = 80
LONGEST_REASON = 160
_CALLS = re.compile(r"[@<\]]")
"""What chat services take for a call to somebody, a tag or a link, whatever format they are told a text has."""


@dataclass(frozen=True, slots=True)
class Message:
    """One subject line, and plain text below it."""

    subject: str
    body: str


def compose(store: Store, news: Sequence[News], after_id: int) -> Message:
    """Tell these news, which came after an event, in one message: counts, and the first few names of each."""
    order = list(KINDS)
    sorted_news = sorted(news, key=lambda each: order.index(each.name))
    headlines = [_headline(each) for each in sorted_news]
    lines = [f"{_headline(each)}{_examples(store, each, after_id)}" for each in sorted_news]
    return Message(f"modelshelf: {', '.join(headlines)}", "\n".join(lines))


def _headline(news: News) -> str:
    kind = KINDS[news.name]
    return count_text(news.count, kind.one, kind.many)


def _examples(store: Store, news: News, after_id: int) -> str:
    shown = [_text_of(store, event) for event in store.events.some_of(news, after_id, SHOWN)]
    rest = news.count - len(shown)
    if not shown:
        return ""
    return f": {', '.join(shown)}{f' and {rest:,} more' if rest > 0 else ''}"


def _text_of(store: Store, event: Event) -> str:
    if event.name == "job_ended":
        return _report(store, event)
    because = _because(event.details)
    return f"{_name_of(store, event)} ({because})" if because else _name_of(store, event)


def _because(details: JsonObject) -> str:
    if "free_bytes" in details:
        free, size = (size_text(int(str(details[name]))) for name in ("free_bytes", "size_bytes"))
        return f"{free} of {size} left"
    if "known" in details:
        return f"{details['files']} of {details['known']} files; see modelshelf confirm-missing"
    return shortened(inert(str(details.get("reason") or "")), LONGEST_REASON)


def _name_of(store: Store, event: Event) -> str:
    if event.file_id is not None:
        file = store.files.get(event.file_id)
        name = os.path.basename(file.path) if file is not None else b"a file that is no longer known"
        return shortened(inert(name), LONGEST_NAME)
    named = (event.folder_id, event.details.get("path"), event.details.get("backup") or event.details.get("set_aside"))
    return shortened(inert(": ".join(str(each) for each in named if each)), LONGEST_NAME)


def _report(store: Store, event: Event) -> str:
    """Tell what a run found, and what it left to be read or decided."""
    name = shortened(inert(str(event.details.get("job"))), LONGEST_NAME)
    run = store.runs.get(int(str(event.details.get("run", 0))))
    if run is None:
        return name
    report = store.runs.report(run.id) or {}
    owed, damage = int(str(report.get("owed_files", 0))), report.get("damage")
    left = [f"{count_text(owed, 'file', 'files')} still to be read"] if owed else []
    left += [f"{len(damage):,} damaged and undecided"] if isinstance(damage, list) and damage else []
    return f"{name} ({'; '.join([statistics_text(run.statistics), *left])})"


def inert(text: bytes | str) -> str:
    """Give a stranger's text fit for a chat: nobody is called by it, nothing in it becomes a tag or a link.

    Where a service has a format of its own, apprise escapes the rest of it.
    """
    return _CALLS.sub("\\g<0>\N{ZERO WIDTH SPACE}", readable(text))
