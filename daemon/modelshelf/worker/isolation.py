"""Isolation: what may have killed the daemon is read by a child process with limits, and only a child that dies proves it.

The parent sends one call down the child's standard input and gets messages back on its standard output, all of them pickled:
how far a read has come, and at last what came of it. The child opens no store.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import pickle
import resource
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from modelshelf.domain.display import readable
from modelshelf.errors import ModelshelfError, ReaderDied, ReaderLost

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY_BYTES = 4 * 1024**3
"""Address space, of which Python and its libraries take a tenth; the largest header that is read in full takes a gigabyte."""

CPU_SECONDS = 120
BYTES_PER_CPU_SECOND = 20 * 1024**2
"""A file may cost so much time, and more the larger it is: a fifth of the speed of a slow machine."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may take. `cpu_seconds` None: by the size of what the call is about. `seconds`: on the clock."""

    memory_bytes: int = MEMORY_BYTES
    cpu_seconds: int | None = None
    seconds: float | None = None


NARROW = Limits(memory_bytes=1024**3, cpu_seconds=60, seconds=300.0)
"""For what is not needed for anything else: a torch file's pickles take a fifth of a second and 30 MB."""

NICENESS = 10
CHECK_SECONDS = 0.5
"""How often the reins are asked while the child tells nothing, so that a stop never waits for it."""

FROM_OUTSIDE = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
"""Who dies of these was killed by somebody, or by the kernel for want of memory, which proves nothing against a file."""

READ_BYTES = 1024 * 1024
LAST_WORDS_BYTES = 2000
_PR_SET_PDEATHSIG = 1
_LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Call:
    """What the child is to do. With `is_progress_told` the function gets an `on_progress` that tells the parent."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    options: dict[str, Any]
    is_progress_told: bool
    cpu_seconds: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the child has read; 0 when it begins."""

    done_bytes: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What the function gave, or the error of ours that it raised."""

    value: Any = None
    error: ModelshelfError | None = None


def read_apart(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    options: dict[str, Any],
    check: Callable[[], None],
    limits: Limits = Limits(),
) -> Any:
    """Give what `function` gives, called in a child; raises what it raises.

    ReaderDied where the child began and died of it or took too long; ReaderLost where it could not begin, or was killed from
    outside.
    `check` is called all the while. What it raises, or an `on_progress` among the options, ends the child and passes through.
    The thread that calls this must live as long as the daemon: when it ends, the child is killed.
    """
    on_progress = options.get("on_progress")
    plain = {name: value for name, value in options.items() if name != "on_progress"}
    cpu_seconds = limits.cpu_seconds or allowed_seconds(*args)
    child = _start()
    try:
        _send(child.stdin, Call(function, args, plain, on_progress is not None, cpu_seconds, limits.memory_bytes))
        answer = _Listener(child, _Watchful(check, limits.seconds), on_progress).listen()
    finally:
        _end(child)
    if answer.error is not None:
        raise answer.error
    return answer.value


def _start() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()", str(os.getpid())]
    try:
        return subprocess.Popen(  # noqa: S603 -- our own module, by our own interpreter
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:
        raise ReaderLost(f"no process could be started to read it: {error}") from error


def allowed_seconds(subject: object = None, *_: object) -> int:
    """Give how much processor time a call may take: by the size of the file or the bytes that it is about."""
    size_bytes = len(subject) if isinstance(subject, bytes) else 0
    if isinstance(subject, Path):
        with suppress(OSError):
            size_bytes = subject.stat().st_size
    return CPU_SECONDS + size_bytes // BYTES_PER_CPU_SECOND


def _send(pipe: IO[bytes] | None, message: object) -> None:
    content = pickle.dumps(message)
    with suppress(BrokenPipeError):
        if pipe is not None:
            pipe.write(len(content).to_bytes(_LENGTH_BYTES) + content)
            pipe.flush()


def _end(child: subprocess.Popen[bytes]) -> None:
    """Leave no child behind, but wait for none that a dead mount holds: it ends when that answers."""
    child.kill()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
    with suppress(subprocess.TimeoutExpired):
        child.wait(CHECK_SECONDS)


class _Watchful:
    """Asks the reins, and raises ReaderDied once the time on the clock is over."""

    def __init__(self, check: Callable[[], None], seconds: float | None) -> None:
        self._check = check
        self._seconds = seconds
        self._began_at = time.monotonic()

    def __call__(self) -> None:
        self._check()
        if self._seconds is not None and time.monotonic() - self._began_at > self._seconds:
            raise ReaderDied(f"the process that read it was ended: it took more than {self._seconds:g} seconds")


class _Listener:
    """Hears a child out: what it tells, what it complains of, and how it ends."""

    def __init__(
        self, child: subprocess.Popen[bytes], check: Callable[[], None], on_progress: Callable[[int], None] | None
    ) -> None:
        self._child = child
        self._check = check
        self._on_progress = on_progress
        self._has_begun = False
        self._answer: Answer | None = None
        self._told = bytearray()
        self._complaint = b""

    def listen(self) -> Answer:
        """Give the child's answer; ReaderDied or ReaderLost where it ends without one."""
        with selectors.DefaultSelector() as ears:
            for pipe, heard in ((self._child.stdout, self._hear), (self._child.stderr, self._hear_complaint)):
                if pipe is not None:
                    ears.register(pipe, selectors.EVENT_READ, heard)
            while self._answer is None and ears.get_map():
                self._listen_once(ears)
                self._check()
        if self._answer is None:
            raise self._death()
        return self._answer

    def _listen_once(self, ears: selectors.BaseSelector) -> None:
        for key, _ in ears.select(CHECK_SECONDS):
            content = os.read(key.fd, READ_BYTES)
            key.data(content)
            if not content:
                ears.unregister(key.fileobj)

    def _hear(self, content: bytes) -> None:
        self._told += content
        while (message := self._next_message()) is not None:
            self._has_begun = True
            if isinstance(message, Answer):
                self._answer = message
            elif self._on_progress is not None and message.done_bytes:
                self._on_progress(message.done_bytes)

    def _next_message(self) -> Answer | Progress | None:
        end = _LENGTH_BYTES + int.from_bytes(self._told[:_LENGTH_BYTES])
        if len(self._told) < end:
            return None
        message: Answer | Progress = pickle.loads(self._told[_LENGTH_BYTES:end])  # noqa: S301 -- from our own child
        del self._told[:end]
        return message

    def _hear_complaint(self, content: bytes) -> None:
        self._complaint = (self._complaint + content)[-LAST_WORDS_BYTES:]

    def _death(self) -> ReaderDied | ReaderLost:
        self._child.kill()  # it has closed its ears and mouth: how it ends is settled by now
        status = self._child.wait()
        manner = f"exit status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"
        lines = [readable(line) for line in self._complaint.splitlines() if line.strip()]
        fatal = [line for line in lines if line.startswith("Fatal Python error")]
        words = [*fatal, *lines[-1:], "none"][0]
        if not self._has_begun or -status in FROM_OUTSIDE:
            return ReaderLost(f"the process that was to read it was ended: {manner}; its last words: {words}")
        return ReaderDied(f"the process that read it, and nothing else, died: {manner}; its last words: {words}")


