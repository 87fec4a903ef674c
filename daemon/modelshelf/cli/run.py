"""`modelshelf run`: the daemon in the foreground, until a signal ends it."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

from modelshelf import __version__, systemd
from modelshelf.cli.aside import Aside, LastResort, more_time
from modelshelf.cli.exits import Exit
from modelshelf.cli.health import VERSION_STANDING, Health
from modelshelf.cli.opening import global_options
from modelshelf.cli.standing import Standing
from modelshelf.cli.unit_files import doubts
from modelshelf.daemon import House
from modelshelf.errors import ConfigError, ModelshelfError, StoreError, TransientError
from modelshelf.logs import configure, get_log, redact
from modelshelf.shelf.lease import prepare_leases
from modelshelf.watching.poke import PokeSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from modelshelf.cli.opening import Opening
    from modelshelf.config import Config
    from modelshelf.store.store import Store

log = get_log(__name__)

ROUND_SECONDS = 30.0
REST_SECONDS = 1.0
CLOCK_JUMP_SECONDS = 5.0
BEAT_PATIENCE_SECONDS = 2.0
"""How long a heartbeat waits for the round, which may just have something to mend."""

LATE_SECONDS = 300.0
"""A round that has gone on for so long is told of: a dead mount may hold it for ever."""


class Foreground:
    """The main thread of the daemon: signals, pokes from other processes, a round every half minute.

    It never looks at a folder itself, so that a dead mount cannot keep it from answering.
    """

    def __init__(self, opening: Opening, store: Store, last_resort: LastResort) -> None:
        self._opening = opening
        self._config = opening.config
        self._store = store
        self._last_resort = last_resort
        self._signals: list[int] = []
        self._ear, self._mouth = socket.socketpair()
        self._ear.setblocking(False)
        self._mouth.setblocking(False)
        self._pulse = Aside("pulse")
        self._standing = Standing()
        self._wait_seconds = min(ROUND_SECONDS, systemd.watchdog_interval_seconds(os.environ) or ROUND_SECONDS)
        self._build()

    def _build(self) -> None:
        """Build a house that is not open yet; the rounds of the one before may be held in it for ever."""
        self._house = House(self._config, self._store)
        self._house.on_failure = self._wake
        self._health = Health(self._store, self._house.clock)
        self._round = Aside("round")
        self._is_round_late = False
        self._is_open = False

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; raise `StoreError` if the journal was lost."""
        self._listen_to_signals()
        prepare_leases()
        poke_socket = PokeSocket(self._config.state_directory)
        try:
            self._live(poke_socket)
        except BaseException:
            self._last_resort.code = Exit.FAILED
            raise
        finally:
            self._last_resort.arm()
            systemd.stopping()
            self._last_resort.is_needed = bool(self._house.close())
            poke_socket.close()
            self._stop_listening()
            self.rest()

    def _live(self, poke_socket: PokeSocket) -> None:
        self._open()
        while self._serve(poke_socket):
            pass
        if self._house.failure is not None:
            raise self._house.failure

    def _wake(self) -> None:
        with suppress(OSError):  # full, or closed: then the main thread is awake
            self._mouth.send(b"!")

    def _listen_to_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note)
        signal.set_wakeup_fd(self._mouth.fileno(), warn_on_full_buffer=False)

    def rest(self) -> None:
        """Wait a moment for what goes on beside: the store is closed next."""
        for aside in (self._round, self._pulse):
            aside.wait(REST_SECONDS)

    def _stop_listening(self) -> None:
        signal.set_wakeup_fd(-1)
        self._ear.close()
        self._mouth.close()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._is_asked_to_leave():
            self._last_resort.leave(Exit.INTERRUPTED)  # asked twice: leave at once, the journal knows what is owed
        self._signals.append(number)
        if self._is_asked_to_leave():
            self._last_resort.arm()

    def _is_asked_to_leave(self) -> bool:
        return signal.SIGTERM in self._signals or signal.SIGINT in self._signals

    def _serve(self, poke_socket: PokeSocket) -> bool:
        """Wait for something to happen and see to it; False when it is time to go."""
        before_wall, before_monotonic = self._house.clock.now(), self._house.clock.monotonic()
        select.select([self._ear.fileno(), poke_socket.fileno()], [], [], self._wait_seconds)
        self._drain()
        poke_socket.mend()
        for message in poke_socket.messages():
            self._house.heed(message)
        elapsed = (self._house.clock.now() - before_wall).total_seconds()
        jump_seconds = elapsed - (self._house.clock.monotonic() - before_monotonic)
        if self._house.failure is not None or self._is_asked_to_leave():
            return False
        self._see_to_house(jump_seconds, poke_socket)
        return True

    def _see_to_house(self, jump_seconds: float, poke_socket: PokeSocket) -> None:
        if signal.SIGHUP in self._signals:
            while signal.SIGHUP in self._signals:
                self._signals.remove(signal.SIGHUP)
            self._reload()
        elif not self._is_open:
            self._open()
        if self._is_open:
            self._round.begin(partial(self._go_round, self._house, jump_seconds))
        self._pulse.begin(partial(self._beat, self._house, self._round, poke_socket.answer))

    def _drain(self) -> None:
        try:
            while self._ear.recv(64):
                pass
        except BlockingIOError:
            return

    def _open(self) -> None:
        """Open the house; where that cannot be done for now (a full disk, a locked store) the next round tries it again."""
        try:
            self._house.open()
            self._store.standing.put(VERSION_STANDING, __version__)
        except TransientError as error:
            self._house.close()
            self._build()
            put_off(error)
            self._standing.forget()
            return
        self._is_open = True
        announce(self._config)
        self._standing.tell(self._house)
        systemd.ready()

    def _go_round(self, house: House, jump_seconds: float) -> None:
        try:
            if abs(jump_seconds) > CLOCK_JUMP_SECONDS:
                house.heed_clock(jump_seconds)
            house.mend()
            self._health.look()
        except StoreError as error:
            house.fail(error)
        except ModelshelfError as error:
            log.warning("round_not_finished", reason=str(error))

    def _beat(self, house: House, current_round: Aside, answer: Callable[[], None]) -> None:
        """Tell systemd, and whoever asked, that all is alive; what the round can mend it mends first.

        A house that cannot open yet only waits: it lives, and answers nobody. A round that is held costs no heartbeat.
        """
        if not self._is_open:
            if house.store.database.is_alive():
                systemd.heartbeat()
            return
        current_round.wait(BEAT_PATIENCE_SECONDS)
        if house.is_alive():
            systemd.heartbeat()
            answer()
        self._standing.tell(house, *self._doubts_of(current_round))

    def _doubts_of(self, current_round: Aside) -> list[str]:
        """Give what a person should know of a round; the log is told once of one that is late."""
        seconds = current_round.held_seconds()
        was_late, self._is_round_late = self._is_round_late, seconds > LATE_SECONDS
        if self._is_round_late and not was_late:
            log.warning("round_held", seconds=round(seconds))
        return ["its round is held up, perhaps by a mount that does not answer"] if self._is_round_late else []

    def _load_for_this_state(self) -> Config:
        config = self._opening.load_config()
        if config.state_directory != self._config.state_directory:
            raise ConfigError("store.directory cannot change while the daemon runs; restart it")
        return config

    def _reload(self) -> None:
        """Take a new configuration: the house is closed and built anew on the same store. A broken one changes nothing."""
        systemd.reloading()
        try:
            config = self._load_for_this_state()
        except ModelshelfError as error:
            log.error("config_not_reloaded", reason=str(error))
            self._standing.remark = "the new configuration is broken and not in force"
            if self._is_open:
                self._standing.tell(self._house)
                systemd.ready()
            return
        self._standing.remark = None
        apply(self._opening, config)
        self._house.close()
        self._config = config
        self._build()
        log.info("config_reloaded", folders=sorted(self._house.places))
        self._open()


