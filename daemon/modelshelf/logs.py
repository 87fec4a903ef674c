"""Log set-up: events as JSON lines, console lines or native journald fields, on a stream and in a rotating file.

A log call never raises: not for a closed pipe, a full disk, a name that is not UTF-8 or a value that cannot be shown
(each was measured to come out of the log call of a plain set-up). What was given to `redact` is never written. Until
`configure` is called nothing is written at all.
"""

from __future__ import annotations

import json
import logging
import math
import os
import socket
import struct
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO, TypeVar

import structlog
from structlog.dev import ConsoleRenderer, plain_traceback

from modelshelf.domain.display import readable

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from io import TextIOWrapper

    from structlog.typing import FilteringBoundLogger

    from modelshelf.domain.jsontypes import JsonObject, JsonValue

REDACTED = "***"
MAX_TEXT_CHARACTERS = 8192
MAX_DEPTH = 4
MAX_NUMBER = 2**63
"""Beyond it numbers are written as text: JSON has no infinity, and Python refuses to print very long integers."""
MIN_SECRET_CHARACTERS = 4
JOURNAL_SOCKET = "/run/systemd/journal/socket"
JOURNAL_PATIENCE_MICROSECONDS = 20_000
"""How long a line waits for a journald that is busy; then it is lost, and the work that it tells of goes on."""
JOURNAL_HUNG_SECONDS = 30.0
"""For so long after a lost line none waits at all: a transaction is held up by every wait in it."""
SYSLOG_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}

Result = TypeVar("Result")


class LogFormat(StrEnum):
    """How events look. `auto`: journald fields where stderr is the journal, lines on a terminal, else JSON."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file of JSON lines that is rotated at `max_size_bytes`; `backup_count` older ones are kept."""

    path: Path
    level: str = "DEBUG"
    max_size_bytes: int = 10_000_000
    backup_count: int = 5


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is logged where. `is_simple` leaves time and origin out of console lines."""

    format: LogFormat = LogFormat.AUTO
    level: str = "INFO"
    is_stream_enabled: bool = True
    is_simple: bool = False
    file: LogFile | None = None


class Outlet(Protocol):
    """Somewhere that events go."""

    @property
    def level(self) -> int:
        """The least urgent level that goes there."""

    def write(self, event: JsonObject) -> None:
        """Write one event; may raise whatever its stream raises."""

    def close(self) -> None:
        """Let go of what it opened itself."""


_secrets: tuple[str, ...] = ()
_outlets: tuple[Outlet, ...] = ()


def redact(secret: str) -> None:
    """Never write this text from now on; shorter ones than four characters would blacken every word and are ignored."""
    global _secrets  # noqa: PLW0603 -- replaced as a whole, because other threads are reading it
    if len(secret) >= MIN_SECRET_CHARACTERS:
        _secrets = tuple(sorted({*_secrets, secret}, key=len, reverse=True))


def get_log(name: str) -> FilteringBoundLogger:
    """Give the log of a module; safe to call while modules are imported."""
    log: FilteringBoundLogger = structlog.get_logger(origin=name)
    return log


def configure(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Send events to `stream` (default stderr) and to the file, each from its own level on.

    Other libraries' warnings come along. A file that cannot be opened is reported on the stream, once, and tried again with
    every line: a disk that was full at the start is not full for ever.
    """
    outlets = (_stream_outlet(settings, stream or sys.stderr),) if settings.is_stream_enabled else ()
    _install(outlets)
    _follow_standard_library()
    if settings.file is not None:
        file = FileOutlet(settings.file)
        _install((*outlets, file))
        try:
            file.append("")
        except OSError as error:
            get_log(__name__).warning("log_file_refused", path=settings.file.path, reason=str(error))


def _install(outlets: tuple[Outlet, ...]) -> None:
    global _outlets  # noqa: PLW0603 -- one process has one log
    for outlet in _outlets:
        if outlet not in outlets:
            _guarded(outlet.close)
    _outlets = outlets
    lowest = min((outlet.level for outlet in outlets), default=logging.CRITICAL)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _emit],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        cache_logger_on_first_use=False,
    )


def _stream_outlet(settings: LogSettings, stream: TextIO) -> Outlet:
    level = level_number(settings.level)
    if settings.format is LogFormat.AUTO and is_journal(stream):
        return JournalOutlet(level, JOURNAL_SOCKET, spare=StreamOutlet(stream, as_json, level))
    is_terminal = bool(_guarded(lambda: stream.isatty()))  # noqa: PLW0108 -- a closed stderr is None
    if settings.format is LogFormat.CONSOLE or (settings.format is LogFormat.AUTO and is_terminal):
        return StreamOutlet(stream, _console_renderer(settings, has_colors=is_terminal), level)
    return StreamOutlet(stream, as_json, level)


