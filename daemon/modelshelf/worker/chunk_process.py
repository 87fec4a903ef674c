"""A chunk process: the child that reads in bulk for one worker, file after file, within limits.

It reads and opens no store. After every 4 MiB it tells how far it has come and waits until it may go on: so pausing, a rate
and a stop need no signals, and a file that is held open for hours costs no time.
"""

from __future__ import annotations

import ctypes
import platform
import resource
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

from modelshelf.errors import ReaderDied, ReaderLost
from modelshelf.formats.hashes import keep_buffers, use_threads
from modelshelf.worker.isolation import (
    CHECK_SECONDS,
    WIDE,
    Answer,
    Call,
    Ears,
    Progress,
    allowed_seconds,
    answer,
    end_child,
    receive,
    send,
    set_up,
)
from modelshelf.worker.launcher import LAUNCHER

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from modelshelf.worker.isolation import Limits
    from modelshelf.worker.outputs import Keeper

STALL_SECONDS = 120.0
"""A child that tells nothing for so long, while it may go on, hangs."""

START_SECONDS = 60.0
KEPT_OUTPUT_BYTES = 1024 * 1024
PROGRESS_BYTES = 4 * 1024 * 1024

GO_ON = True
"""What the parent acknowledges with."""

_MODULE = __name__
_IOPRIO_SET = {
    "x86_64": 251,
    "aarch64": 30,
    "riscv64": 30,
    "armv7l": 314,
    "armv6l": 314,
    "i686": 289,
    "ppc64le": 273,
    "s390x": 282,
}
_IOPRIO_WHO_PROCESS = 1
_IOPRIO_IDLE = 3 << 13


@dataclass(frozen=True, slots=True)
class _Line:
    """A child, and who hears it."""

    child: subprocess.Popen[bytes]
    ears: Ears


class ChunkProcess:
    """A Reader with one child, which begins with the first read and ends with `close`, or with a file that kills it."""

    def __init__(
        self, outputs: Keeper, stall_seconds: float = STALL_SECONDS, threads: Callable[[], int | None] = lambda: None
    ) -> None:
        """`outputs` keeps all that a child complained of before it died; `threads` tells how many it may use just now."""
        self._outputs = outputs
        self._threads = threads
        self._stall_seconds = stall_seconds
        self._line: _Line | None = None

    def open(self, check: Callable[[], None]) -> None:
        """Start a child where there is none; ReaderLost where it cannot begin."""
        self._ready(check)

    def _ready(self, check: Callable[[], None]) -> _Line:
        if self._line is not None and self._line.child.poll() is None:
            return self._line
        self.close()
        child = LAUNCHER.start(_MODULE)
        line = self._line = _Line(child, Ears(child, KEPT_OUTPUT_BYTES))
        try:
            _await_word(line.ears, check)
        except BaseException:
            self.close()
            raise
        return line

    def read(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        options: dict[str, Any],
        check: Callable[[], None],
        limits: Limits = WIDE,
    ) -> Any:
        """Give what `function` gives, called in the child; raises as a Reader does."""
        line = self._ready(check)
        on_progress = options.get("on_progress")
        plain = {name: value for name, value in options.items() if name != "on_progress"}
        cpu_seconds, threads = limits.cpu_seconds or 0, self._threads()
        call = Call(function, args, plain, on_progress is not None, cpu_seconds, limits.memory_bytes, threads)
        try:
            send(line.child.stdin, call)
            found = self._heard_out(line, check, on_progress, limits.seconds or self._stall_seconds)
        except BaseException:
            self.close()
            raise
        if found.error is not None:
            raise found.error
        return found.value

    def _heard_out(
        self, line: _Line, check: Callable[[], None], on_progress: Callable[[int], None] | None, mute_seconds: float
    ) -> Answer:
        heard_at = time.monotonic()
        while not line.ears.is_deaf:
            for message in line.ears.hear(CHECK_SECONDS):
                if on_progress is not None and message.done_bytes:
                    on_progress(message.done_bytes)
                if isinstance(message, Answer):
                    return message
                send(line.child.stdin, GO_ON)
                heard_at = time.monotonic()
            check()
            if time.monotonic() - heard_at > mute_seconds:
                mute = f"the process that read it was ended: it told nothing for {mute_seconds:g} s"
                raise self._kept(ReaderDied(mute), line.ears)
        raise self._kept(line.ears.death(has_begun=True), line.ears)

    def _kept(self, error: ReaderDied | ReaderLost, ears: Ears) -> ReaderDied | ReaderLost:
        """Name in the error where the whole output of the child is to be found."""
        path = self._outputs.keep(f"{error}\n".encode() + ears.complaint)
        return error if path is None else type(error)(f"{error}; its whole output: {path}")

    def close(self) -> None:
        """End the child."""
        if self._line is not None:
            self._line.ears.close()
            end_child(self._line.child)
            self._line = None


def _await_word(ears: Ears, check: Callable[[], None]) -> None:
    """Return when a child says that it is there; ReaderLost where it does not."""
    began_at = time.monotonic()
    while not ears.hear(CHECK_SECONDS):
        check()
        if ears.is_deaf or time.monotonic() - began_at > START_SECONDS:
            raise ears.death(has_begun=False)


def serve() -> None:
    """Be the child: say so, then take one call after another until the parent has no more."""
    told = set_up()
    _let_others_read_first()
    keep_buffers()
    send(told, Progress(0))
    while isinstance(call := receive(), Call):
        _renew_limits(call)
        if call.threads is not None:
            use_threads(call.threads)
        teller = _Teller(told)
        found = answer(call, teller.tell)
        send(told, replace(found, done_bytes=teller.done_bytes))


class _Teller:
    """Tells the parent how far a read has come, and waits until that lets it go on; never for a small rest."""

    def __init__(self, told: IO[bytes]) -> None:
        self.done_bytes = 0
        self._told = told
        self._told_bytes = 0

    def tell(self, done_bytes: int) -> None:
        self.done_bytes = done_bytes
        if done_bytes - self._told_bytes < PROGRESS_BYTES:
            return
        self._told_bytes = done_bytes
        send(self._told, Progress(done_bytes))
        if receive() is not GO_ON:
            sys.exit("the parent is gone")


def _renew_limits(call: Call) -> None:
    """Give each file the time that it may cost; soft limits, for the hard ones could never be raised again."""
    _, highest = resource.getrlimit(resource.RLIMIT_AS)
    is_free = highest == resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_AS, (call.memory_bytes if is_free else min(call.memory_bytes, highest), highest))
    seconds = int(time.process_time()) + 1 + (call.cpu_seconds or allowed_seconds(*call.args))
    _, highest = resource.getrlimit(resource.RLIMIT_CPU)
    is_free = highest == resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_CPU, (seconds if is_free else min(seconds, highest), highest))


def _let_others_read_first() -> None:
    """Read where nobody else does: I/O class idle, where the disk's scheduler heeds it. The C library has no name for it."""
    number = _IOPRIO_SET.get(platform.machine())
    if number is not None:
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).syscall(number, _IOPRIO_WHO_PROCESS, 0, _IOPRIO_IDLE)
