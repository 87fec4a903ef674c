"""What the log says again and again."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from modelshelf.cli.checkup import log_patterns
from modelshelf.cli.checkup.finding import Level
from tests.unit.cli.checkup.clinic import NOW, bad, only

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.unit.cli.checkup.clinic import Clinic


def line(event: str, level: str = "warning", at: datetime = NOW, **facts: Any) -> str:
    """Give a line as the daemon writes it."""
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"timestamp": stamp, "level": level, "logger": "x", "event": event, **facts}) + "\n"


def write(clinic: Clinic, text: str, name: str = "modelshelf.log", at: datetime = NOW) -> Path:
    """Write a log file, as if so long ago."""
    path = clinic.shelf.state / "logs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def test_the_same_complaint_about_many_files_is_one_pattern(clinic: Clinic) -> None:
    write(
        clinic,
        "".join(
            line(
                "sidecar_not_written", at=NOW - timedelta(minutes=5 - n), reason=f"cannot write /m/{n}.json: full ({n})"
            )
            for n in range(5)
        )
        + line("preview_not_written", reason="once")
        + line("file_hashed", "info") * 50,
    )
    finding = only(clinic.examine(log_patterns.log), Level.WARNING)
    assert finding.text == (
        "sidecar_not_written 5 times, last 2026-08-08 11:59:00 (1 min ago): cannot write /m/4.json: full (4)"
    )
    assert "let the daemon write" in finding.advice


def test_reasons_that_differ_are_patterns_of_their_own_the_most_frequent_first(clinic: Clinic) -> None:
    write(clinic, line("task_put_off", reason="slow") * 3 + line("task_put_off", reason="gone") * 4)
    assert [text.split(",")[0] for text in bad(clinic.examine(log_patterns.log))] == [
        "task_put_off 4 times", "task_put_off 3 times"
    ]  # fmt: skip


def test_what_is_critical_is_told_even_once_and_first(clinic: Clinic) -> None:
    write(clinic, line("watch_doubted") * 9 + line("journal_lost", "critical", reason="bad\x1b[31m"))
    texts = bad(clinic.examine(log_patterns.log))
    assert texts[0].startswith("journal_lost 1 time, ")
    assert texts[0].endswith("bad\\x1b[31m")


def test_older_files_count_as_far_as_the_last_days_reach(clinic: Clinic) -> None:
    old = NOW - timedelta(days=8)
    write(clinic, line("task_given_up"))
    write(clinic, line("task_given_up", at=old) * 9 + line("task_given_up"), "modelshelf.log.1")
    write(clinic, line("task_given_up"), "modelshelf.log.3")
    write(clinic, line("task_given_up") * 9, "modelshelf.log.4", at=old)
    write(clinic, line("task_given_up", at=NOW + timedelta(days=1)) * 9, "modelshelf.log.5")
    assert bad(clinic.examine(log_patterns.log))[0].startswith("task_given_up 3 times")


def test_lines_that_are_none_of_ours_are_passed_over(clinic: Clinic) -> None:
    hostile = [
        "", "{", "[]", "null", '"text"', '{"timestamp": 5}', '{"timestamp": "yesterday", "event": "a"}',
        '{"timestamp": "2026-08-08T12:00:00", "level": "error", "event": "naive"}', "[" * 100_000, "\x00" * 50,
        '{"timestamp": "2026-08-08T12:00:00Z", "level": ["error"], "event": {}}',
    ]  # fmt: skip
    write(clinic, "\n".join([*hostile * 5, line("task_given_up") * 3, '{"timestamp": "2026-08-08T11']))
    assert [text.split(",")[0] for text in bad(clinic.examine(log_patterns.log))] == ["task_given_up 3 times"]


def test_a_daemon_that_ended_without_a_word_is_counted_across_files(clinic: Clinic) -> None:
    start, end = line("daemon_started", "info"), line("house_closed", "info")
    write(clinic, start + start + end, "modelshelf.log.1")
    write(clinic, start + line("file_hashed", "info"))
    assert bad(clinic.examine(log_patterns.log)) == ["the daemon was started 1 time without having ended well before"]


def test_a_quiet_log_is_well(clinic: Clinic) -> None:
    write(clinic, line("daemon_started", "info") + line("watch_doubted") * 2)
    (finding,) = clinic.examine(log_patterns.log)
    assert (finding.level, "comes again and again in 3 lines" in finding.text) == (Level.OK, True)


def test_no_log_file_is_well_unless_a_daemon_should_write_one(clinic: Clinic) -> None:
    with clinic.shelf.store():
        pass
    assert bad(clinic.examine(log_patterns.log)) == []
    with clinic.shelf.daemon():
        assert "is not there" in only(clinic.examine(log_patterns.log), Level.WARNING).text
    assert bad(clinic.examine(log_patterns.log, config=None, state_directory=None)) == []
    clinic.shelf.config.write_text(clinic.shelf.config.read_text() + "logging: {file: off}\n")
    assert [each.text for each in clinic.examine(log_patterns.log)] == ["there is no log file to look through"]


def test_without_a_configuration_the_log_lies_with_the_state(clinic: Clinic) -> None:
    write(clinic, line("task_given_up") * 3)
    assert len(bad(clinic.examine(log_patterns.log, config=None))) == 1


def test_only_so_much_is_read_and_only_so_long(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    write(clinic, line("task_given_up") * 3)
    write(clinic, line("task_given_up") * 3, "modelshelf.log.1")
    assert bad(clinic.examine(log_patterns.log, seconds=0.0)) == []
    monkeypatch.setattr(log_patterns, "MOST_BYTES", 10)
    assert bad(clinic.examine(log_patterns.log))[0].startswith("task_given_up 3 times")