def serve() -> None:
    """Be the child: take one call, answer it, end."""
    _bind_to(int(sys.argv[1]))
    faulthandler.enable()
    told = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _limit(resource.RLIMIT_CORE, 0)
    length = int.from_bytes(sys.stdin.buffer.read(_LENGTH_BYTES))
    call: Call = pickle.loads(sys.stdin.buffer.read(length))  # noqa: S301 -- from our own parent
    _limit(resource.RLIMIT_AS, call.memory_bytes)
    _limit(resource.RLIMIT_CPU, call.cpu_seconds, call.cpu_seconds + 1)
    _send(told, Progress(0))
    options = dict(call.options)
    if call.is_progress_told:
        options["on_progress"] = lambda done_bytes: _send(told, Progress(done_bytes))
    try:
        answer = Answer(call.function(*call.args, **options))
    except ModelshelfError as error:
        answer = Answer(error=error)
    _send(told, answer)


def _bind_to(parent: int) -> None:
    """Die with the parent and not before it at a stop, but first where memory runs out; let everybody else go first."""
    for number in FROM_OUTSIDE - {signal.SIGKILL}:
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone")
    with suppress(OSError):
        os.nice(NICENESS)
        Path("/proc/self/oom_score_adj").write_text("1000")


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    """Set a limit, or keep a lower one that is set already."""
    _, highest = resource.getrlimit(kind)
    wanted = [soft, soft if hard is None else hard]
    if highest != resource.RLIM_INFINITY:
        wanted = [min(each, highest) for each in wanted]
    resource.setrlimit(kind, (wanted[0], wanted[1]))
