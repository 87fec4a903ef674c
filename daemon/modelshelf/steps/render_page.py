"""Write the page of one model."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelshelf.clock import moment_of
from modelshelf.domain.content import Match
from modelshelf.domain.display import readable
from modelshelf.domain.fact import Field
from modelshelf.domain.task import NewTask, TaskKind
from modelshelf.files import drafted
from modelshelf.gallery.content import Belief, PageContent, Sites
from modelshelf.gallery.page import render_page
from modelshelf.steps.beside import from_text
from modelshelf.steps.describe import describe
from modelshelf.steps.paging import Standing, draft_page, gallery_path, page_path, relative_link
from modelshelf.steps.picturing import shown_pictures
from modelshelf.steps.place import Place, awaits_its_sidecars, demand_present, present_file
from modelshelf.steps.rescuing import rescue_lines, rescue_of
from modelshelf.steps.stems import is_foreign, owner_of_stem, sharing_stem
from modelshelf.steps.step import Done, Failed, Outcome, Reins, one_by_one

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from modelshelf.domain.content import Content
    from modelshelf.domain.description import Description
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.domain.task import Task
    from modelshelf.files import Drafts
    from modelshelf.steps.place import Places
    from modelshelf.store.store import Store


@dataclass(frozen=True, slots=True)
class Paged:
    """A file, and whether its page stands."""

    file: ModelFile
    page: Standing


@dataclass(frozen=True, slots=True)
class RenderPage:
    """A page that somebody else made is never overwritten; an unchanged one is not written again."""

    store: Store
    places: Places
    sites: Sites = field(default_factory=Sites)
    kind: TaskKind = TaskKind.RENDER_PAGE

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[Paged]]:
        """Render each file's page, then write them all."""
        with drafted(self.store.database.transaction) as drafts:
            outcomes = one_by_one(tasks, reins, lambda task: self._page(task, drafts))
        return [_as_written(outcome) for outcome in outcomes]

    def _page(self, task: Task, drafts: Drafts) -> Outcome[Paged]:
        file, place = present_file(self.store, self.places, task)
        if awaits_its_sidecars(self.store, file):
            return Done(task, Paged(file, Standing()), is_followed=False)
        if self.store.decisions.is_ignored(file.content_id):
            return Done(task, Paged(file, Standing(self._has_page(file))))
        description = describe(self.store, file)
        if not place.output.html.is_enabled or not self._is_due(description):
            return Done(task, Paged(file, Standing()))
        target = page_path(place, place.spot(file))
        content = render_page(self._content(place, file, description, target)).encode("utf-8")
        demand_present(self.store, place, file)
        return Done(task, Paged(file, draft_page(target, content, place, drafts)))

    def _is_due(self, description: Description) -> bool:
        """Tell whether a page is to be written: of a file that is no good only if it has one, which then must say so."""
        file, header = description.file, description.header
        if header is None or is_foreign(file) or owner_of_stem(self.store, file).id != file.id:
            return False
        return header.is_readable or self._has_page(file)

    def _has_page(self, file: ModelFile) -> bool:
        entry = self.store.entries.get(file.id)
        return entry is not None and entry.has_page

    def _content(self, place: Place, file: ModelFile, description: Description, target: Path) -> PageContent:
        stem = os.path.splitext(os.path.basename(file.path))[0]
        pictures = shown_pictures(place, file, [os.fsencode(name) for name in from_text(file.companions)])
        html = place.output.html
        known = self.store.contents.get(file.content_id) if file.content_id is not None else None
        return PageContent(
            description=description,
            title=description.text(Field.NAME) or description.text(Field.TITLE) or readable(stem),
            file_name=readable(os.path.basename(file.path)),
            size_bytes=file.fingerprint.size_bytes,
            modified_at=moment_of(file.fingerprint.mtime_ns),
            previews=tuple(relative_link(each, target) for each in pictures),
            gallery_href=relative_link(gallery_path(place), target) if html.is_gallery_generated else None,
            is_looked_up=known is not None and known.looked_up_at is not None,
            belief=self._belief(known) if known is not None else Belief(),
            sites=self.sites,
            damage=self._damage(file),
        )

    def _damage(self, file: ModelFile) -> str | None:
        rot = self.store.rot.of(file.id)
        if rot is None:
            return None
        told = "; ".join(rescue_lines(rescue_of(self.store, file)))
        return f"Its bytes changed by themselves between {rot.sound_at:%Y-%m-%d} and {rot.found_at:%Y-%m-%d}: {told}."

    def _belief(self, content: Content) -> Belief:
        is_pinned = content.pinned_version_id is not None and content.pinned_version_id == content.version_id
        model_id = None if content.version_id is None else self.store.remote.model_of_version(content.version_id)
        return Belief(
            is_pinned=is_pinned,
            is_by_weights=content.matched_by is Match.WEIGHTS,
            gone_since=content.gone_since,
            newer=tuple(each for each in self.store.updates.all(model_id) if not each.is_muted) if model_id else (),
        )

    def record(self, done: Sequence[Done[Paged]]) -> list[NewTask]:
        """Remember which files have a page to link to; of those that share a stem it is one."""
        for each in done:
            paged, has_page = each.result, each.result.page.is_standing
            self.store.entries.set_page(paged.file.id, has_page=has_page)
            for sharer in sharing_stem(self.store, paged.file) if has_page else ():
                self.store.entries.set_page(sharer.id, has_page=sharer.id == paged.file.id)
        return []


def _as_written(outcome: Outcome[Paged]) -> Outcome[Paged]:
    """Give what came of a task, now that what it drafted was put in place."""
    error = outcome.result.page.error if isinstance(outcome, Done) else None
    return Failed(outcome.task, error) if error is not None else outcome
