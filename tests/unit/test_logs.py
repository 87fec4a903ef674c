"""Logging: how events look, that secrets stay out of them, and that no log call ever raises."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import select
import socket
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from modelshelf import logs
from modelshelf.domain.task import Priority
from modelshelf.logs import LogFile, LogFormat, LogSettings, configure, get_log, redact

if TYPE_CHECKING:
    from collections.abc import Iterator

AS_JSON = LogSettings(format=LogFormat.JSON, level="DEBUG")


@pytest.fixture(autouse=True)
def _own_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave structlog, the standard library and the known secrets as they were."""
    monkeypatch.setattr(logs, "_secrets", ())
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    logs._install(())
    structlog.configure(**before)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    """A stream that refuses every write with this error."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, _text: str) -> int:
        raise self.error


class Unshowable:
    """A value whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def logged(**facts: Any) -> dict[str, Any]:
    """Give the one event that logging these facts as JSON writes."""
    stream = io.StringIO()
    configure(AS_JSON, stream)
    get_log("room").info("file_hashed", **facts)
    (event,) = written(stream)
    return event


def test_an_event_is_a_line_of_json() -> None:
    event = logged(path="a.safetensors", seconds=1.5, is_new=True, size_bytes=7, nothing=None)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "level": "info", "logger": "room", "event": "file_hashed",
        "path": "a.safetensors", "seconds": 1.5, "is_new": True, "size_bytes": 7, "nothing": None,
    }  # fmt: skip


def test_json_is_ascii() -> None:
    stream = io.StringIO()
    configure(AS_JSON, stream)
    get_log("room").info("file_hashed", path="gr\xfc\xdfe\N{SNOWMAN}")
    assert stream.getvalue().isascii()
    assert written(stream)[0]["path"] == "gr\xfc\xdfe\N{SNOWMAN}"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"caf\xe9", "caf\\xe9"),
        ("caf\udce9", "caf\\xe9"),
        ("\ud800", "\\ud800"),
        (Path(os.fsdecode(b"/srv/caf\xe9")), "/srv/caf\\xe9"),
        ("two\nlines\x1b[31m", "two\\nlines\\x1b[31m"),
        (Unshowable(), "<Unshowable that cannot be shown>"),
        ({"a": (1, {b"b"})}, {"a": [1, ["b"]]}),
        ({1: Path("x")}, {"1": "x"}),
        ([[[[["deep"]]]]], [[[["['deep']"]]]]),
        (ValueError("bad\nthing"), "bad\\nthing"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (10**30, str(10**30)),
        pytest.param(10**5000, "<int that cannot be shown>", id="a huge number"),
        (Priority.DROP, 30),
        ("x" * 9000, "x" * 8192 + "... (9000 characters)"),
    ],
)
def test_any_value_can_be_shown(value: object, shown: object) -> None:
    assert logged(value=value)["value"] == shown


def test_a_key_can_hold_anything_too() -> None:
    assert logged(**{"caf\udce9\n": 1})["caf\\xe9\\n"] == 1


def test_what_is_bound_to_the_work_comes_along() -> None:
    stream = io.StringIO()
    configure(AS_JSON, stream)
    with structlog.contextvars.bound_contextvars(task=7):
        get_log("room").bind(folder="lora").warning("file_lost")
    event = written(stream)[0]
    assert (event["task"], event["folder"], event["level"]) == (7, "lora", "warning")


def test_an_exception_comes_with_its_traceback() -> None:
    stream = io.StringIO()
    configure(AS_JSON, stream)
    try:
        raise ValueError("bad \x1b[31m thing")  # noqa: TRY301
    except ValueError:
        get_log("room").exception("step_failed")
    event = written(stream)[0]
    assert event["level"] == "error"
    assert event["exception"].startswith("Traceback (most recent call last):\n")
    assert event["exception"].endswith("ValueError: bad \\x1b[31m thing")


def test_an_exception_may_be_handed_in() -> None:
    assert logged(exc_info=ValueError("bad"))["exception"] == "ValueError: bad"


def test_without_an_exception_there_is_no_traceback() -> None:
    assert logged(exc_info=True)["exception"] == ""
    assert "exception" not in logged(exc_info=False)


