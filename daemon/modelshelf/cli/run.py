"""`modelshelf run`: the daemon in the foreground, until a signal ends it."""

from __future__ import annotations

import select
import signal
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from modelshelf import __version__, systemd
from modelshelf.cli.opening import global_options
from modelshelf.daemon import House
from modelshelf.errors import ConfigError, TransientError
from modelshelf.logs import configure, get_log, redact
from modelshelf.shelf.lease import prepare_leases
from modelshelf.store.lock import StateLock
from modelshelf.store.store import Store
from modelshelf.watching.poke import STOP_SCANS, PokeSocket

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from modelshelf.cli.opening import Opening
    from modelshelf.config import Config

log = get_log(__name__)

ROUND_SECONDS = 30.0
CLOCK_JUMP_SECONDS = 5.0


class Foreground:
    """The main thread of the daemon: signals, pokes from other processes, a round every half minute.

    `load` reads the configuration anew; on SIGHUP a broken one leaves the old in force.
    """

    def __init__(self, config: Config, load: Callable[[], Config], store: Store) -> None:
        self._config = config
        self._load = load
        self._store = store
        self._house = House(config, store)
        self._signals: list[int] = []
        self._ear, self._mouth = socket.socketpair()
        self._ear.setblocking(False)
        self._mouth.setblocking(False)

    def run(self) -> None:
        """Open the house, serve until SIGTERM or SIGINT, close it; raise `StoreError` if the journal was lost."""
        self._listen_to_signals()
        prepare_leases()
        poke_socket = PokeSocket(self._config.state_directory)
        try:
            self._house.open()
            announce(self._config)
            systemd.ready()
            while self._serve(poke_socket):
                pass
        finally:
            systemd.stopping()
            self._house.close()
            poke_socket.close()
        if self._house.failure is not None:
            raise self._house.failure

    def _listen_to_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note)
        signal.set_wakeup_fd(self._mouth.fileno(), warn_on_full_buffer=False)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGHUP and number in self._signals:
            signal.default_int_handler(number, None)  # asked twice: leave at once
        self._signals.append(number)

    def _serve(self, poke_socket: PokeSocket) -> bool:
        """Wait for something to happen and see to it; False when it is time to go."""
        before_wall, before_monotonic = self._house.clock.now(), self._house.clock.monotonic()
        select.select([self._ear.fileno(), poke_socket.fileno()], [], [], ROUND_SECONDS)
        self._drain()
        for message in poke_socket.messages():
            if message == STOP_SCANS:
                self._house.hall.stopped_scans.set()
            self._house.bell.ring()
        elapsed = (self._house.clock.now() - before_wall).total_seconds()
        if abs(elapsed - (self._house.clock.monotonic() - before_monotonic)) > CLOCK_JUMP_SECONDS:
            log.info("clock_jumped", seconds=round(elapsed))
            self._house.calendar.wake()
            self._house.bell.ring()
        if self._house.failure is not None or signal.SIGTERM in self._signals or signal.SIGINT in self._signals:
            return False
        if signal.SIGHUP in self._signals:
            self._signals.clear()
            self._reload()
        self._go_round()
        return True

    def _drain(self) -> None:
        try:
            while self._ear.recv(64):
                pass
        except BlockingIOError:
            return

    def _go_round(self) -> None:
        try:
            self._house.mend()
        except TransientError as error:
            log.warning("round_not_finished", reason=str(error))
            return
        if self._house.store.database.is_alive():
            systemd.heartbeat()

    def _load_for_this_state(self) -> Config:
        config = self._load()
        if config.state_directory != self._config.state_directory:
            raise ConfigError("store.directory cannot change while the daemon runs; restart it")
        return config

    def _reload(self) -> None:
        """Take a new configuration: the house is closed and built anew on the same store."""
        systemd.reloading()
        try:
            config = self._load_for_this_state()
        except ConfigError as error:
            log.error("config_not_reloaded", reason=str(error))
        else:
            self._house.close()
            self._config, self._house = config, House(config, self._store)
            self._house.open()
            log.info("config_reloaded", folders=sorted(self._house.places))
            announce(config)
        systemd.ready()


def announce(config: Config) -> None:
    """Say once at start what is watched and what the configuration asks for in vain."""
    log.info("daemon_started", version=__version__, state=str(config.state_directory))
    for warning in config.warnings:
        log.warning("config_questioned", reason=warning)
    for wish in config.not_done():
        log.warning("config_not_followed", reason=wish)


@click.command()
@global_options
@click.pass_obj
def run(opening: Opening) -> None:
    """Watch the folders and keep them described, until SIGTERM or Ctrl-C.

    SIGHUP reads the configuration again.
    """
    config = opening.config
    if config.api_key is not None:
        redact(config.api_key)
    configure(config.log_settings() if not opening.is_debug else replace(config.log_settings(), level="DEBUG"))
    lock = StateLock(opening.state_directory)
    lock.acquire()
    try:
        store = Store.open(opening.store_path)
        try:
            Foreground(config, opening.load_config, store).run()
        finally:
            store.close()
    finally:
        lock.release()
