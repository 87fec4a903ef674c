"""Where pages go, how they link to what lies around them, and how they are written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.errors import FileGone, FileUnreadable, WriteRefused
from modelshelf.files import read_limited, replace_file
from modelshelf.gallery.mark import MARK_REACH_BYTES, is_ours
from modelshelf.logs import get_log
from modelshelf.steps.place import make_room

if TYPE_CHECKING:
    from pathlib import Path

    from modelshelf.domain.output import Spot
    from modelshelf.steps.place import Place

log = get_log(__name__)

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


def write_page(target: Path, content: bytes, place: Place) -> bool:
    """Write a page of ours; gives whether one of ours stands there now, which somebody else's file may prevent."""
    is_standing = False
    try:
        standing, status = read_limited(target, MAX_PAGE_BYTES) if os.path.lexists(target) else (b"", None)
        is_standing = is_ours(standing[:MARK_REACH_BYTES])
        if status is not None and (place.output.html.is_existing_skipped or not is_standing):
            log.info("page_left_alone", path=readable(target))
            return is_standing
        make_room(place, target)
        replace_file(target, content, expected=status, within=place.border(target))
    except (WriteRefused, FileGone, FileUnreadable) as error:
        log.warning("page_not_written", path=readable(target), reason=str(error))
        return is_standing
    return True
