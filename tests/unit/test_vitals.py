"""How a process is doing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from modelshelf.vitals import Vitals, vitals_of

if TYPE_CHECKING:
    from pathlib import Path

STAT = (
    "42 (a) b (c)) S 1 42 42 0 -1 4194304 1 0 0 0 {cpu} 20 0 7 0 {started} 1000000 {pages} 18446744073709551615 1 1\n"
)


CPU = "1 2 0 0"


def process(proc: Path, stat: str, uptime: str = "1000.50 1.0\n") -> Path:
    directory = proc / "42"
    directory.mkdir()
    (directory / "stat").write_text(stat)
    (proc / "uptime").write_text(uptime)
    return directory


def test_a_process_is_known_by_its_uptime_memory_threads_and_files_whatever_its_name(tmp_path: Path) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    directory = process(tmp_path, STAT.format(started=100 * ticks, pages=10, cpu=CPU))
    assert vitals_of(42, tmp_path) == Vitals(900.5, 10 * os.sysconf("SC_PAGE_SIZE"), 7, None, 3 / ticks)
    (directory / "fd").mkdir()
    (directory / "fd" / "0").touch()
    found = vitals_of(42, tmp_path)
    assert found is not None
    assert found.open_files == 1


def test_processor_time_counts_the_children_that_have_ended(tmp_path: Path) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    cpu = f"{10 * ticks} {2 * ticks} {30 * ticks} {ticks}"
    process(tmp_path, STAT.format(started=0, pages=1, cpu=cpu))
    found = vitals_of(42, tmp_path)
    assert found is not None
    assert found.cpu_seconds == 43


@pytest.mark.parametrize(
    ("io", "traffic"),
    [
        ("rchar: 9\nwchar: 8\nread_bytes: 4096\nwrite_bytes: 512\ncancelled_write_bytes: 0\n", (4096, 512)),
        ("rchar: 9\n", (None, None)),
        ("read_bytes 4096\n", (None, None)),
        ("read_bytes: many\n", (None, None)),
    ],
)
def test_what_went_to_and_from_disks_is_told_where_it_can_be(
    tmp_path: Path, io: str, traffic: tuple[int | None, int | None]
) -> None:
    directory = process(tmp_path, STAT.format(started=0, pages=1, cpu=CPU))
    (directory / "io").write_text(io)
    found = vitals_of(42, tmp_path)
    assert found is not None
    assert (found.read_bytes, found.written_bytes) == traffic


def test_we_ourselves_are_doing_well() -> None:
    found = vitals_of(os.getpid())
    assert found is not None
    assert found.uptime_seconds > 0
    assert found.memory_bytes > 1_000_000
    assert found.threads >= 1
    assert found.open_files
    assert found.cpu_seconds > 0


@pytest.mark.parametrize("stat", ["", "42 (x) S 1", "42 (x) S" + " x" * 30])
def test_what_cannot_be_read_is_none(tmp_path: Path, stat: str) -> None:
    process(tmp_path, stat)
    assert vitals_of(42, tmp_path) is None
    assert vitals_of(43, tmp_path) is None
