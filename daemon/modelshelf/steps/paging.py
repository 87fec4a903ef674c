"""Where pages go, how they link to what lies around them, and how they are written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import FileGone, FileUnreadable, WriteRefused
from modelshelf.files import Ending, read_limited
from modelshelf.gallery.mark import MARK_REACH_BYTES, is_ours
from modelshelf.logs import get_log
from modelshelf.steps.place import make_room

if TYPE_CHECKING:
    from pathlib import Path

    from modelshelf.domain.output import Spot
    from modelshelf.errors import ModelshelfError
    from modelshelf.files import Drafts
    from modelshelf.steps.place import Place

log = get_log(__name__)

REFUSALS = (WriteRefused, FileGone, FileUnreadable)
"""What is told once and not tried again by itself."""

MAX_PAGE_BYTES = 256 * 1024 * 1024


def page_path(place: Place, spot: Spot) -> Path:
    """Give where a model's page goes, as `output.metadata.html` says."""
    path = spot.place(place.output.html.path, place.output.html.filename)
    if path != gallery_path(place):
        return path
    return path.with_name(f"{path.stem}.page{path.suffix}")  # a model called gallery at the top of its folder


def gallery_path(place: Place) -> Path:
    """Give where a folder's gallery goes: a relative name counts from the folder."""
    return place.root / place.output.html.gallery_path


def relative_link(target: Path, page: Path) -> str:
    """Give the path of `target` as seen from `page`, with `/` between its parts and nothing quoted yet."""
    return os.path.relpath(target, page.parent)


@dataclass(slots=True)
class Standing:
    """Whether a page of ours stands, once what was drafted is in place; `error` is why it is to be tried again."""

    is_standing: bool = False
    error: ModelshelfError | None = None

    def demand(self) -> bool:
        """Give whether one stands; raises the `error`."""
        if self.error is not None:
            raise self.error
        return self.is_standing


def draft_page(target: Path, content: bytes, place: Place, drafts: Drafts) -> Standing:
    """Draft a page of ours; somebody else's file may prevent that one stands there in the end."""
    page = Standing()
    try:
        standing, status = read_limited(target, MAX_PAGE_BYTES) if os.path.lexists(target) else (b"", None)
        page.is_standing = is_ours(standing[:MARK_REACH_BYTES])
        if status is not None and (place.output.html.is_existing_skipped or not page.is_standing):
            log.info("page_left_alone", path=readable(target))
        elif status is None or standing != content:
            make_room(place, target)
            drafts.add(target, content, _ending(target, page), expected=status, within=place.border(target))
    except REFUSALS as error:
        _tell_refusal(target, error)
    return page


def _ending(target: Path, page: Standing) -> Ending:
    def stand(_: os.stat_result) -> None:
        page.is_standing = True

    def refuse(error: ModelshelfError) -> None:
        if isinstance(error, REFUSALS):
            _tell_refusal(target, error)
        else:
            page.error = error

    return Ending(lambda _: None, stand, refuse)


def _tell_refusal(target: Path, error: ModelshelfError) -> None:
    log.warning("page_not_written", path=readable(target), reason=str(error))
