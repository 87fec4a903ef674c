"""What is done beside the main thread, so that it always answers signals: rounds, heartbeats, slow starts, the last resort."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Self

from modelshelf import systemd
from modelshelf.cli.exits import Exit
from modelshelf.logs import get_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = get_log(__name__)

LEAVE_SECONDS = 9.0
"""How long a stop may take in all; a person, and most service managers, wait ten."""

ASK_AGAIN_SECONDS = 15.0


class Aside:
    """Does something in a thread of its own, never twice at once: while it is held, by a dead mount say, it is left alone."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None
        self._began_at: float | None = None
        self._next: Callable[[], None] | None = None
        self._lock = threading.Lock()

    def begin(self, action: Callable[[], None]) -> None:
        """Begin `action`, or have it follow the one that still goes on; of several that wait the last is done."""
        with self._lock:
            self._next = action
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work_off, name=self._name, daemon=True)
                self._thread.start()

    def wait(self, seconds: float) -> None:
        """Return when nothing goes on, or after so long."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def held_seconds(self) -> float:
        """Tell for how long what goes on now has done so; 0 where nothing does."""
        began_at = self._began_at
        return 0.0 if began_at is None else time.monotonic() - began_at

    def _work_off(self) -> None:
        while (action := self._take()) is not None:
            self._began_at = time.monotonic()
            try:
                action()
            except Exception:  # what `main` is to its own thread: of the five, that one
                log.exception("aside_stumbled", at=self._name)
            self._began_at = None

    def _take(self) -> Callable[[], None] | None:
        with self._lock:
            action, self._next = self._next, None
            if action is None:
                self._thread = None
            return action


class LastResort:
    """Ends the process where a stop takes too long, whatever is stuck. What is owed stands in the journal.

    `arm` may be called by a signal handler, hence the thread that waits from the start: one that starts a thread while the
    main thread does so is stuck itself. As a context it ends the process where `is_needed` when the block ends, with
    `code`; after an error a little later, when that is shown.
    """

    def __init__(self, seconds: float = LEAVE_SECONDS, leave: Callable[[int], object] = os._exit) -> None:
        self.code = Exit.GOOD
        self.is_needed = False
        self._seconds = seconds
        self._leave = leave
        self._alarm: SimpleQueue[None] = SimpleQueue()
        self._is_over = threading.Event()
        threading.Thread(target=self._guard, name="last-resort", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if not self.is_needed:
            self.disarm()
        elif error is None:
            self.leave(self.code)

    def arm(self) -> None:
        """Let the time run: unless it is disarmed by then the process ends."""
        self._alarm.put(None)

    def disarm(self) -> None:
        """Rest for good: nothing was stuck."""
        self._is_over.set()
        self._alarm.put(None)

    def leave(self, code: int) -> None:
        """End the process now; every line of the log is flushed as it is written."""
        self._leave(code)

    def _guard(self) -> None:
        self._alarm.get()
        if not self._is_over.wait(self._seconds):
            self._leave(self.code)


@contextmanager
def more_time() -> Iterator[None]:
    """Ask systemd for more time, again and again, while the block goes on: SQLite, while it checks, calls nobody back."""
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.wait(ASK_AGAIN_SECONDS):
            systemd.extend_timeout(3 * ASK_AGAIN_SECONDS)

    asking = threading.Thread(target=ask, name="more-time", daemon=True)
    asking.start()
    try:
        yield
    finally:
        is_over.set()
        asking.join()