def test_events_below_the_level_are_not_written() -> None:
    stream = io.StringIO()
    configure(LogSettings(format=LogFormat.JSON, level="warning"), stream)
    get_log("room").info("file_hashed")
    get_log("room").warning("file_lost")
    assert [event["event"] for event in written(stream)] == ["file_lost"]


def test_an_unknown_level_counts_as_info() -> None:
    assert logs.level_number("LOUD") == logging.INFO


@pytest.mark.parametrize(
    "value",
    [
        "key s3cret!key here",
        b"s3cret!key",
        Path("/srv/s3cret!key"),
        {"s3cret!key": ["s3cret!key"]},
        ValueError("s3cret!key"),
    ],
)
def test_a_secret_is_never_written(value: object) -> None:
    redact("s3cret!key")
    assert "s3cret" not in json.dumps(logged(value=value))


def test_a_secret_is_not_in_a_traceback_either() -> None:
    redact("s3cret!key")
    assert logged(exc_info=ValueError("s3cret!key"))["exception"] == "ValueError: ***"


def test_a_secret_that_json_would_escape_is_not_written() -> None:
    redact('s3"cret\\\xfc')
    assert logged(value='a s3"cret\\\xfc b')["value"] == "a *** b"


def test_a_secret_inside_another_leaves_no_rest() -> None:
    redact("secret")
    redact("secret-and-more")
    assert logged(value="secret-and-more")["value"] == "***"


def test_a_secret_that_would_blacken_everything_is_ignored() -> None:
    redact("")
    redact("abc")
    assert logged(value="abc")["value"] == "abc"


def test_a_terminal_gets_lines() -> None:
    stream = Terminal()
    configure(LogSettings(), stream)
    get_log("room").info("file_hashed", path="a b\nc")
    (line,) = stream.getvalue().splitlines()
    assert "file_hashed" in line
    assert "\x1b[" in line


def test_no_terminal_gets_json() -> None:
    stream = io.StringIO()
    configure(LogSettings(), stream)
    get_log("room").info("file_hashed")
    assert written(stream)[0]["event"] == "file_hashed"


def test_console_lines_without_a_terminal_have_no_colours() -> None:
    stream = io.StringIO()
    configure(LogSettings(format=LogFormat.CONSOLE), stream)
    get_log("room").info("file_hashed", path="a.pt", exc_info=ValueError("bad"))
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("[info     ] file_hashed [room] path=a.pt")
    assert rest == ["ValueError: bad"]


def test_simple_lines_leave_time_and_origin_out() -> None:
    stream = io.StringIO()
    configure(LogSettings(format=LogFormat.CONSOLE, is_simple=True), stream)
    get_log("room").info("file_hashed", path="a.pt")
    assert stream.getvalue() == "[info     ] file_hashed path=a.pt\n"


def test_what_a_streams_encoding_lacks_is_escaped() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    configure(LogSettings(format=LogFormat.CONSOLE, is_simple=True), stream)
    get_log("room").info("file_hashed", path="gr\xfcn")
    assert raw.getvalue() == b"[info     ] file_hashed path=gr\\xfcn\n"


@pytest.mark.parametrize(
    "error",
    [BrokenPipeError(errno.EPIPE, "gone"), OSError(errno.ENOSPC, "full"), ValueError("I/O operation on closed file")],
)
def test_a_stream_that_refuses_is_no_error(error: Exception) -> None:
    configure(AS_JSON, Broken(error))
    get_log("room").info("file_hashed")


def test_a_closed_stream_is_no_error() -> None:
    stream = io.StringIO()
    configure(AS_JSON, stream)
    stream.close()
    get_log("room").info("file_hashed")
    configure(LogSettings(), stream)
    get_log("room").info("file_hashed")


def test_a_process_without_stderr_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    configure(LogSettings())
    get_log("room").info("file_hashed")


def test_one_outlet_that_fails_does_not_hold_the_other(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "log")
    configure(LogSettings(format=LogFormat.JSON, file=file), Broken(BrokenPipeError()))
    get_log("room").info("file_hashed")
    assert json.loads(file.path.read_text())["event"] == "file_hashed"