def level_number(name: str) -> int:
    """Give the number of a level name; an unknown one counts as INFO."""
    return logging.getLevelNamesMapping().get(name.upper(), logging.INFO)


def is_journal(stream: TextIO) -> bool:
    """Tell whether `stream` is the very connection to journald that systemd names in ``$JOURNAL_STREAM``."""
    status = _guarded(lambda: os.fstat(stream.fileno()))
    named = os.environ.get("JOURNAL_STREAM", "")
    return status is not None and named == f"{status.st_dev}:{status.st_ino}"


def _console_renderer(settings: LogSettings, *, has_colors: bool) -> Callable[[JsonObject], str]:
    renderer = ConsoleRenderer(colors=has_colors, pad_event_to=0, exception_formatter=plain_traceback, sort_keys=False)
    left_out = {"timestamp", "logger"} if settings.is_simple else set()

    def render(event: JsonObject) -> str:
        shown: dict[str, Any] = {key: value for key, value in event.items() if key not in left_out}
        return str(renderer(None, "", shown))

    return render


def as_json(value: JsonValue) -> str:
    """Render an event, or a value of one, as one line of ASCII JSON."""
    return json.dumps(value, default=str)


class StreamOutlet:
    """Lines on a text stream; what its encoding lacks is escaped."""

    def __init__(self, stream: TextIO, render: Callable[[JsonObject], str], level: int) -> None:
        self.level = level
        self._stream = stream
        self._render = render
        self._lock = threading.RLock()

    def write(self, event: JsonObject) -> None:
        """Write one line and flush it."""
        encoding = self._stream.encoding or "utf-8"
        line = self._render(event).encode(encoding, "backslashreplace").decode(encoding)
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()

    def close(self) -> None:
        """The stream is somebody else's."""


class JournalOutlet:
    """Native journald fields (systemd.io/JOURNAL_NATIVE_PROTOCOL); what journald refuses goes to `spare`, as a line.

    What it does not take in time does not: `spare` leads to journald too, and waits without an end once it is full.
    A plain socket, because systemd-python needs a compiler to install, and its `send` answers success where no journald is.
    """

    def __init__(self, level: int, address: str, spare: Outlet) -> None:
        self.level = level
        self._spare = spare
        self._address = address
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # Not settimeout(): an unconnected socket counts as writable, and Python would try without a pause until the time is over.
        patience = struct.pack("@ll", 0, JOURNAL_PATIENCE_MICROSECONDS)
        self._channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
        self._hung_until = -math.inf

    def write(self, event: JsonObject) -> None:
        """Send one event: a readable MESSAGE, and every key as a field. The address is looked up anew for a new journald."""
        is_hung = time.monotonic() < self._hung_until
        try:
            self._channel.sendto(_journal_entry(event), socket.MSG_DONTWAIT if is_hung else 0, self._address)
        except BlockingIOError:
            if not is_hung:
                self._hung_until = time.monotonic() + JOURNAL_HUNG_SECONDS
        except OSError:
            self._spare.write(event)

    def close(self) -> None:
        """Close the socket; the spare outlet is not opened by itself."""
        self._channel.close()


def _journal_entry(event: JsonObject) -> bytes:
    facts = {
        key: value if isinstance(value, str) else as_json(value)
        for key, value in event.items()
        if key not in {"timestamp", "level", "event"}
    }
    name = str(event["event"])
    fields = {
        "MESSAGE": " ".join([name, *(f"{key}={value}" for key, value in facts.items())]),
        "PRIORITY": str(SYSLOG_PRIORITIES.get(str(event["level"]), SYSLOG_PRIORITIES["info"])),
        "SYSLOG_IDENTIFIER": "modelshelf",
        "MODELSHELF_EVENT": name,
    }
    named = {key: value for key, value in facts.items() if key.isascii() and key.isidentifier()}
    fields |= {f"MODELSHELF_{key.upper()}": value for key, value in named.items()}
    return b"".join(_journal_field(name, value.encode("utf-8", "backslashreplace")) for name, value in fields.items())


def _journal_field(name: str, value: bytes) -> bytes:
    """A value with a line feed is sent with its length before it, or it could forge a field."""
    if b"\n" in value:
        return name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
    return name.encode() + b"=" + value + b"\n"


