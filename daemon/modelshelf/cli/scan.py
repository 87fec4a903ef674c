"""`modelshelf scan`: look through folders now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelshelf.cli.errands import Wishes, carry_out
from modelshelf.cli.exits import Exit
from modelshelf.cli.finding import find_spots
from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.owing import owe_scans, stop_scans
from modelshelf.cli.showing import json_option, show_json, show_line
from modelshelf.cli.wording import count_text
from modelshelf.domain.display import readable
from modelshelf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.cli.finding import Spot


@click.command()
@click.argument("target", required=False, metavar="[FOLDER_ID|PATH]")
@click.option("--wait", "is_waited", is_flag=True, help="Wait until it is done; without a daemon it is done here.")
@click.option("--stop", "is_stop", is_flag=True, help="Stop scans that run or wait instead.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Tell what is new, changed or gone; write nothing.")
@json_option
@global_options
@click.pass_obj
def scan(opening: Opening, /, target: str | None, *, is_json: bool, **flags: bool) -> int:
    """Look through all folders now, or through one folder, or at one path in it.

    Ctrl-C while it waits ends the waiting; a second Ctrl-C stops the scan.
    """
    if sum(flags.values()) > 1:
        raise click.UsageError("--wait, --stop and --dry-run do not go together.")
    spots = find_spots(opening.config, target)
    if flags["is_stop"]:
        return _stop(opening, spots, is_json=is_json)
    _demand_ours(spots)
    if flags["is_dry_run"]:
        from modelshelf.cli.dry_run import show_differences  # noqa: PLC0415 -- only for who asks

        return show_differences(opening, spots, is_json=is_json)
    wishes = Wishes(tuple(spot.folder.id for spot in spots), flags["is_waited"], is_json=is_json)
    return carry_out(opening, lambda store: owe_scans(store, spots), wishes)


def _demand_ours(spots: Sequence[Spot]) -> None:
    from modelshelf.shelf.intake import Intake  # noqa: PLC0415 -- only where a scan is asked for

    for spot in spots:
        if spot.path and Intake(spot.folder).is_excluded_directory(spot.path):
            raise UsageError(
                f"{readable(spot.absolute)} is hidden or excluded in {spot.folder.id}; see exclude_patterns in config show"
            )


def _stop(opening: Opening, spots: Sequence[Spot], *, is_json: bool) -> int:
    with opening.writing() as store:
        stopped = stop_scans(opening, store, [spot.folder.id for spot in spots])
    if is_json:
        show_json({"stopped": stopped})
    else:
        show_line(f"{count_text(stopped, 'scan', 'scans')} stopped.")
    return Exit.GOOD