def test_before_it_is_configured_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs._install(())
    get_log("room").critical("journal_lost")
    assert capsys.readouterr() == ("", "")


def test_a_file_has_a_level_of_its_own(tmp_path: Path) -> None:
    stream, file = io.StringIO(), LogFile(tmp_path / "deep" / "log", level="DEBUG")
    configure(LogSettings(format=LogFormat.JSON, level="WARNING", file=file), stream)
    get_log("room").debug("file_looked_at")
    get_log("room").warning("file_lost")
    assert [json.loads(line)["event"] for line in file.path.read_text().splitlines()] == ["file_looked_at", "file_lost"]
    assert [event["event"] for event in written(stream)] == ["file_lost"]


def test_a_file_alone_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = LogFile(tmp_path / "log", level="INFO")
    configure(LogSettings(is_stream_enabled=False, file=file))
    get_log("room").info("file_hashed")
    assert "file_hashed" in file.path.read_text()
    assert capsys.readouterr() == ("", "")


def test_directories_that_are_made_for_a_file_are_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        configure(LogSettings(is_stream_enabled=False, file=LogFile(tmp_path / "state" / "logs" / "log")))
    finally:
        os.umask(before)
    made = (tmp_path / "state", tmp_path / "state" / "logs", tmp_path / "state" / "logs" / "log")
    assert [path.stat().st_mode & 0o777 for path in made] == [0o700, 0o700, 0o640]


def test_a_file_is_rotated(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "log", max_size_bytes=400, backup_count=2)
    configure(LogSettings(is_stream_enabled=False, file=file))
    for number in range(20):
        get_log("room").info("file_hashed", number=number)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    assert all(path.stat().st_size <= 400 for path in tmp_path.iterdir())


def test_a_file_of_which_no_older_one_is_kept_begins_anew(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "log", max_size_bytes=400, backup_count=0)
    configure(LogSettings(is_stream_enabled=False, file=file))
    for number in range(20):
        get_log("room").info("file_hashed", number=number)
    assert os.listdir(tmp_path) == ["log"]
    assert file.path.stat().st_size <= 400
    assert json.loads(file.path.read_text().splitlines()[-1])["number"] == 19


def test_a_file_is_gone_on_with_after_a_restart(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "log")
    for number in range(3):
        configure(LogSettings(is_stream_enabled=False, file=file))
        get_log("room").info("daemon_started", number=number)
    assert [json.loads(line)["number"] for line in file.path.read_text().splitlines()] == [0, 1, 2]


@pytest.mark.parametrize("kept", [b"", b'{"whole": 1}\n', b'{"whole": 1}\n{"cut o'])
def test_a_line_that_a_power_cut_left_half_written_spoils_no_other(tmp_path: Path, kept: bytes) -> None:
    file = LogFile(tmp_path / "log")
    file.path.write_bytes(kept)
    configure(LogSettings(is_stream_enabled=False, file=file))
    get_log("room").info("daemon_started")
    before, last = file.path.read_bytes()[: len(kept)], file.path.read_bytes().splitlines()[-1]
    assert before == kept
    assert json.loads(last)["event"] == "daemon_started"


def test_a_kill_in_the_middle_of_a_rotation_costs_no_line(tmp_path: Path) -> None:
    """It leaves a gap: the file itself, or one of the older ones, has moved on already."""
    file = LogFile(tmp_path / "log", max_size_bytes=400, backup_count=3)
    for number in (1, 3):
        (tmp_path / f"log.{number}").write_text(f'{{"older": {number}}}\n')
    configure(LogSettings(is_stream_enabled=False, file=file))
    for number in range(4):
        get_log("room").info("file_hashed", number=number)
    kept = [path.read_text() for path in sorted(tmp_path.iterdir(), reverse=True)]
    assert [json.loads(line).get("number") for text in kept for line in text.splitlines()] == [None, None, 0, 1, 2, 3]


