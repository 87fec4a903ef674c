"""How a process is doing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from modelshelf.vitals import Vitals, vitals_of

if TYPE_CHECKING:
    from pathlib import Path

STAT = (
    "42 (a) b (c)) S 1 42 42 0 -1 4194304 1 0 0 0 1 2 0 0 20 0 7 0 {started} 1000000 {pages} 18446744073709551615 1 1\n"
)


def process(proc: Path, stat: str, uptime: str = "1000.50 1.0\n") -> Path:
    directory = proc / "42"
    directory.mkdir()
    (directory / "stat").write_text(stat)
    (proc / "uptime").write_text(uptime)
    return directory


def test_a_process_is_known_by_its_uptime_memory_threads_and_files_whatever_its_name(tmp_path: Path) -> None:
    directory = process(tmp_path, STAT.format(started=100 * os.sysconf("SC_CLK_TCK"), pages=10))
    assert vitals_of(42, tmp_path) == Vitals(900.5, 10 * os.sysconf("SC_PAGE_SIZE"), 7, None)
    (directory / "fd").mkdir()
    (directory / "fd" / "0").touch()
    found = vitals_of(42, tmp_path)
    assert found is not None
    assert found.open_files == 1


def test_we_ourselves_are_doing_well() -> None:
    found = vitals_of(os.getpid())
    assert found is not None
    assert found.uptime_seconds > 0
    assert found.memory_bytes > 1_000_000
    assert found.threads >= 1
    assert found.open_files


@pytest.mark.parametrize("stat", ["", "42 (x) S 1", "42 (x) S" + " x" * 30])
def test_what_cannot_be_read_is_none(tmp_path: Path, stat: str) -> None:
    process(tmp_path, stat)
    assert vitals_of(42, tmp_path) is None
    assert vitals_of(43, tmp_path) is None
