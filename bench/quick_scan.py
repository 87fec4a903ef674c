"""The first quick scan of half a million files in a thousand directories, and one with nothing changed, beside `find -printf`.

The files are empty and old, so that the scan alone is measured; all is in the page cache. Once the step by itself, in this
process; once the daemon, from the moment that it is open until the folder was scanned. The reading that is owed then is not
part of it, and switched off.
"""

from __future__ import annotations

import logging
import os
import subprocess
import time
from typing import TYPE_CHECKING

import structlog

from bench.meter import resident_bytes
from bench.stage import BenchStopped, daemon_in, require, scratch, settle_disk
from bench.table import Row
from modelshelf.clock import SystemClock
from modelshelf.config.sections.folders import DEFAULT_EXCLUDE_PATTERNS, DEFAULT_PATTERNS
from modelshelf.domain.folder import Folder
from modelshelf.domain.output import Output
from modelshelf.domain.task import Priority, Task, TaskKind, TaskState
from modelshelf.shelf.devices import device_of
from modelshelf.shelf.intake import Intake
from modelshelf.shelf.lease import prepare_leases
from modelshelf.steps.place import Place
from modelshelf.steps.scan_folder import ScanFolder
from modelshelf.store.store import Store
from tests.fakes.civitai_server import CivitaiStandIn
from tests.unit.steps.step_shelf import FreeReins

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.process import DaemonProcess

TITLE = "quick scan: files that nobody has read yet, warm cache"

_DIRECTORIES, _FILES_EACH = 1000, 500
_QUICK_DIRECTORIES = 40
_FIRST_RATIO, _AGAIN_RATIO = 4.0, 2.0
_GROWTH_BYTES = 100_000_000
_ANSWER_SECONDS = 0.3
_BYTES_PER_FILE = 2_000
_LONGEST_SECONDS = 600.0
_OLD_SECONDS = 1_700_000_000
_ROUNDS = 3
_CONFIG = """
input_paths:
  shelf: {{path: {here}/models}}
store: {{directory: {here}/state}}
api: {{base_url: "{url}"}}
deep_scan: {{background: false}}
"""


def compare(directory: Path | None, *, is_quick: bool) -> list[Row]:
    """Make the tree once (20,000 files where `is_quick`), and measure find, the step and the daemon over it."""
    require("find")
    directories = _QUICK_DIRECTORIES if is_quick else _DIRECTORIES
    with scratch(directory, directories * _FILES_EACH * _BYTES_PER_FILE) as here, CivitaiStandIn() as civitai:
        tree = here / "daemon" / "models"
        _plant(tree, directories)
        settle_disk()
        rows = [Row("files", f"{directories * _FILES_EACH:,}"), *_by_the_step(here / "step", tree)]
        config = _CONFIG.format(here=here / "daemon", url=civitai.base_url)
        with daemon_in(here / "daemon", civitai, config) as daemon:
            return rows + _by_the_daemon(daemon, _best(tree))


def _plant(tree: Path, directories: int) -> None:
    for number in range(directories):
        directory = tree / f"group {number // 32:03}" / f"directory {number:04}"
        directory.mkdir(parents=True)
        for each in range(_FILES_EACH):
            path = directory / f"model {number:04} {each:04}.safetensors"
            path.touch()
            os.utime(path, (_OLD_SECONDS + each, _OLD_SECONDS + each))


def _best(tree: Path) -> float:
    return min(_find(tree) for _ in range(_ROUNDS))


def _find(tree: Path) -> float:
    started = time.perf_counter()
    subprocess.run(["find", tree, "-type", "f", "-printf", "%p %s %T@\n"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _by_the_step(here: Path, tree: Path) -> list[Row]:
    """Scan with a store of its own, as a worker has the step do it: first, and again, with finds before and after."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    prepare_leases()
    store, before = Store.open(here / "modelshelf.db"), resident_bytes(os.getpid())
    try:
        folder, clock = Folder("shelf", tree, None, DEFAULT_PATTERNS, DEFAULT_EXCLUDE_PATTERNS), SystemClock()
        store.folders.sync([folder])
        place = Place(folder, Intake(folder), device_of(tree), Output(), stability_delay_seconds=5.0)
        step = ScanFolder(store, {"shelf": place}, clock, started_at=clock.now())
        found = _best(tree)
        first = _scan(store, step)
        again, found_again = min(_scan(store, step) for _ in range(_ROUNDS)), _best(tree)
        files = store.folders.state("shelf").file_count
    finally:
        store.close()
    growth, best = resident_bytes(os.getpid()) - before, min(found, found_again)
    size_bytes = (here / "modelshelf.db").stat().st_size
    return [
        Row("find -printf", f"{best:.2f} s"),
        Row("first scan, the step alone", f"{first:.2f} s"),
        _ratio("  / find", first / best, _FIRST_RATIO),
        Row("  files per second", f"{files / first:,.0f}"),
        Row("scan again, nothing changed", f"{again:.2f} s"),
        _ratio("  / find", again / best, _AGAIN_RATIO),
        Row("memory grown by", f"{growth / 1e6:.0f} MB", "100 MB", growth <= _GROWTH_BYTES),
        Row("database per file", f"{size_bytes / files:.0f} B"),
    ]


def _scan(store: Store, step: ScanFolder) -> float:
    started, now = time.perf_counter(), step.clock.now()
    task = Task(0, TaskKind.SCAN_FOLDER, "shelf", b"", TaskState.RUNNING, Priority.REST, now, now)
    done = step.perform([task], FreeReins())
    with store.database.transaction():
        step.record(done)  # type: ignore[arg-type]
    return time.perf_counter() - started


def _ratio(subject: str, ratio: float, most: float) -> Row:
    return Row(subject, f"{ratio:.1f}", f"<= {most:g}", ratio <= most, is_ratio=True)


def _by_the_daemon(daemon: DaemonProcess, found: float) -> list[Row]:
    """Ask for the status all the while; what reads the files afterwards is not waited for."""
    started, before = time.perf_counter(), resident_bytes(daemon.pid)
    largest, slowest = before, 0.0
    while True:
        asked = time.perf_counter()
        status = daemon.ask("status")
        slowest = max(slowest, time.perf_counter() - asked)
        largest = max(largest, resident_bytes(daemon.pid))
        if all(folder["last_scan_at"] for folder in status["folders"]):
            break
        if asked - started > _LONGEST_SECONDS:
            raise BenchStopped("the daemon has not scanned its folder")
    seconds = time.perf_counter() - started
    return [
        Row("first scan by the daemon", f"{seconds:.2f} s"),
        Row("  / find", f"{seconds / found:.1f}"),
        Row("  memory grown by", f"{(largest - before) / 1e6:.0f} MB", "100 MB", largest - before <= _GROWTH_BYTES),
        Row(
            "  status --json meanwhile, slowest",
            f"{1000 * slowest:.0f} ms",
            "about 300 ms",
            slowest <= 1.5 * _ANSWER_SECONDS,
        ),
    ]
