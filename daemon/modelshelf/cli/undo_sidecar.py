"""`modelshelf undo-sidecar`: a sidecar as it was before modelshelf changed it, and left alone from then on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelshelf.cli.finding import spot_at
from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.showing import json_option, show_json, show_line
from modelshelf.cli.wording import path_json
from modelshelf.clock import SystemClock
from modelshelf.domain.display import readable
from modelshelf.errors import UsageError

if TYPE_CHECKING:
    from modelshelf.store.store import Store


@click.command(name="undo-sidecar")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--force", "is_forced", is_flag=True, help="Even if somebody changed it since; what is there now is kept."
)
@json_option
@global_options
@click.pass_obj
def undo_sidecar(opening: Opening, /, file: Path, *, is_forced: bool, is_json: bool) -> None:
    """Bring FILE back to what it was before modelshelf changed it.

    FILE is a sidecar, not a model. From then on modelshelf leaves it alone, until the same command takes it back. A file that was
    all modelshelf's is removed. What stood in a file is kept for 90 days, the last three contents of each.
    """
    from modelshelf.steps.undoing import undo_sidecar as undo  # noqa: PLC0415 -- only where something is undone
    from modelshelf.watching.poke import poke  # noqa: PLC0415 -- likewise

    with opening.writing() as store:
        path = _known_path(opening, store, file)
        _demand_there(opening, store, path)
        undone = undo(store, path, SystemClock().now(), is_forced=is_forced)
    poke(opening.state_directory)
    if is_json:
        show_json({**path_json(os.fsencode(path)), "result": undone.name.lower()})
        return
    show_line(f"{readable(path)} {undone}.")


def _demand_there(opening: Opening, store: Store, path: Path) -> None:
    """Raise FolderOffline where the file's folder is away: nothing is written onto a bare mount point."""
    from modelshelf.shelf.patience import Patience  # noqa: PLC0415 -- only where a shelf is looked at
    from modelshelf.shelf.presence import check_presence  # noqa: PLC0415 -- likewise

    spot = spot_at(opening.config.folders(), os.fsencode(path))
    if spot is not None:
        known = sum(each.file_count for each in store.folders.states() if each.id == spot.folder.id)
        Patience().ask(spot.folder.id, lambda: check_presence(spot.folder, known))


def _known_path(opening: Opening, store: Store, file: Path) -> Path:
    """Give the path under which a file is known: as it was typed, by where links lead, or through a folder that is a link."""
    from modelshelf.steps.undoing import is_known_path  # noqa: PLC0415 -- likewise

    typed = os.path.normpath(os.fsencode(file.absolute()))
    real = os.path.join(os.path.realpath(os.path.dirname(typed)), os.path.basename(typed))
    spot = spot_at(opening.config.folders(), typed, real)
    ways = dict.fromkeys([typed, real, *([spot.absolute] if spot else [])])
    found = next((each for each in ways if is_known_path(store, each)), None)
    if found is None:
        raise UsageError(f"modelshelf never changed {readable(typed)}")
    return Path(os.fsdecode(found))