class FileOutlet(RotatingFileHandler):
    """JSON lines in a rotating file, its owner's and group's alone; opened by `append` where it is not open.

    The rotation is the library's, without its looks at the disk for every line, which cost more than writing it.
    """

    _writing = threading.RLock()

    def __init__(self, settings: LogFile) -> None:
        super().__init__(settings.path, maxBytes=settings.max_size_bytes, backupCount=settings.backup_count, delay=True)
        self.level = level_number(settings.level)
        self.size_bytes = 0

    def write(self, event: JsonObject) -> None:
        """Append one line."""
        self.append(as_json(event) + "\n")

    def append(self, text: str) -> None:
        """Write ASCII; the file is rotated first if it would grow too large. Raises `OSError` if it cannot be written."""
        with self._writing:
            if self.stream is not None and self.size_bytes and self.size_bytes + len(text) > self.maxBytes:
                self.doRollover()
                if not self.backupCount:
                    Path(self.baseFilename).unlink()
            if self.stream is None:
                self.stream = self._open()
            self.stream.write(text)
            self.stream.flush()
            self.size_bytes += len(text)

    def _open(self) -> TextIOWrapper:
        path = Path(self.baseFilename)
        for missing in [each for each in (path.parent, *path.parent.parents) if not each.exists()][::-1]:
            missing.mkdir(mode=0o700, exist_ok=True)  # the state directory may be among them
        _end_last_line(path)
        self.size_bytes = path.stat().st_size if path.exists() else 0
        return open(path, "a", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o640))


def _end_last_line(path: Path) -> None:
    """Part what a power cut or a full disk left half written from what comes next."""
    if path.is_file() and path.stat().st_size:
        with path.open("rb+") as file:
            file.seek(-1, os.SEEK_END)
            if file.read() != b"\n":
                file.write(b"\n")


def _emit(_logger: object, method: str, event: MutableMapping[str, Any]) -> Any:
    _guarded(lambda: _write_to_all(_dressed(method, event)))
    raise structlog.DropEvent


def _write_to_all(event: JsonObject) -> None:
    level = level_number(str(event["level"]))
    for outlet in _outlets:
        if level >= outlet.level:
            _guarded(lambda to=outlet: to.write(event))  # type: ignore[misc]


def _dressed(method: str, event: MutableMapping[str, Any]) -> JsonObject:
    facts = dict(event)
    error = facts.pop("exc_info", None)
    dressed: JsonObject = {
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": "error" if method == "exception" else method,
        "logger": _plain(facts.pop("origin", "")),
        "event": _plain(facts.pop("event", "")),
    }
    dressed |= {_text(str(key)): _plain(value) for key, value in facts.items()}
    if error:
        dressed["exception"] = _traceback(error)
    return dressed


def _traceback(error: object) -> str:
    found = error if isinstance(error, BaseException) else sys.exc_info()[1]
    if found is None:
        return ""
    lines = "".join(traceback.format_exception(found)).rstrip().split("\n")
    return "\n".join(_text(line) for line in lines)


def _plain(value: object, depth: int = 0) -> JsonValue:
    if value is None or isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < MAX_NUMBER):
        return value
    if isinstance(value, bytes | os.PathLike):
        return _text(os.fsdecode(value))
    if isinstance(value, dict) and depth < MAX_DEPTH:
        return {_text(str(key)): _plain(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth < MAX_DEPTH:
        return [_plain(each, depth + 1) for each in value]
    shown = _guarded(lambda: str(value))
    return _text(shown) if shown is not None else f"<{type(value).__name__} that cannot be shown>"


def _text(text: str) -> str:
    for secret in _secrets:
        text = text.replace(secret, REDACTED)
    if len(text) > MAX_TEXT_CHARACTERS:
        text = f"{text[:MAX_TEXT_CHARACTERS]}... ({len(text)} characters)"
    return readable(text)


def _guarded(action: Callable[[], Result]) -> Result | None:
    """Do `action`, or give None: whatever a log line costs, it is never the work that it tells of."""
    try:
        return action()
    except Exception:  # noqa: BLE001 -- the log sink, one of the five
        return None


class _StandardLibrary(logging.Handler):
    """Other libraries' records, as events of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on."""
        event = {
            "event": "library_reported",
            "origin": record.name,
            "text": _guarded(record.getMessage) or record.msg,
            "exc_info": record.exc_info[1] if record.exc_info else None,
        }
        _guarded(lambda: _write_to_all(_dressed(record.levelname.lower(), event)))


def _follow_standard_library() -> None:
    root = logging.getLogger()
    for each in [each for each in root.handlers if isinstance(each, _StandardLibrary)]:
        root.removeHandler(each)
    root.addHandler(_StandardLibrary())
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


_install(())
