"""What a walk finds that nobody knew: told whole, and recorded, by the directory rather than file by file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from modelshelf.domain.display import readable
from modelshelf.errors import FileGone
from modelshelf.logs import get_log
from modelshelf.shelf.partial import finished_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from modelshelf.domain.model_file import Stamp
    from modelshelf.shelf.walk import Listing
    from modelshelf.steps.looking import Looker

    Arrivals: TypeAlias = tuple[bytes, Sequence[Stamp]]
    """A directory and new files in it."""

log = get_log(__name__)

TOLD_EACH = 20
"""Of so many new files at once each has a line in the log, of more there is one for all."""

UNOPENED_SECONDS = 3600.0
"""What has not changed for so long is not opened to see whether somebody writes to it: whoever did would be heard."""

_NANOSECONDS = 1_000_000_000


def arrivals_among(looker: Looker, listing: Listing, unknown: Sequence[Stamp]) -> list[Stamp]:
    """Give those of the files that no row stands for which are new and whole for certain; the others are to be looked at."""
    if not looker.is_scan:
        return []
    place, now_ns = looker.place, round(looker.clock.now().timestamp() * _NANOSECONDS)
    quiet_ns = now_ns - round(max(place.stability_delay_seconds, looker.tick_seconds) * _NANOSECONDS)
    unopened_ns = now_ns - round(UNOPENED_SECONDS * _NANOSECONDS) if place.traits.is_local else now_ns
    inodes = looker.store.files.inodes_known([stamp[4] for stamp in unknown])
    doubtful = {finished_name(name) for name in listing.companions}
    begin = os.path.join(os.fsencode(place.root), listing.directory, b"")
    return [
        stamp
        for stamp in unknown
        if stamp[2] <= quiet_ns
        and stamp[4] not in inodes
        and stamp[0] not in doubtful
        and (stamp[2] <= unopened_ns or not _may_be_written(looker, begin + stamp[0]))
    ]


def tell_noticed(folder_id: str, files: Sequence[tuple[bytes, int]]) -> None:
    """Log new files, given by path and size."""
    if len(files) > TOLD_EACH:
        _tell_many(folder_id, len(files), sum(size for _, size in files))
        return
    for path, size_bytes in files:
        log.info("file_noticed", path=readable(path), size_bytes=size_bytes)


def tell_arrived(folder_id: str, arrivals: Sequence[Arrivals]) -> None:
    """Log new files, given by directory."""
    count = sum(len(stamps) for _, stamps in arrivals)
    if count > TOLD_EACH:
        _tell_many(folder_id, count, sum(stamp[1] for _, stamps in arrivals for stamp in stamps))
        return
    tell_noticed(
        folder_id, [(os.path.join(directory, stamp[0]), stamp[1]) for directory, stamps in arrivals for stamp in stamps]
    )


def _tell_many(folder_id: str, files: int, size_bytes: int) -> None:
    log.info("files_noticed", folder=folder_id, files=files, size_bytes=size_bytes)


def in_batches(arrivals: Iterable[Arrivals], limit: int) -> Iterator[list[Arrivals]]:
    """Put together what is recorded at once: up to so many files, of many directories or of a part of a large one."""
    batch: list[Arrivals] = []
    count = 0
    for directory, stamps in arrivals:
        for first in range(0, len(stamps), limit):
            part = stamps[first : first + limit]
            if count and count + len(part) > limit:
                yield batch
                batch, count = [], 0
            batch.append((directory, part))
            count += len(part)
    if batch:
        yield batch


def _may_be_written(looker: Looker, path: bytes) -> bool:
    try:
        return bool(looker.gate.is_written(Path(os.fsdecode(path))))
    except FileGone:
        return True
