"""Patterns in the log file: what was complained of again and again in the last days."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from modelshelf.cli.checkup.finding import Finding, Level
from modelshelf.cli.wording import count_text, shortened, when_text
from modelshelf.domain.display import readable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from modelshelf.cli.checkup.finding import Deadline
    from modelshelf.cli.checkup.patient import Patient

PAST = timedelta(days=7)
OFTEN = 3
"""What is told: what happened so often, and what is critical even once."""

PATTERNS_SHOWN = 8
LONGEST_REASON = 160
LONGEST_LINE_BYTES = 1_000_000
MOST_FILES = 100
MOST_BYTES = 100_000_000
"""Older files than so many bytes hold are not read."""

_GRAVE = {"warning", "error", "critical"}
_VARIABLE = re.compile(r"'[^']*'|\"[^\"]*\"|\S*/\S*|\d[\d.,:]*")
_STARTED, _CLOSED = "daemon_started", "house_closed"
_ADVICE = {
    "backup_not_made": "see room and permissions of backups/ in the state directory",
    "directory_not_read": "mend the permissions; modelshelf failures names them",
    "disk_filled_up": "make room",
    "folder_went_offline": "see the disk, its cable or the server, and dmesg",
    "journal_not_written": "make room on the disk of the state; see who holds the store",
    "page_not_written": "let the daemon write beside the models (permissions, read-only mounts)",
    "preview_not_written": "let the daemon write beside the models (permissions, read-only mounts)",
    "sidecar_not_written": "let the daemon write beside the models (permissions, read-only mounts)",
    "task_given_up": "modelshelf failures, then modelshelf retry",
    "task_put_off": "modelshelf failures tells when each is tried again",
    "watch_doubted": "raise fs.inotify.max_queued_events, or set watch: poll",
}


@dataclass
class Pattern:
    """Lines of one event whose reasons differ in names and numbers alone; `reason` is that of the latest."""

    event: str
    is_critical: bool
    count: int
    last_at: datetime
    reason: str


def log(patient: Patient, deadline: Deadline) -> Iterator[Finding]:
    """Tell what the log of the last days says most often, and how often the daemon ended without saying so."""
    path = patient.log_path
    if path is None:
        yield Finding("log", Level.OK, "there is no log file to look through")
        return
    now = patient.clock.now()
    shown = readable(path)
    files = files_of(path, now - PAST)
    if not files:
        level, advice = (Level.WARNING, "see log_file_refused in the journal") if patient.pid else (Level.OK, "")
        yield Finding("log", level, f"{shown} is not there", advice)
        return
    reading = _Reading(now - PAST, now)
    for file in files:
        reading.read(file, deadline)
    told = [each for each in reading.patterns.values() if each.is_critical or each.count >= OFTEN]
    told.sort(key=lambda each: (each.is_critical, each.count), reverse=True)
    for pattern in told[:PATTERNS_SHOWN]:
        yield _told(pattern, now)
    if reading.crashes:
        times = count_text(reading.crashes, "time", "times")
        text = f"the daemon was started {times} without having ended well before"
        yield Finding("log", Level.WARNING, text, "see journalctl -u modelshelf, and dmesg for want of memory")
    if not told:
        yield Finding("log", Level.OK, f"{shown}: nothing comes again and again in {reading.lines:,} lines")


def files_of(path: Path, since: datetime) -> list[Path]:
    """Give the files that were written since, the oldest first: the log file, and the older ones as far as they are read."""
    older = [path.with_name(f"{path.name}.{number}") for number in range(1, MOST_FILES)]
    found: list[Path] = []
    size_bytes = 0
    for each in (path, *older):
        if not each.is_file() or each.stat().st_mtime < since.timestamp() or size_bytes > MOST_BYTES:
            continue
        found.append(each)
        size_bytes += each.stat().st_size
    return found[::-1]


def _told(pattern: Pattern, now: datetime) -> Finding:
    reason = f": {shortened(readable(pattern.reason), LONGEST_REASON)}" if pattern.reason else ""
    often, last = count_text(pattern.count, "time", "times"), when_text(pattern.last_at, now)
    text = f"{readable(pattern.event)} {often}, last {last}{reason}"
    advice = _ADVICE.get(pattern.event, "daemon/README.md says what it means; the log has every one of them")
    return Finding("log", Level.WARNING, text, advice)


class _Reading:
    """What was gathered from the lines since `since`, the older ones first. Foreign and cut off lines are passed over."""

    def __init__(self, since: datetime, until: datetime) -> None:
        self.patterns: dict[tuple[str, str], Pattern] = {}
        self.lines = 0
        self.crashes = 0
        self._since = since
        self._until = until
        self._is_running = False

    def read(self, path: Path, deadline: Deadline) -> None:
        """Read one file, or as much of it as there is time for."""
        with path.open("rb") as file:
            while not deadline.is_over() and (line := file.readline(LONGEST_LINE_BYTES)):
                self.lines += 1
                event = _event_of(line)
                if event is not None and self._since <= event.at <= self._until:
                    self._take(event)

    def _take(self, event: _Event) -> None:
        if event.name == _STARTED:
            self.crashes += self._is_running
            self._is_running = True
        elif event.name == _CLOSED:
            self._is_running = False
        if event.level in _GRAVE:
            key = (event.name, _VARIABLE.sub("#", event.reason))
            fresh = Pattern(event.name, event.level == "critical", 0, event.at, event.reason)
            known = self.patterns.setdefault(key, fresh)
            known.count += 1
            known.last_at, known.reason = event.at, event.reason


class _Event(NamedTuple):
    at: datetime
    name: str
    level: str
    reason: str


def _event_of(line: bytes) -> _Event | None:
    """Give what a line tells, None where that is of no interest here."""
    if b'"level": "info"' in line and _STARTED.encode() not in line and _CLOSED.encode() not in line:
        return None
    try:
        said = json.loads(line)
        at = datetime.fromisoformat(said["timestamp"])
        name, level, reason = (str(said.get(key) or "") for key in ("event", "level", "reason"))
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return None
    return _Event(at, name, level, reason) if at.tzinfo is not None else None
