"""The meter and the words for progress: on a terminal, on a pipe, in `status`."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from modelshelf.cli.backlog import Backlog
from modelshelf.cli.meter import LINE_SECONDS, Meter, phase_text
from modelshelf.cli.progress_text import device_text, file_text, left_text, progress_json, reading_text, tally_json
from modelshelf.domain.progress import DeviceProgress, FileInHand, Forecast, Phase, Progress, Tally

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
GIB = 1024**3
FILE = FileInHand(7, "loras", "big.safetensors", 4 * GIB, GIB, time_left=timedelta(minutes=2))
DISK = DeviceProgress("8:1", 10 * GIB, GIB, 172 * 1024**2, NOW, (FILE,))
TALLY = Tally(3112, 41 * GIB, 9488, 107 * GIB)
READING = Progress(NOW, Phase.READING, TALLY, devices=(DISK,))
HELD = {"loras": "outside its window until Thu 01:00"}


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (Backlog(1, 0, 0, 0, 0), "Looking through folders"),
        (Backlog(1, 2, 2048, 0, 0), "Looking through folders; 2 files to read, 2.0 KiB"),
        (Backlog(0, 1, 10, 5, 5), "1 file to read, 10 B"),
        (Backlog(0, 0, 0, 1, 5), "Asking Civitai: 1 question"),
        (Backlog(0, 0, 0, 0, 5), "Writing: 5 sidecars and pages"),
    ],
)
def test_what_is_being_done_is_told(left: Backlog, text: str) -> None:
    assert phase_text(left) == text


def test_a_walk_is_told_by_a_count_and_never_by_a_share() -> None:
    walking = Progress(NOW, Phase.WALKING, Tally(), seen_files=412_000)
    assert phase_text(Backlog(1, 0, 0, 0, 0), walking, NOW) == "Looking through folders: 412,000 files seen"


def test_reading_is_told_with_rate_time_left_and_the_file_in_hand() -> None:
    progress = replace(READING, forecast=Forecast(NOW + timedelta(hours=3)), questions=1200)
    assert phase_text(Backlog(0, 5, 11 * GIB, 0, 0), progress, NOW) == (
        "5 files to read, 10.0 GiB; 172.0 MiB/s; about 3 h left; 1,200 questions to Civitai; "
        "loras: big.safetensors, 1.0 GiB of 4.0 GiB, 2 min left"
    )


def test_a_standstill_is_told_with_its_beginning() -> None:
    later = NOW + timedelta(minutes=5)
    assert "STALLED since " in phase_text(Backlog(0, 5, 10, 0, 0), READING, later)
    assert "STALLED" not in phase_text(Backlog(0, 5, 10, 0, 0), READING, NOW)
    assert device_text(DISK, later).startswith("172.0 MiB/s; STALLED since ")


@pytest.mark.parametrize(
    ("forecast", "text"),
    [
        (None, None),
        (Forecast(NOW + timedelta(hours=5, minutes=9)), "about 5 h left"),
        (Forecast(NOW), "about 1 s left"),
        (Forecast(NOW + timedelta(days=3), 3), "about 3 nights left"),
        (Forecast(None, 29), "more than a month left"),
    ],
)
def test_the_time_left_is_told_by_hours_or_nights(forecast: Forecast | None, text: str | None) -> None:
    assert left_text(replace(READING, forecast=forecast), NOW) == text


def test_the_whole_is_told_in_one_sentence() -> None:
    paused = replace(READING, phase=Phase.PAUSED, devices=(), held=HELD, forecast=Forecast(NOW + timedelta(days=2), 3))
    assert reading_text(TALLY, paused, NOW) == (
        "Deep scan: 3,112 of 12,600 models, 41.0 GiB of 148.0 GiB, about 3 nights left; "
        "paused: outside its window until Thu 01:00"
    )
    assert reading_text(TALLY, READING, NOW) == "Deep scan: 3,112 of 12,600 models, 42.0 GiB of 148.0 GiB"
    assert reading_text(TALLY, replace(READING, held=HELD), NOW) == (
        "Deep scan: 3,112 of 12,600 models, 42.0 GiB of 148.0 GiB; loras waits: outside its window until Thu 01:00"
    )


def test_what_is_owed_while_nobody_is_at_work_waits_for_the_daemon() -> None:
    told = "Deep scan: 3,112 of 12,600 models, 41.0 GiB of 148.0 GiB; waits for the daemon"
    assert reading_text(TALLY, None, NOW, "waits for the daemon") == told


def test_where_all_is_read_there_is_nothing_to_tell_but_that_it_is_verified() -> None:
    assert reading_text(Tally(5, 5), None, NOW) is None
    assert reading_text(Tally(5, 5), replace(READING, phase=Phase.VERIFYING), NOW) == "Verifying"


def test_a_walk_is_told_before_what_is_read_meanwhile() -> None:
    walking = replace(READING, phase=Phase.WALKING, seen_files=412_000, walk_moved_at=NOW)
    assert reading_text(Tally(), replace(walking, devices=()), NOW) == "Looking through folders: 412,000 files seen"
    told = reading_text(TALLY, walking, NOW + timedelta(seconds=61))
    assert told is not None
    assert told.startswith("Looking through folders: 412,000 files seen; Deep scan: 3,112 of 12,600 models, 42.0 GiB")
    assert "; stalled since " in told


def test_a_standstill_of_another_day_is_told_with_the_day() -> None:
    told = reading_text(TALLY, READING, NOW + timedelta(days=2))
    assert told is not None
    assert "; stalled since 2026-03-0" in told


def test_a_file_that_takes_absurdly_long_is_told_no_time() -> None:
    assert file_text(replace(FILE, time_left=timedelta(days=31))) == "loras: big.safetensors, 1.0 GiB of 4.0 GiB"
    assert device_text(replace(DISK, bytes_per_second=None, files=()), NOW) == "rate unknown"


def test_scripts_get_every_number_and_no_invented_one() -> None:
    document = progress_json(replace(READING, forecast=Forecast(None), held=HELD), NOW)
    assert document is not None
    assert document["phase"] == "reading"
    assert (document["is_beyond_a_month"], document["finish_at"], document["held"]) == (True, None, HELD)
    assert document["devices"] == [
        {
            "device": "8:1",
            "owed_bytes": 10 * GIB,
            "bytes_per_second": 172 * 1024**2,
            "stalled_since": None,
            "files": [
                {
                    "file_id": 7,
                    "folder": "loras",
                    "path": "big.safetensors",
                    "size_bytes": 4 * GIB,
                    "done_bytes": GIB,
                    "is_verified": False,
                    "seconds_left": 120,
                }
            ],
        }
    ]
    idle = progress_json(
        replace(READING, devices=(replace(DISK, bytes_per_second=None, files=(replace(FILE, time_left=None),)),)), NOW
    )
    assert idle is not None
    assert (idle["stretches"], idle["finish_at"], idle["is_beyond_a_month"]) == (None, None, False)
    assert progress_json(None, NOW) is None
    assert tally_json(Tally(1, 2, 3, 4)) == {"read_files": 1, "read_bytes": 2, "owed_files": 3, "owed_bytes": 4}


def open_terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Let stderr be a terminal from here on: pytest gives it back before a test begins."""
    made = io.StringIO()
    monkeypatch.setattr(made, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", made)
    return made


def test_a_meter_measures_bytes_while_files_are_read_and_then_pieces_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    meter = Meter(is_shown=True)
    assert meter._bars is not None
    (bar,) = meter._bars.tasks
    with meter:
        meter.show(Backlog(1, 2, 1000, 0, 0))
        assert bar.total is None
        meter.show(Backlog(0, 2, 1000, 0, 0))
        meter.show(Backlog(0, 1, 400, 0, 1))
        assert [bar.completed, bar.total] == [600, 1000]
        meter.show(Backlog(0, 0, 0, 3, 1))
        assert [bar.completed, bar.total] == [0, 4]
        meter.show(Backlog(0, 0, 0, 0, 5))
        assert [bar.completed, bar.total] == [0, 5]
    assert "Writing: 5 sidecars and pages" in terminal.getvalue()


def test_a_bar_moves_within_a_large_file_too(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    meter = Meter(is_shown=True)
    assert meter._bars is not None
    (bar,) = meter._bars.tasks
    with meter:
        meter.show(Backlog(0, 1, 4 * GIB, 0, 0))
        meter.show(Backlog(0, 1, 4 * GIB, 0, 0), READING)
    assert [bar.completed, bar.total] == [GIB, 4 * GIB]
    assert terminal.getvalue()


def test_where_there_is_no_terminal_a_line_is_said_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = iter([0.0, 1.0, LINE_SECONDS, LINE_SECONDS + 1, 2 * LINE_SECONDS])
    with Meter(is_shown=True, seconds=lambda: next(seconds)) as meter:
        for files in (4, 3, 2, 1):
            meter.show(Backlog(0, files, 10, 0, 0))
    assert capsys.readouterr() == ("", "3 files to read, 10 B\n1 file to read, 10 B\n")


def test_who_wants_quiet_has_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = iter([0.0, 1000.0])
    with Meter(is_shown=False, seconds=lambda: next(seconds)) as meter:
        meter.show(Backlog(1, 0, 0, 0, 0))
    assert capsys.readouterr() == ("", "")
