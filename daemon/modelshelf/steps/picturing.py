"""Where a model's pictures lie: beside it, whoever put them there, or where `output.images` sends ours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from modelshelf.sidecars.names import PREVIEW_SUFFIXES, previews

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from modelshelf.domain.model_file import ModelFile
    from modelshelf.steps.place import Place

FEED_LIMIT = 20
"""How many pictures "all of them" means: as many as a version's record carries at most."""


def picture_path(place: Place, file: ModelFile, suffix: str, number: int) -> Path:
    """Give where a picture goes: as `output.images` says, numbered before the extension in CivitScraper's way."""
    settings = place.output.images
    path = place.spot(file).place(settings.path, settings.filename, ext=suffix)
    if not settings.is_numbered:
        return path
    root, extension = os.path.splitext(path.name)
    return path.with_name(f"{root}{number}{extension}")


def picture_limit(place: Place) -> int:
    """Give how many pictures a model gets."""
    wanted = place.output.images.max_count
    return FEED_LIMIT if wanted is None else wanted


def shown_pictures(place: Place, file: ModelFile, names: Iterable[bytes]) -> list[Path]:
    """Give the pictures of a file, the one to show first; `names` are those of what stands beside it."""
    path = place.locate(file)
    stem = os.path.splitext(os.path.basename(file.path))[0]
    beside = [path.parent / os.fsdecode(name) for name in previews(names, stem)]
    return beside + [each for each in _at_output(place, file) if each not in beside]


def relative_to_folder(place: Place, picture: Path) -> bytes:
    """Give a picture's path as the catalog keeps it; outside the folder it begins with `..`."""
    return os.fsencode(os.path.relpath(picture, place.root))


def _at_output(place: Place, file: ModelFile) -> list[Path]:
    found: list[Path] = []
    suffixes = [os.fsdecode(each) for each in PREVIEW_SUFFIXES] if place.output.images.is_numbered else [".png"]
    for number in range(1, picture_limit(place) + 1):
        candidates = (picture_path(place, file, suffix, number) for suffix in suffixes)
        there = next((each for each in candidates if os.path.lexists(each)), None)
        if there is None:
            break
        found.append(there)
        if not place.output.images.is_numbered:
            break
    return found
