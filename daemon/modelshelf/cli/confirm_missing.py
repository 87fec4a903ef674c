"""`modelshelf confirm-missing`: a person's word that files which vanished at once are really gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelshelf.cli.errands import Wishes, carry_out
from modelshelf.cli.finding import find_spots
from modelshelf.cli.opening import Opening, global_options
from modelshelf.cli.owing import owe_scans
from modelshelf.cli.showing import json_option
from modelshelf.clock import SystemClock
from modelshelf.errors import UsageError

if TYPE_CHECKING:
    from modelshelf.cli.finding import Spot
    from modelshelf.cli.owing import Errand
    from modelshelf.domain.ground import Ground
    from modelshelf.store.store import Store


@click.command(name="confirm-missing")
@click.argument("target", metavar="FOLDER_ID")
@click.option("--wait", "is_waited", is_flag=True, help="Wait until it is done; without a daemon it is done here.")
@json_option
@global_options
@click.pass_obj
def confirm_missing(opening: Opening, /, target: str, *, is_waited: bool, is_json: bool) -> int:
    """Confirm that what vanished from a folder is really gone.

    Where many files vanish at once, or a mount inside a folder, or all that is known in one, nothing is recorded as missing:
    it may only be a disk that is away. This has the folder scanned, and what is not there then is missing. What is known of
    missing files is kept, and counts again when they return. It is said of the folder as it is now: where the scan cannot begin
    within an hour, or something else is mounted by then, it has to be said again.
    """
    (spot,) = find_spots(opening.config, target)
    if spot.path:
        raise UsageError(f"{target} is no folder's id, but a path in {spot.folder.id}: a whole folder is confirmed")
    ground = _present_ground(spot)
    wishes = Wishes((spot.folder.id,), is_waited, is_json=is_json)
    return carry_out(opening, lambda store: _owe_last_look(store, spot, ground), wishes)


def _present_ground(spot: Spot) -> Ground:
    """Give what the folder stands on, of which the word is said.

    Where it cannot even be listed a disk is away, and a person's word changes nothing about that.
    """
    from modelshelf.shelf.patience import Patience  # noqa: PLC0415 -- only where a shelf is looked at
    from modelshelf.shelf.presence import check_presence, ground_of  # noqa: PLC0415 -- likewise

    def look() -> Ground:
        check_presence(spot.folder, 0)
        return ground_of(spot.folder)

    return Patience().ask(spot.folder.id, look)


def _owe_last_look(store: Store, spot: Spot, ground: Ground) -> Errand:
    folder_id = spot.folder.id
    is_offline = any(state.id == folder_id and state.offline_since is not None for state in store.folders.states())
    is_lost = any(point.lost_since is not None for point in store.grounds.mount_points(folder_id).values())
    if not (is_offline or is_lost or store.holds.of(folder_id) is not None):
        raise UsageError(f"nothing of {folder_id} is held back: what a scan does not find there is missing at once")
    with store.database.transaction():
        store.holds.confirm(folder_id, ground, SystemClock().now())
        return owe_scans(store, [spot])
