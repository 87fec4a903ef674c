"""A model's pictures: which of Civitai's are fit to be shown, where they lie, and which of those there are ours."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.domain.output import ImagesOutput
from modelshelf.formats.picture_mark import mark_of
from modelshelf.sidecars.names import PREVIEW_SUFFIXES, VIDEO_SUFFIXES, previews
from modelshelf.steps.beside import stat_if_there

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelshelf.domain.civitai import RemoteImage
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.steps.place import Place
    from modelshelf.store.store import Store

_DEFAULT = ImagesOutput()
_BESIDE = (_DEFAULT.path, _DEFAULT.filename, _DEFAULT.is_numbered)

FEED_LIMIT = 20
"""How many pictures "all of them" means: as many as a version's record carries at most."""

VERSION = "version"
"""Under this key the ledger keeps of which version a picture is; the mark in the picture says it in this word, too."""

_OPEN = "\0"
"""Stands in a template for what is filled in later: no path has it."""

_BLOCKED = 32
_RATED = range(1, _BLOCKED)


def fit_to_be_shown(images: Iterable[RemoteImage], nsfw_threshold: int) -> list[RemoteImage]:
    """Give the pictures that may be shown, the best first: tame ones in the creator's order, then the others by level.

    Stills before clips. What nobody has rated is the last resort. Never what shows a real person or somebody who looks like a
    child, nor what was blocked.
    """
    usable = [
        image
        for image in images
        if image.type in {"image", "video"}
        and not (image.is_of_minor or image.is_of_real_person)
        and image.nsfw_level < _BLOCKED
    ]
    return sorted(usable, key=lambda image: (_wildness(image.nsfw_level, nsfw_threshold), image.type == "video"))


def _wildness(level: int, nsfw_threshold: int) -> int:
    if level not in _RATED:
        return _BLOCKED
    return level if level >= nsfw_threshold else 0


def picture_path(place: Place, file: ModelFile, suffix: str, number: int) -> Path:
    """Give where a picture goes: as `output.images` says, numbered before the extension in CivitScraper's way."""
    return Path(_numbered(_template(place, file), suffix, number if place.output.images.is_numbered else None))


def _template(place: Place, file: ModelFile) -> str:
    """Give where pictures of a file go, with `_OPEN` where the extension comes: filled in once for many that are looked for."""
    settings = place.output.images
    return str(place.spot(file).place(settings.path, settings.filename, ext=_OPEN))


def _numbered(template: str, suffix: str, number: int | None) -> str:
    path = template.replace(_OPEN, suffix)
    if number is None:
        return path
    directory, name = os.path.split(path)
    root, extension = os.path.splitext(name)
    return os.path.join(directory, f"{root}{number}{extension}")


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


def has_come(place: Place, file: ModelFile, standing: Iterable[Path]) -> bool:
    """Tell whether a picture stands beside the file now that was not among those `standing` there before.

    Only the names that people and tools give the one picture of a model are looked for, so that no directory is listed.
    """
    model = place.locate(file)
    stem = model.with_name(os.path.splitext(model.name)[0])
    endings = [f"{infix}{os.fsdecode(suffix)}" for infix in ("", ".preview") for suffix in PREVIEW_SUFFIXES]
    candidates = {stem.with_name(f"{stem.name}{ending}") for ending in endings} - set(standing)
    return any(os.path.lexists(each) for each in candidates)


def relative_to_folder(place: Place, picture: Path) -> bytes:
    """Give a picture's path as the catalog keeps it; outside the folder it begins with `..`."""
    return os.fsencode(os.path.relpath(picture, place.root))


def mark_text(version_id: str) -> str:
    """Give what the mark in a picture of this version says."""
    return f"{VERSION} {version_id}"


def ours_of_version(store: Store, picture: Path) -> tuple[os.stat_result, str] | None:
    """Give the stat of a picture that we wrote and nobody has touched, and the version it is of; None for any other.

    The ledger knows; where it does not, after a restore from an older backup, the picture itself says so.
    """
    status = stat_if_there(os.fsencode(picture))
    if status is None:
        return None
    writing = store.ledger.of(os.fsencode(picture))
    is_as_written = writing is not None and (status.st_size, status.st_mtime_ns) == (
        writing.size_bytes,
        writing.mtime_ns,
    )
    if writing is not None and is_as_written:
        version_id = writing.digests.get(VERSION)
    else:
        mark = mark_of(picture) or ""
        version_id = mark.removeprefix(f"{VERSION} ") if mark.startswith(f"{VERSION} ") else None
    return None if version_id is None else (status, version_id)


def _at_output(place: Place, file: ModelFile) -> list[Path]:
    """Give our pictures where `output.images` sends them; with its defaults they stand beside the model, and are found there."""
    settings = place.output.images
    if place.output.base_directory is None and (settings.path, settings.filename, settings.is_numbered) == _BESIDE:
        return []
    found: list[Path] = []
    template, is_numbered = _template(place, file), settings.is_numbered
    suffixes = [os.fsdecode(each) for each in (PREVIEW_SUFFIXES if is_numbered else (b".png", *VIDEO_SUFFIXES))]
    for number in range(1, picture_limit(place) + 1):
        candidates = [_numbered(template, suffix, number if is_numbered else None) for suffix in suffixes]
        there = [Path(each) for each in dict.fromkeys(candidates) if os.path.lexists(each)]
        found += there
        if not there or not is_numbered:
            break
    return found
