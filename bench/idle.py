"""What the daemon costs while there is nothing to do, and how long the first 10,000 files took it."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bench.meter import read_process, stamps_below
from bench.stage import daemon_in, scratch, settle_disk, wait_for
from bench.table import Row
from modelshelf.store.store import Store
from tests.builders import lora
from tests.fakes.civitai_server import CivitaiStandIn

if TYPE_CHECKING:
    from pathlib import Path

    from bench.meter import Reading
    from tests.acceptance.process import DaemonProcess

TITLE = "idle: every second file known to Civitai, all work done"

_RESIDENT_TARGET_BYTES = 90_000_000
_CPU_TARGET = 0.001
_DIRECTORIES = 20
_SETTLE_SECONDS = 35.0
"""Longer than the daemon's round: what the end of the work left behind is over."""
_LONGEST_RUN_SECONDS = 3600.0

# Only the pace differs from the defaults: at 100 requests a minute the first run would measure nothing but that.
_CONFIG = """
input_paths:
  shelf: {{path: {here}/models, type: LORA}}
store: {{directory: {here}/state}}
api: {{base_url: "{url}", batch: {{rate_limit: 1000000}}}}
"""


def compare(directory: Path | None, *, is_quick: bool) -> list[Row]:
    """Let a daemon finish its first run, then watch it for a minute (500 files and ten seconds where `is_quick`)."""
    count, watched_seconds = (500, 10.0) if is_quick else (10_000, 60.0)
    with scratch(directory, count * 200_000) as here, CivitaiStandIn() as civitai:
        _fill(here / "models", count, civitai)
        with daemon_in(here, civitai, _CONFIG.format(here=here, url=civitai.base_url)) as daemon:
            seconds = wait_for(lambda: _is_done(daemon, count), _LONGEST_RUN_SECONDS, pause_seconds=1.0)
            settle_disk()
            time.sleep(_SETTLE_SECONDS)
            rows = _watch(daemon, watched_seconds)
    first = Row(f"first run of {count:,} files", f"{seconds:.0f} s ({count / seconds:.0f}/s)")
    return [first, *rows]


def _fill(models: Path, count: int, civitai: CivitaiStandIn) -> None:
    for number in range(count):
        content = lora(number, base="SD1")
        directory = models / f"directory {number % _DIRECTORIES:02}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"model {number:05}.safetensors").write_bytes(content)
        if number % 2:
            civitai.add_file(hashlib.sha256(content).hexdigest().upper(), len(content), name=f"Model {number}")


def _is_done(daemon: DaemonProcess, count: int) -> bool:
    """Ask the catalog beside the daemon whether every file is read and nothing is owed."""
    store = Store.open_readonly(daemon.state / "modelshelf.db")
    try:
        read = store.database.rows("SELECT count(*) FROM files WHERE scan_phase = 1")[0][0]
        return read >= count and not store.journal.owed(until=datetime.now(UTC))
    finally:
        store.close()


def _watch(daemon: DaemonProcess, seconds: float) -> list[Row]:
    stamps, before = stamps_below(daemon.models.parent), read_process(daemon.pid)
    started = time.perf_counter()
    time.sleep(seconds)
    elapsed = time.perf_counter() - started
    after = read_process(daemon.pid)
    changed = [path for path, stamp in stamps_below(daemon.models.parent).items() if stamps.get(path) != stamp]
    return _rows(before, after, elapsed, changed)


def _rows(before: Reading, after: Reading, seconds: float, changed: list[str]) -> list[Row]:
    share = (after.cpu_seconds - before.cpu_seconds) / seconds
    disk, written = after.disk_bytes - before.disk_bytes, after.written_bytes - before.written_bytes
    resident, proportional = after.resident_bytes, after.proportional_bytes
    is_small = resident <= _RESIDENT_TARGET_BYTES
    return [
        Row("resident memory (VmRSS)", f"{resident / 1e6:.1f} MB", "<= 90 MB", is_small),
        Row("  the part of it that is its own (PSS)", f"{proportional / 1e6:.1f} MB"),
        Row(f"share of a core over {seconds:.0f} s", f"{share:.3%}", "< 0.1 %", share < _CPU_TARGET),
        Row("bytes written to disk, and by write()", f"{disk} and {written}", "0 and 0", not disk and not written),
        Row("files and directories changed, state included", f"{len(changed)}", "0", not changed),
        Row("wake-ups of all threads per minute", f"{60 * (after.switches - before.switches) / seconds:.0f}"),
    ]
