"""Waiting until an errand is done: beside the daemon that does it, or doing it here where none runs."""

from __future__ import annotations

import itertools
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from modelshelf.cli.backlog import Bounds, read_backlog
from modelshelf.cli.meter import Meter
from modelshelf.cli.owing import Depth, stop_scans
from modelshelf.errors import ModelshelfError
from modelshelf.logs import configure, redact
from modelshelf.progress import PROGRESS_STANDING, from_json
from modelshelf.watching.poke import PokeSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from modelshelf.cli.opening import Opening
    from modelshelf.cli.owing import Errand
    from modelshelf.daemon import House
    from modelshelf.domain.progress import Progress
    from modelshelf.store.store import Store

LOOK_SECONDS = 0.2
LONGEST_LOOK_SECONDS = 1.0
LOOKS_FOR_ABSENT = 5
"""How many looks long folders that are marked offline are waited for: a daemon that is poked goes and sees at once."""

SECOND_THOUGHT_SECONDS = 3.0
"""How long after the first Ctrl-C a second one stops the scan too."""


def present(store: Store, folder_ids: Collection[str]) -> list[str]:
    """Leave out the folders that are offline: nothing is done in them, so nothing is to be waited for."""
    offline = {state.id for state in store.folders.states() if state.offline_since is not None}
    return [folder_id for folder_id in folder_ids if folder_id not in offline]


def wait_beside(opening: Opening, store: Store, errand: Errand, pause: Callable[[float], None] = time.sleep) -> None:
    """Wait until the daemon has done the errand; an error if it goes away meanwhile.

    Ctrl-C ends the waiting alone. A second one, while the message about that is fresh, stops the scan.
    """
    try:
        _watch_daemon(opening, store, errand, pause)
    except KeyboardInterrupt:
        opening.note("\nThe daemon goes on without you. Ctrl-C again stops the scan.")
        try:
            pause(SECOND_THOUGHT_SECONDS)
        except KeyboardInterrupt:
            _stop(opening, store, errand)
        raise


def _watch_daemon(opening: Opening, store: Store, errand: Errand, pause: Callable[[float], None]) -> None:
    with Meter(is_shown=not opening.is_quiet) as meter:
        for look in itertools.count():
            folder_ids = errand.folder_ids if look < LOOKS_FOR_ABSENT else present(store, errand.folder_ids)
            progress = _told(store)
            held = progress.held if progress is not None else {}
            backlog = read_backlog(store, errand, Bounds(folder_ids, held, opening.config.is_offline))
            if not backlog.count:
                return
            if opening.daemon_pid() is None:
                raise ModelshelfError("the daemon stopped meanwhile; the scan is noted and goes on when it runs again")
            meter.show(backlog, progress)
            pause(_look_seconds(look))


def do_alone(opening: Opening, store: Store, errand: Errand, pause: Callable[[float], None] = time.sleep) -> None:
    """Do the errand in this process, which holds the state lock, and wait for it.

    Ctrl-C ends it after what is in hand; the rest stays noted. A second one, while that goes on, drops the scan.
    """
    from modelshelf.daemon import Doors, House  # noqa: PLC0415 -- the whole house, only where it is lived in
    from modelshelf.shelf.lease import prepare_leases  # noqa: PLC0415 -- likewise

    _set_up_logs(opening)
    prepare_leases()
    house = House(opening.config, store, is_reading=errand.depth is not Depth.QUICK)
    house.open(Doors(has_watch=False, has_calendar=False))
    try:
        _work(opening, house, errand, pause)
    except KeyboardInterrupt:
        opening.note("\nStopping; what is left stays noted. Ctrl-C again drops the scan.")
        try:
            house.close()
        except KeyboardInterrupt:
            _stop(opening, store, errand)
        raise
    finally:
        house.close()


def _work(opening: Opening, house: House, errand: Errand, pause: Callable[[float], None]) -> None:
    store = house.store
    with closing(PokeSocket(opening.state_directory)) as door, Meter(is_shown=not opening.is_quiet) as meter:
        for look in itertools.count():
            folder_ids = present(store, errand.folder_ids)
            held = house.hall.leave.held(folder_ids, house.clock.now())
            backlog = read_backlog(store, errand, Bounds(folder_ids, held, opening.config.is_offline, is_alone=True))
            if not backlog.count:
                return
            _serve(house, door)
            meter.show(backlog, _told(store))
            pause(_look_seconds(look))


def _told(store: Store) -> Progress | None:
    return from_json(store.standing.get(PROGRESS_STANDING))


def _look_seconds(look: int) -> float:
    """Give how long to wait before the next look: what lasts is looked at less often."""
    return min(LONGEST_LOOK_SECONDS, LOOK_SECONDS + look / 100)


def _set_up_logs(opening: Opening) -> None:
    """Log as the daemon would, but leave the terminal to the meter."""
    config, settings = opening.config, opening.config.log_settings()
    for secret in config.secrets:
        redact(secret)
    level = "DEBUG" if opening.is_debug else settings.level
    configure(replace(settings, is_stream_enabled=opening.is_debug, level=level))


def _serve(house: House, door: PokeSocket) -> None:
    if house.failure is not None:
        raise house.failure
    for message in door.messages():
        house.heed(message)


def _stop(opening: Opening, store: Store, errand: Errand) -> None:
    stop_scans(opening, store, errand.folder_ids, errand.spots if errand.depth is Depth.DEEP else ())
    opening.note("The scan is stopped.")