def apply(opening: Opening, config: Config) -> None:
    """Let the log go by a configuration: what it never may say, how it looks, and where it goes."""
    for secret in config.secrets:
        redact(secret)
    settings = config.log_settings()
    configure(replace(settings, level="DEBUG") if opening.is_debug else settings)


def announce(config: Config) -> None:
    """Say once at start what is watched and what the configuration asks for in vain."""
    log.info("daemon_started", version=__version__, state=str(config.state_directory))
    for warning in (*config.warnings, *doubts(config)):
        log.warning("config_questioned", reason=warning)
    for wish in config.not_done():
        log.warning("config_not_followed", reason=wish)


def put_off(error: TransientError) -> None:
    """Tell why the daemon cannot begin yet, and that it waits."""
    log.error("opening_put_off", reason=str(error), seconds=ROUND_SECONDS)
    systemd.status(f"cannot begin yet: {error}; tried again every {ROUND_SECONDS:.0f} seconds")
    systemd.extend_timeout(3 * ROUND_SECONDS)


@contextmanager
def tenure(opening: Opening) -> Iterator[Store]:
    """Open the store as the one daemon, waiting while that cannot be done for now (a full disk, a locked store)."""
    with ExitStack() as held:
        store: Store | None = None
        while store is None:
            store = _begin(held, opening)
        yield store


def _begin(held: ExitStack, opening: Opening) -> Store | None:
    try:
        with more_time():
            return held.enter_context(opening.tenure())
    except TransientError as error:
        put_off(error)
        threading.Event().wait(ROUND_SECONDS)
        return None


@click.command()
@global_options
@click.pass_obj
def run(opening: Opening) -> None:
    """Watch the folders and keep them described, until SIGTERM or Ctrl-C.

    SIGHUP reads the configuration again.
    """
    apply(opening, opening.config)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until somebody listens: what is not open yet needs no reload
    with LastResort() as last_resort, tenure(opening) as store:
        Foreground(opening, store, last_resort).run()
