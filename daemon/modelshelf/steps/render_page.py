"""Write the page of one model."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.domain.fact import Field
from modelshelf.domain.task import NewTask, TaskKind
from modelshelf.errors import FileGone, FileUnreadable, ModelshelfError, WriteRefused
from modelshelf.files import make_directory, read_limited, replace_file
from modelshelf.gallery.content import PageContent
from modelshelf.gallery.mark import MARK_REACH_BYTES, is_ours
from modelshelf.gallery.page import render_page
from modelshelf.logs import get_log
from modelshelf.sidecars.names import previews
from modelshelf.steps.beside import from_text
from modelshelf.steps.describe import describe, owner_of_stem
from modelshelf.steps.place import Place, known_file, place_of
from modelshelf.steps.step import Done, Failed, Outcome, Reins

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from modelshelf.domain.description import Description
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.domain.output import Spot
    from modelshelf.domain.task import Task
    from modelshelf.steps.place import Places
    from modelshelf.store.store import Store

log = get_log(__name__)

MAX_PAGE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Paged:
    """A file, and whether its page stands."""

    file: ModelFile
    has_page: bool


@dataclass(frozen=True, slots=True)
class RenderPage:
    """A page that somebody else made is never overwritten; an unchanged one is not written again."""

    store: Store
    places: Places
    kind: TaskKind = TaskKind.RENDER_PAGE

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[Paged]]:
        """Render and write each file's page."""
        outcomes: list[Outcome[Paged]] = []
        for task in tasks:
            reins.check()
            try:
                outcomes.append(self._page(task))
            except ModelshelfError as error:
                outcomes.append(Failed(task, error))
        return outcomes

    def _page(self, task: Task) -> Outcome[Paged]:
        file = known_file(self.store, task)
        place = place_of(self.places, file)
        description = describe(self.store, file)
        if owner_of_stem(self.store, file).id != file.id:
            return Done(task, Paged(file, has_page=False))
        if not place.output.html.is_enabled or description.header is None or not description.header.is_readable:
            return Done(task, Paged(file, has_page=False))
        target = page_path(place, place.spot(file))
        content = render_page(self._content(place, file, description, target)).encode("utf-8")
        return Done(task, Paged(file, has_page=write_page(target, content, place)))

    def _content(self, place: Place, file: ModelFile, description: Description, target: Path) -> PageContent:
        path = place.locate(file)
        stem = os.path.splitext(os.path.basename(file.path))[0]
        shown = previews([os.fsencode(name) for name in from_text(file.companions)], stem)
        html = place.output.html
        return PageContent(
            description=description,
            title=description.text(Field.NAME) or description.text(Field.TITLE) or readable(stem),
            file_name=readable(os.path.basename(file.path)),
            size_bytes=file.fingerprint.size_bytes,
            modified_at=datetime.fromtimestamp(file.fingerprint.mtime_ns / 1e9, UTC),
            previews=tuple(relative_link(path.parent / os.fsdecode(name), target) for name in shown),
            gallery_href=relative_link(gallery_path(place), target) if html.is_gallery_generated else None,
            is_looked_up=self._is_looked_up(file),
        )

    def _is_looked_up(self, file: ModelFile) -> bool:
        content = self.store.contents.get(file.content_id) if file.content_id is not None else None
        return content is not None and content.looked_up_at is not None

    def record(self, done: Sequence[Done[Paged]]) -> list[NewTask]:
        """Remember which files have a page to link to."""
        for each in done:
            self.store.entries.set_page(each.result.file.id, has_page=each.result.has_page)
        return []


def page_path(place: Place, spot: Spot) -> Path:
    """Give where a model's page goes, as `output.metadata.html` says."""
    return spot.place(place.output.html.path, place.output.html.filename)


def gallery_path(place: Place) -> Path:
    """Give where a folder's gallery goes: a relative name counts from the folder."""
    return place.root / place.output.html.gallery_path


def relative_link(target: Path, page: Path) -> str:
    """Give the path of `target` as seen from `page`, with `/` between its parts and nothing quoted yet."""
    return os.path.relpath(target, page.parent)


def write_page(target: Path, content: bytes, place: Place) -> bool:
    """Write a page of ours; False where somebody else's file is in the way or the folder may not be written."""
    try:
        standing, status = read_limited(target, MAX_PAGE_BYTES) if os.path.lexists(target) else (b"", None)
        if status is not None and (place.output.html.is_existing_skipped or not is_ours(standing[:MARK_REACH_BYTES])):
            log.info("page_left_alone", path=readable(target))
            return is_ours(standing[:MARK_REACH_BYTES])
        if target.parent != place.root and not target.parent.is_dir():
            make_directory(target.parent)
        replace_file(target, content, expected=status)
    except (WriteRefused, FileGone, FileUnreadable) as error:
        log.warning("page_not_written", path=readable(target), reason=str(error))
        return target.exists()
    return True
