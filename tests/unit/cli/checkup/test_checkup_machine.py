"""Limits, clock and libraries of the machine."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from modelshelf.cli.checkup import machine
from modelshelf.cli.checkup.finding import Level
from modelshelf.domain.folder import Coverage
from tests.fakes.clock import FakeClock
from tests.unit.cli.checkup.clinic import bad, levels, only

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.checkup.clinic import Clinic


@pytest.fixture(autouse=True)
def _no_timedatectl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)


def limits(proc: Path, watches: str, instances: str) -> Path:
    """Make the limits of inotify."""
    directory = proc / "sys" / "fs" / "inotify"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "max_user_watches").write_text(watches)
    (directory / "max_user_instances").write_text(instances)
    return proc


def test_enough_watches_for_every_directory(clinic: Clinic, tmp_path: Path) -> None:
    with clinic.shelf.store() as store:
        store.watches.put("loras", Coverage(900, 0))
    found = clinic.examine(machine.watches, proc=limits(tmp_path / "proc", "1000", "128"))
    assert [each.text for each in found] == [
        "max_user_watches is 1,000, 900 needed", "max_user_instances is 128, 10 needed"
    ]  # fmt: skip
    assert levels(found) == {Level.OK}


def test_too_few_watches_come_with_the_line_that_raises_them(clinic: Clinic, tmp_path: Path) -> None:
    with clinic.shelf.store() as store:
        store.watches.put("loras", Coverage(900, 300, "the limit\x1b is reached"))
    found = clinic.examine(machine.watches, proc=limits(tmp_path / "proc", "1000\n", "9\n"))
    assert bad(found) == [
        "300 directories are not watched: the limit\\x1b is reached",
        "max_user_watches is 1,000, and 1,200 are needed",
        "max_user_instances is 9, and 10 are needed",
    ]
    assert "sysctl fs.inotify.max_user_watches=4096" in found[1].advice


def test_a_kernel_that_tells_no_limits_is_not_judged(clinic: Clinic, tmp_path: Path) -> None:
    assert clinic.examine(machine.watches, proc=tmp_path) == []
    assert clinic.examine(machine.watches, proc=limits(tmp_path, "many", "few")) == []


@pytest.mark.parametrize(("limit", "level"), [("256", Level.WARNING), ("524288", Level.OK)])
def test_the_limit_of_open_files(clinic: Clinic, tmp_path: Path, limit: str, level: Level) -> None:
    (tmp_path / "proc" / "42").mkdir(parents=True)
    (tmp_path / "proc" / "42" / "limits").write_text(f"Max open files   {limit}   524288   files\n")
    assert levels(clinic.examine(machine.open_files, pid=42, proc=tmp_path / "proc")) == {level}
    assert clinic.examine(machine.open_files, pid=43, proc=tmp_path / "proc") == []
    assert clinic.examine(machine.open_files) == []


def test_a_plausible_clock_is_well(clinic: Clinic) -> None:
    assert levels(clinic.examine(machine.clock)) == {Level.OK}


@pytest.mark.parametrize("year", [1970, 2025, 2101])
def test_a_year_that_cannot_be_is_wrong(clinic: Clinic, year: int) -> None:
    finding = only(clinic.examine(machine.clock, clock=FakeClock(datetime(year, 5, 5, tzinfo=UTC))), Level.WRONG)
    assert f"it cannot be {year}-05-05" in finding.text


def test_a_clock_that_was_set_back_is_told(clinic: Clinic) -> None:
    with clinic.shelf.store() as store:
        store.events.add("job_ended", clinic.clock.now() + timedelta(minutes=4))
        assert bad(clinic.examine(machine.clock)) == []
        store.events.add("job_ended", clinic.clock.now() + timedelta(days=400))
    assert "the clock was set back" in only(clinic.examine(machine.clock), Level.WARNING).text


def test_a_time_zone_that_cannot_be_told(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise LookupError("no zone\n")

    monkeypatch.setattr(machine, "get_localzone_name", unknown)
    assert "schedules are in UTC" in only(clinic.examine(machine.clock), Level.WARNING).text


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("yes\n", (Level.OK, "kept by NTP")),
        ("no\n", (Level.WARNING, "nobody keeps it: NTP is not in step")),
        ("", None),
    ],
)
def test_who_keeps_the_clock_is_asked(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, answer: str, expected: tuple[Level, str] | None
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/timedatectl")
    monkeypatch.setattr("subprocess.run", lambda *_, **__: SimpleNamespace(stdout=answer))
    found = [(each.level, each.text) for each in clinic.examine(machine.clock)][1:]
    assert found == ([expected] if expected else [])


@pytest.mark.parametrize("error", [OSError(2, "gone"), subprocess.TimeoutExpired("timedatectl", 3)])
def test_without_systemd_nobody_is_asked(clinic: Clinic, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/timedatectl")
    monkeypatch.setattr("subprocess.run", refuse)
    assert len(clinic.examine(machine.clock)) == 1


def test_only_the_libraries_that_are_asked_for_may_be_missing(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    there = SimpleNamespace()
    monkeypatch.setattr(machine, "find_spec", lambda name: there if name == "picklescan" else None)
    assert levels(clinic.examine(machine.packages)) == {Level.OK}
    with clinic.shelf.config.open("a") as file:
        file.write(
            "notifications: {targets: ['json://localhost']}\ndeep_scan: {engine: dask, scheduler: 'tcp://127.0.0.1:8786'}\n"
        )
    assert [text.split(" ")[0] for text in bad(clinic.examine(machine.packages))] == ["apprise", "distributed"]
    monkeypatch.setattr(machine, "find_spec", lambda _: None)
    assert "pickles are not looked through" in bad(clinic.examine(machine.packages, config=None))[0]
