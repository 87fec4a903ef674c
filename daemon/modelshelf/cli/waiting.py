"""Waiting until an errand is done: beside the daemon that does it, or doing it here where none runs."""

from __future__ import annotations

import itertools
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.cli.backlog import Backlog
from modelshelf.cli.meter import Meter
from modelshelf.cli.owing import stop_scans
from modelshelf.clock import SystemClock
from modelshelf.domain.task import ORDER, Lane, TaskKind
from modelshelf.errors import ModelshelfError
from modelshelf.logs import configure, redact
from modelshelf.store.reports import Reports
from modelshelf.watching.poke import STOP_SCANS, PokeSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from modelshelf.cli.opening import Opening
    from modelshelf.cli.owing import Errand
    from modelshelf.daemon import House
    from modelshelf.store.store import Store

LOOK_SECONDS = 0.2
LOOKS_FOR_ABSENT = 5
"""How many looks long folders that are marked offline are waited for: a daemon that is poked goes and sees at once."""

SECOND_THOUGHT_SECONDS = 3.0
"""How long after the first Ctrl-C a second one stops the scan too."""

LINGERING = frozenset({TaskKind.RENDER_GALLERY, TaskKind.CARRY_SIDECARS})
LINGER = timedelta(seconds=60)
"""Galleries and moved sidecars are put off on purpose, for less than this; without them nobody would call it done."""


def read_backlog(opening: Opening, store: Store, folder_ids: Collection[str]) -> Backlog:
    """Give what is owed in these folders and due: what waits for its next try is not waited for."""
    now = SystemClock().now()
    reports = Reports(store.database)
    owed = dict.fromkeys(TaskKind, 0)
    for folder_id in folder_ids:
        for kind, number in store.journal.owed(folder_id, until=now).items():
            owed[kind] += number
    questions = sum(number for kind, number in owed.items() if ORDER[kind].lane is Lane.NETWORK)
    reading = owed[TaskKind.INSPECT_FILE] + owed[TaskKind.HASH_FILE]
    lingering = reports.soon(LINGERING, folder_ids, now, now + LINGER)
    scans = owed[TaskKind.SCAN_FOLDER]
    return Backlog(
        scans=scans,
        files=reading,
        size_bytes=reports.unread(folder_ids)[1],
        questions=0 if opening.config.is_offline else questions,
        writings=sum(owed.values()) - questions - reading - scans + len(lingering),
    )


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
            backlog = read_backlog(opening, store, folder_ids)
            if not backlog.count:
                return
            if opening.daemon_pid() is None:
                raise ModelshelfError("the daemon stopped meanwhile; the scan is noted and goes on when it runs again")
            meter.show(backlog)
            pause(LOOK_SECONDS)


def do_alone(opening: Opening, store: Store, errand: Errand, pause: Callable[[float], None] = time.sleep) -> None:
    """Do the errand in this process, which holds the state lock, and wait for it.

    Ctrl-C ends it after what is in hand; the rest stays noted. A second one, while that goes on, drops the scan.
    """
    from modelshelf.daemon import Doors, House  # noqa: PLC0415 -- the whole house, only where it is lived in
    from modelshelf.shelf.lease import prepare_leases  # noqa: PLC0415 -- likewise

    _set_up_logs(opening)
    prepare_leases()
    house = House(opening.config, store)
    house.open(Doors(has_watch=False, has_calendar=False))
    try:
        with closing(PokeSocket(opening.state_directory)) as door, Meter(is_shown=not opening.is_quiet) as meter:
            while (backlog := read_backlog(opening, store, present(store, errand.folder_ids))).count:
                _serve(house, door)
                in_hand_bytes = sum(done_bytes for _, done_bytes in [*house.hall.in_hand.values()])
                meter.show(replace(backlog, size_bytes=max(0, backlog.size_bytes - in_hand_bytes)))
                pause(LOOK_SECONDS)
    except KeyboardInterrupt:
        opening.note("\nStopping; what is left stays noted. Ctrl-C again drops the scan.")
        try:
            house.close()
        except KeyboardInterrupt:
            _stop(opening, store, errand)
        raise
    finally:
        house.close()


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
        if message == STOP_SCANS:
            house.hall.stopped_scans.set()
        house.bell.ring()


def _stop(opening: Opening, store: Store, errand: Errand) -> None:
    stop_scans(opening, store, errand.folder_ids)
    opening.note("The scan is stopped.")
