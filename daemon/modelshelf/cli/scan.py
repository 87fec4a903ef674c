"""`modelshelf scan`: look through folders now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelshelf.cli.errands import Wishes, carry_out
from modelshelf.cli.exits import Exit
from modelshelf.cli.finding import find_spots
from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.owing import Depth, owe_scans, stop_scans
from modelshelf.cli.showing import json_option, show_json, show_line
from modelshelf.cli.wording import count_text
from modelshelf.domain.display import readable
from modelshelf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.cli.finding import Spot


@click.command()
@click.argument("target", required=False, metavar="[FOLDER_ID|PATH]")
@click.option("--quick", "is_quick", is_flag=True, help="Note what is there and read nothing of it.")
@click.option("--deep", "is_deep", is_flag=True, help="Read all that was not read yet now, whatever windows say.")
@click.option("--wait", "is_waited", is_flag=True, help="Wait until it is done; without a daemon it is done here.")
@click.option("--stop", "is_stop", is_flag=True, help="Stop scans that run or wait instead, and the reading of --deep.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Tell what is new, changed or gone; write nothing.")
@json_option
@global_options
@click.pass_obj
def scan(opening: Opening, /, target: str | None, *, is_json: bool, **flags: bool) -> int:
    """Look through all folders now, or through one folder, or at one path in it.

    What is new or changed is read in its turn, as deep_scan in the configuration has it: --quick waits for none of that,
    --deep has it read at once. In how large pieces, by how many readers and how soon it begins stands there too:
    deep_scan.chunk_size, max_workers and fast_start. Ctrl-C while it waits ends the waiting; a second Ctrl-C stops the scan.
    """
    _demand_sense(flags)
    spots = find_spots(opening.config, target)
    if flags["is_stop"]:
        return _stop(opening, spots, is_json=is_json)
    _demand_ours(spots)
    if flags["is_dry_run"]:
        from modelshelf.cli.dry_run import show_differences  # noqa: PLC0415 -- only for who asks

        return show_differences(opening, spots, is_json=is_json)
    depth = Depth.QUICK if flags["is_quick"] else Depth.DEEP if flags["is_deep"] else Depth.USUAL
    wishes = Wishes(tuple(spot.folder.id for spot in spots), flags["is_waited"], is_json=is_json)
    return carry_out(opening, lambda store: owe_scans(store, spots, depth), wishes)


def _demand_sense(flags: dict[str, bool]) -> None:
    if sum(flags[name] for name in ("is_waited", "is_stop", "is_dry_run")) > 1:
        raise click.UsageError("--wait, --stop and --dry-run do not go together.")
    if sum(flags[name] for name in ("is_quick", "is_deep", "is_stop", "is_dry_run")) > 1:
        raise click.UsageError("--quick, --deep, --stop and --dry-run do not go together.")


def _demand_ours(spots: Sequence[Spot]) -> None:
    from modelshelf.shelf.intake import Intake  # noqa: PLC0415 -- only where a scan is asked for

    for spot in spots:
        if spot.path and Intake(spot.folder).is_excluded_directory(spot.path):
            raise UsageError(
                f"{readable(spot.absolute)} is hidden or excluded in {spot.folder.id}; see exclude_patterns in config show"
            )


def _stop(opening: Opening, spots: Sequence[Spot], *, is_json: bool) -> int:
    eased = [(spot.folder.id, spot.path) for spot in spots]
    with opening.writing() as store:
        stopped = stop_scans(opening, store, [spot.folder.id for spot in spots], eased, are_orders_kept=False)
    if is_json:
        show_json({"stopped": stopped.scans, "eased_files": stopped.files, "orders": stopped.orders})
        return Exit.GOOD
    show_line(f"{count_text(stopped.scans, 'scan', 'scans')} stopped.")
    if stopped.files:
        turn = count_text(stopped.files, "file is read in its", "files are read in their")
        show_line(f"{turn} turn again.")
    if stopped.orders:
        show_line(f"What a job was to read in {count_text(stopped.orders, 'folder', 'folders')} is ordered no more.")
    return Exit.GOOD
