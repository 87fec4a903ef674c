"""Write the gallery of a folder: every model in it on one page."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.fact import Field
from modelshelf.domain.header import PickleVerdict, Verdict
from modelshelf.domain.output import Spot
from modelshelf.domain.task import NewTask, TaskKind
from modelshelf.files import drafted
from modelshelf.gallery.content import Card, CardState, GalleryContent
from modelshelf.gallery.gallery import render_gallery
from modelshelf.logs import get_log
from modelshelf.steps.footing import find_footing
from modelshelf.steps.paging import draft_page, gallery_path, page_path, relative_link
from modelshelf.steps.place import place_named
from modelshelf.steps.step import Done, Outcome, Reins, one_by_one

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from modelshelf.domain.task import Task
    from modelshelf.steps.place import Place, Places
    from modelshelf.store.entries import Entry
    from modelshelf.store.store import Store

log = get_log(__name__)

ROTTEN = "Its bytes changed by themselves"

VIDEO_SUFFIXES = (b".mp4", b".webm")
NOT_RIGHT = {Verdict.BROKEN, Verdict.INCOMPLETE}


@dataclass(frozen=True, slots=True)
class RenderGallery:
    """Fifty new files make one gallery: tasks for one folder are merged, and wait a moment for their neighbours."""

    store: Store
    places: Places
    kind: TaskKind = TaskKind.RENDER_GALLERY

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[int]]:
        """Render and write each folder's gallery; gives the number of cards."""
        return one_by_one(tasks, reins, lambda task: Done(task, self._render(task)))

    def _render(self, task: Task) -> int:
        place = place_named(self.places, task)
        html = place.output.html
        if not (html.is_enabled and html.is_gallery_generated):
            return 0
        target = gallery_path(place)
        drawn = 0
        damaged = {rot.file_id for rot in self.store.rot.standing()}

        def cards() -> Iterator[Card]:
            nonlocal drawn
            for entry in self.store.entries.walk_folder(task.subject):
                drawn += 1
                card = card_of(entry, place, target)
                yield replace(card, state=CardState.BROKEN, reason=ROTTEN) if entry.file_id in damaged else card

        title = html.gallery_title or readable(place.root.name)
        content = render_gallery(GalleryContent(title=title, cards=cards())).encode("utf-8")
        find_footing(self.store, place.folder)
        with drafted(self.store.database.transaction) as drafts:
            page = draft_page(target, content, place, drafts)
        page.demand()
        return drawn

    def record(self, done: Sequence[Done[int]]) -> list[NewTask]:
        """Nothing is to be kept: the gallery can be made again at any time."""
        for each in done:
            log.info("gallery_rendered", folder=each.task.subject, cards=each.result)
        return []


def card_of(entry: Entry, place: Place, gallery: Path) -> Card:
    """Make the card of one entry; links are relative to the gallery, and nothing is quoted yet."""
    path = place.root / os.fsdecode(entry.path)
    values = entry.values
    stem = os.path.splitext(os.path.basename(entry.path))[0]
    preview = place.root / os.fsdecode(entry.preview) if entry.preview else None
    return Card(
        name=str(values.get(Field.NAME) or values.get(Field.TITLE) or readable(stem)),
        version_name=_text(values.get(Field.VERSION_NAME)),
        model_type=_text(values.get(Field.MODEL_TYPE)) or place.folder.model_type,
        base_model=_text(values.get(Field.BASE_MODEL)) or _text(values.get(Field.ARCHITECTURE)),
        creator=_text(values.get(Field.CREATOR)),
        words=_texts(values.get(Field.TRAINED_WORDS)),
        tags=_texts(values.get(Field.TAGS)),
        page_href=relative_link(
            page_path(place, Spot(path, place.folder.model_type, place.output.base_directory)), gallery
        )
        if entry.has_page
        else None,
        preview_href=relative_link(preview, gallery) if preview else None,
        is_video=bool(entry.preview and entry.preview.lower().endswith(VIDEO_SUFFIXES)),
        nsfw_level=_number(values.get(Field.NSFW_LEVEL)),
        folder=readable(os.path.dirname(entry.path)),
        size_bytes=entry.size_bytes,
        added_at=entry.first_seen_at,
        state=card_state(entry),
        reason=_reason(entry),
    )


def card_state(entry: Entry) -> CardState:
    """Say in one word how things stand with a file."""
    if entry.waiting_reason or entry.verdict is None:
        return CardState.WAITING
    if entry.verdict in NOT_RIGHT:
        return CardState(entry.verdict)
    if entry.pickle_verdict == PickleVerdict.DANGEROUS:
        return CardState.DANGEROUS
    return CardState.OK if entry.values.get(Field.VERSION_ID) is not None else CardState.UNIDENTIFIED


def _reason(entry: Entry) -> str | None:
    if card_state(entry) is CardState.DANGEROUS:
        return "Loading it may run any program"
    if entry.verdict is None:
        return entry.waiting_reason or "metadata pending"
    return entry.waiting_reason or (entry.reason if entry.verdict in NOT_RIGHT else None)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(each) for each in value) if isinstance(value, list) else ()


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