def test_a_file_whose_disk_was_full_at_the_start_is_written_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, stream = LogFile(tmp_path / "logs" / "log"), io.StringIO()
    with monkeypatch.context() as full:

        def refuse(*_arguments: object, **_options: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        full.setattr("pathlib.Path.mkdir", refuse)
        configure(LogSettings(format=LogFormat.JSON, file=file), stream)
        get_log("room").info("file_lost")
    get_log("room").info("file_hashed")
    assert [event["event"] for event in written(stream)] == ["log_file_refused", "file_lost", "file_hashed"]
    assert [json.loads(line)["event"] for line in file.path.read_text().splitlines()] == ["file_hashed"]


def test_a_file_that_cannot_be_opened_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    stream = io.StringIO()
    configure(LogSettings(format=LogFormat.JSON, file=LogFile(tmp_path / "log")), stream)
    get_log("room").info("file_hashed")
    assert [event["event"] for event in written(stream)] == ["log_file_refused", "file_hashed"]


def test_a_file_whose_disk_is_full_stays_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log").symlink_to("/dev/full")
    configure(LogSettings(is_stream_enabled=False, file=LogFile(tmp_path / "log")))
    for _ in range(100):
        get_log("room").info("file_hashed")
    assert capsys.readouterr() == ("", "")


def test_other_libraries_warnings_come_along() -> None:
    stream = io.StringIO()
    configure(AS_JSON, stream)
    redact("s3cret!key")
    logging.getLogger("urllib3").info("not this")
    logging.getLogger("urllib3").warning("retrying %s", "/x?token=s3cret!key")
    logging.getLogger("apscheduler").error("job failed", exc_info=ValueError("bad"))
    first, second = written(stream)
    assert (first["event"], first["logger"], first["text"]) == ("library_reported", "urllib3", "retrying /x?token=***")
    assert (second["level"], second["text"]) == ("error", "job failed")
    assert second["exception"].endswith("ValueError: bad")


def test_a_librarys_own_mistake_is_shown_as_it_is() -> None:
    stream = io.StringIO()
    configure(AS_JSON, stream)
    mistaken = logging.LogRecord("apscheduler", logging.WARNING, "", 0, "job %d failed", ("x",), None)
    logs._StandardLibrary().emit(mistaken)
    assert written(stream)[0]["text"] == "job %d failed"


def test_configuring_twice_writes_once() -> None:
    stream = io.StringIO()
    configure(AS_JSON, io.StringIO())
    configure(AS_JSON, stream)
    logging.getLogger("urllib3").warning("retrying")
    assert len(written(stream)) == 1


def test_pythons_own_warnings_come_along() -> None:
    stream = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure(AS_JSON, stream)
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert "old ways" in written(stream)[0]["text"]


class Journal:
    """journald's socket, and what it is sent."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(5)

    def entry(self) -> dict[str, str]:
        """Give the next entry as journald reads it: a line per field, or a length and so many bytes."""
        stream, fields = io.BytesIO(self._socket.recv(1 << 20)), {}
        while line := stream.readline():
            name, equals, value = line.rstrip(b"\n").partition(b"=")
            if not equals:
                value = stream.read(int.from_bytes(stream.read(8), "little"))
                assert stream.read(1) == b"\n"
            fields[name.decode()] = value.decode()
        return fields

    def is_empty(self) -> bool:
        """Tell whether nothing waits."""
        return not select.select([self._socket], [], [], 0)[0]

    def end(self) -> None:
        """Go away, as journald does when it is stopped."""
        self._socket.close()
        self.path.unlink()


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal")
    monkeypatch.setattr(logs, "JOURNAL_SOCKET", str(made.path))
    yield made
    made._socket.close()


@pytest.fixture
def stderr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.TextIOWrapper]:
    """Give a stream that JOURNAL_STREAM names."""
    with (tmp_path / "stderr").open("w", encoding="utf-8") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        yield stream


def test_the_journal_gets_fields(journal: Journal, stderr: io.TextIOWrapper) -> None:
    configure(LogSettings(), stderr)
    get_log("room").warning("file_lost", path=b"caf\xe9", attempts=2, known=[True], **{"odd key": 1, "gr\xfcn": 2})
    assert journal.entry() == {
        "MESSAGE": "file_lost logger=room path=caf\\xe9 attempts=2 known=[true] odd key=1 gr\xfcn=2",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "modelshelf",
        "MODELSHELF_EVENT": "file_lost",
        "MODELSHELF_LOGGER": "room",
        "MODELSHELF_PATH": "caf\\xe9",
        "MODELSHELF_ATTEMPTS": "2",
        "MODELSHELF_KNOWN": "[true]",
    }


def test_a_traceback_in_the_journal_forges_no_field(journal: Journal, stderr: io.TextIOWrapper) -> None:
    configure(LogSettings(), stderr)
    get_log("room").error("step_failed", exc_info=ValueError("bad\nMODELSHELF_PATH=forged"))
    entry = journal.entry()
    assert entry["MODELSHELF_EXCEPTION"] == "ValueError: bad\nMODELSHELF_PATH=forged"
    assert "MODELSHELF_PATH" not in entry


def test_without_journald_its_stream_gets_json(journal: Journal, stderr: io.TextIOWrapper, tmp_path: Path) -> None:
    configure(LogSettings(), stderr)
    journal.end()
    get_log("room").info("file_hashed")
    assert json.loads((tmp_path / "stderr").read_text())["event"] == "file_hashed"


def test_a_journald_that_comes_again_gets_fields_again(journal: Journal, stderr: io.TextIOWrapper) -> None:
    configure(LogSettings(), stderr)
    journal.end()
    get_log("room").info("file_hashed")
    again = Journal(journal.path)
    get_log("room").info("file_inspected")
    assert again.entry()["MODELSHELF_EVENT"] == "file_inspected"
    again.end()


def fill(journal: Journal) -> int:
    """Log more than a journald that hangs has room for; gives how much waits in its line."""
    for _ in range(int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text()) + 20):
        get_log("room").info("file_hashed")
    return drain(journal)


def drain(journal: Journal) -> int:
    count = 0
    while not journal.is_empty():
        assert journal.entry()["MODELSHELF_EVENT"] == "file_hashed"
        count += 1
    return count


def test_a_journald_that_hangs_costs_lines_and_not_the_work(
    journal: Journal, stderr: io.TextIOWrapper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "JOURNAL_PATIENCE_MICROSECONDS", 500_000)
    configure(LogSettings(), stderr)
    began = time.monotonic()
    in_line = fill(journal)
    assert in_line < int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text()) + 20
    assert 0.4 < time.monotonic() - began < 5
    assert (tmp_path / "stderr").read_text() == ""
    get_log("room").info("file_hashed")
    assert drain(journal) == 1


def test_a_journald_that_hung_is_given_time_again_later(
    journal: Journal, stderr: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(LogSettings(), stderr)
    fill(journal)
    (outlet,) = logs._outlets
    assert isinstance(outlet, logs.JournalOutlet)
    assert 0 < outlet._hung_until - time.monotonic() < logs.JOURNAL_HUNG_SECONDS
    outlet._hung_until = before = time.monotonic()
    fill(journal)
    assert outlet._hung_until > before + logs.JOURNAL_HUNG_SECONDS


def test_what_is_too_long_for_the_journal_is_a_line_of_json(
    journal: Journal, stderr: io.TextIOWrapper, tmp_path: Path
) -> None:
    configure(LogSettings(), stderr)
    get_log("room").info("folder_scanned", names=["x" * 8000] * 100)
    assert journal.is_empty()
    assert json.loads((tmp_path / "stderr").read_text())["event"] == "folder_scanned"


def test_a_stream_that_is_not_the_journal_gets_json(journal: Journal, stderr: io.TextIOWrapper) -> None:
    stream = io.StringIO()
    configure(LogSettings(), stream)
    get_log("room").info("file_hashed")
    assert journal.is_empty()
    assert written(stream)[0]["event"] == "file_hashed"
    assert not logs.is_journal(stream)
    assert logs.is_journal(stderr)


def test_json_in_the_journal_is_possible_too(journal: Journal, stderr: io.TextIOWrapper, tmp_path: Path) -> None:
    configure(AS_JSON, stderr)
    get_log("room").info("file_hashed")
    assert journal.is_empty()
    assert json.loads((tmp_path / "stderr").read_text())["event"] == "file_hashed"
