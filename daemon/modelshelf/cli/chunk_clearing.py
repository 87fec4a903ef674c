"""Clearing away what a daemon that is gone left of its chunks, and what is too old to be of use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.domain.chunk import OUTPUTS
from modelshelf.errors import from_os_error

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from modelshelf.cli.opening import Opening


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was cleared away; `in_hand` are a living daemon's, and `not_removed` says why for each output that stays."""

    planned_again: int
    forgotten: int
    in_hand: int
    outputs: int
    not_removed: tuple[str, ...]


def clear(opening: Opening, now: datetime) -> Cleared:
    """Clear away what may go, beside a running daemon only what is not its own; NothingRecorded where there is no store."""
    before = now - timedelta(days=opening.config.file.store.keep_days)
    with opening.reading() as store:
        running = len(store.chunks.running())
    if opening.daemon_pid() is not None:
        with opening.writing() as store:
            planned_again, forgotten, in_hand = 0, store.chunks.prune(before), running
    else:
        with opening.owning() as store:
            planned_again, forgotten, in_hand = store.chunks.recover(), store.chunks.prune(before), 0
    outputs, not_removed = _remove_outputs(opening.state_directory / OUTPUTS, before)
    return Cleared(planned_again, forgotten, in_hand, outputs, not_removed)


def _remove_outputs(directory: Path, before: datetime) -> tuple[int, tuple[str, ...]]:
    """Remove the outputs that were kept before this time; gives how many, and why others could not be."""
    removed, reasons = 0, []
    try:
        found = sorted(directory.iterdir())
    except FileNotFoundError:
        return 0, ()
    except OSError as error:
        return 0, (str(from_os_error(error, str(directory), "list")),)
    for path in found:
        try:
            if path.lstat().st_mtime < before.timestamp():
                path.unlink()
                removed += 1
        except OSError as error:
            reasons.append(str(from_os_error(error, str(path), "remove")))
    return removed, tuple(reasons)
