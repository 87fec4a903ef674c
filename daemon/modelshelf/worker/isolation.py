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
from typing import IO, TYPE_CHECKING, Any, Self

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


WIDE = Limits()
"""For reading a file."""

NARROW = Limits(memory_bytes=1024**3, cpu_seconds=60, seconds=300.0)
"""For what is not needed for anything else: a torch file's pickles take a fifth of a second and 30 MB."""

NICENESS = 10
CHECK_SECONDS = 0.5
"""How often the reins are asked while the child tells nothing, so that a stop never waits for it."""

FROM_OUTSIDE = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
"""Who dies of these was killed by somebody, or by the kernel for want of memory, which proves nothing against a file."""

END_SECONDS = 10.0
"""A child that was killed and is not gone by then is held by a device that does not answer."""

READ_BYTES = 1024 * 1024
LAST_WORDS_BYTES = 2000
_PR_SET_PDEATHSIG = 1
_LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Call:
    """What the child is to do. With `is_progress_told` the function gets an `on_progress` that tells the parent.

    `threads`: how many it may use at most, None for as many as there are cores.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    options: dict[str, Any]
    is_progress_told: bool
    cpu_seconds: int
    memory_bytes: int
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the child has read; 0 when it begins."""

    done_bytes: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What the function gave, or the error of ours that it raised; `done_bytes` where it told how far it had come."""

    value: Any = None
    error: ModelshelfError | None = None
    done_bytes: int = 0


def read_apart(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    options: dict[str, Any],
    check: Callable[[], None],
    limits: Limits = WIDE,
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
    child = start_child(__name__)
    try:
        send(child.stdin, Call(function, args, plain, on_progress is not None, cpu_seconds, limits.memory_bytes))
        answer = _heard_out(child, _Watchful(check, limits.seconds), on_progress)
    finally:
        end_child(child)
    if answer.error is not None:
        raise answer.error
    return answer.value


def start_child(module: str) -> subprocess.Popen[bytes]:
    """Start a process that calls the `serve` of one of our modules; ReaderLost where that cannot be done."""
    command = [sys.executable, "-P", "-c", f"from {module} import serve; serve()", str(os.getpid())]
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


def send(pipe: IO[bytes] | None, message: object) -> None:
    """Tell the other side; one that has gone hears nothing, and is found to be gone where its answer is awaited."""
    content = pickle.dumps(message)
    with suppress(BrokenPipeError):
        if pipe is not None:
            pipe.write(len(content).to_bytes(_LENGTH_BYTES) + content)
            pipe.flush()


def end_child(child: subprocess.Popen[bytes]) -> None:
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


def _heard_out(
    child: subprocess.Popen[bytes], check: Callable[[], None], on_progress: Callable[[int], None] | None
) -> Answer:
    """Give the child's answer; ReaderDied or ReaderLost where it ends without one."""
    has_begun = False
    with Ears(child, LAST_WORDS_BYTES) as ears:
        while not ears.is_deaf:
            heard = ears.hear(CHECK_SECONDS)
            has_begun = has_begun or bool(heard)
            found = _first_answer(heard, on_progress)
            if found is not None:
                return found
            check()
        raise ears.death(has_begun=has_begun)


def _first_answer(heard: list[Answer | Progress], on_progress: Callable[[int], None] | None) -> Answer | None:
    for message in heard:
        if isinstance(message, Answer):
            return message
        if on_progress is not None and message.done_bytes:
            on_progress(message.done_bytes)
    return None


class Ears:
    """Hears a child: what it tells, what it complains of (the last `kept_bytes` of it), and how it ends."""

    def __init__(self, child: subprocess.Popen[bytes], kept_bytes: int) -> None:
        self.complaint = b""
        self._child = child
        self._kept_bytes = kept_bytes
        self._told = bytearray()
        self._ears = selectors.DefaultSelector()
        for pipe, hear in ((child.stdout, self._told.extend), (child.stderr, self._hear_complaint)):
            if pipe is not None:
                self._ears.register(pipe, selectors.EVENT_READ, hear)

    def __enter__(self) -> Self:
        """Listen."""
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        self.close()

    def close(self) -> None:
        """Listen no more."""
        self._ears.close()

    @property
    def is_deaf(self) -> bool:
        """Whether nothing more will come: the child has ended, or closed its mouth."""
        return not self._ears.get_map()

    def hear(self, seconds: float) -> list[Answer | Progress]:
        """Give what the child tells; waits for that at most so long."""
        for key, _ in self._ears.select(seconds):
            content = os.read(key.fd, READ_BYTES)
            key.data(content)
            if not content:
                self._ears.unregister(key.fileobj)
        messages: list[Answer | Progress] = []
        while (message := self._next_message()) is not None:
            messages.append(message)
        return messages

    def _next_message(self) -> Answer | Progress | None:
        end = _LENGTH_BYTES + int.from_bytes(self._told[:_LENGTH_BYTES])
        if len(self._told) < end:
            return None
        message: Answer | Progress = pickle.loads(self._told[_LENGTH_BYTES:end])  # noqa: S301 -- from our own child
        del self._told[:end]
        return message

    def _hear_complaint(self, content: bytes) -> None:
        self.complaint = (self.complaint + content)[-self._kept_bytes :]

    def death(self, *, has_begun: bool) -> ReaderDied | ReaderLost:
        """Give how the child ended, as the error that it is: `has_begun` tells whether it had anything in hand."""
        self._child.kill()  # it has closed its ears and mouth: how it ends is settled by now
        try:
            status = self._child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return ReaderLost("the process that was to read it does not end: what it reads does not answer")
        manner = f"exit status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"
        lines = [readable(line) for line in self.complaint[-LAST_WORDS_BYTES:].splitlines() if line.strip()]
        fatal = [line for line in lines if line.startswith("Fatal Python error")]
        words = [*fatal, *lines[-1:], "none"][0]
        if not has_begun or -status in FROM_OUTSIDE:
            return ReaderLost(f"the process that was to read it was ended: {manner}; its last words: {words}")
        return ReaderDied(f"the process that read it, and nothing else, died: {manner}; its last words: {words}")


def serve() -> None:
    """Be the child: take one call, answer it, end."""
    told = set_up()
    call = receive()
    if not isinstance(call, Call):
        return
    _limit(resource.RLIMIT_AS, call.memory_bytes)
    _limit(resource.RLIMIT_CPU, call.cpu_seconds, call.cpu_seconds + 1)
    send(told, Progress(0))
    send(told, answer(call, lambda done_bytes: send(told, Progress(done_bytes))))


def set_up() -> IO[bytes]:
    """Bind this process to its parent; gives where to tell that one. What is printed here is a complaint."""
    _bind_to(int(sys.argv[1]))
    faulthandler.enable()
    told = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _limit(resource.RLIMIT_CORE, 0)
    return told


def receive() -> object:
    """Give what the parent tells next; None where it has nothing more to tell."""
    length = int.from_bytes(sys.stdin.buffer.read(_LENGTH_BYTES))
    return pickle.loads(sys.stdin.buffer.read(length)) if length else None  # noqa: S301 -- from our own parent


def answer(call: Call, on_progress: Callable[[int], None]) -> Answer:
    """Do what was called for. What is no error of ours ends the process, and its last words tell of it."""
    options = dict(call.options)
    if call.is_progress_told:
        options["on_progress"] = on_progress
    try:
        return Answer(call.function(*call.args, **options))
    except ModelshelfError as error:
        return Answer(error=error)


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
