"""A deep scan of 4 GB in 400 files in the page cache, and of 300 files of 2 MB, by the daemon beside `openssl dgst -sha256`."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.stage import BenchStopped, require, scratch, settle_disk, wait_for
from bench.table import Row
from modelshelf.store.store import Store
from tests.acceptance.process import DaemonProcess
from tests.builders import lora

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TITLE = "deep-scan: headers and six hashes by the daemon, in the page cache; nothing is written beside the files"

_AT_LEAST = 0.75
_ROUNDS = 4
_LONGEST_SECONDS = 300.0
_CONFIG = """
input_paths:
  shelf: {{path: {here}/models}}
store: {{directory: {here}/state}}
offline: true
output:
  sidecars: {{forge: false, civitai_info: false, civitscraper: false}}
  metadata: {{html: {{enabled: false, generate_gallery: false}}}}
"""
_READ = """SELECT count(*), coalesce(max(ended_at) - min(started_at), 0) FROM chunks WHERE state = 'done'"""


@dataclass(frozen=True, slots=True)
class _Shelf:
    """So many files of one size."""

    name: str
    files: int
    size_bytes: int


def compare(directory: Path | None, *, is_quick: bool) -> list[Row]:
    """Read both shelves some times by each; the best of each counts."""
    require("openssl")
    part = 10 if is_quick else 1
    shelves = (_Shelf("files of 10 MB", 400 // part, 10_000_000), _Shelf("files of 2 MB", 300 // part, 2_000_000))
    return [
        row for shelf in shelves for row in _rows(shelf, directory, has_target=shelf is shelves[0] and not is_quick)
    ]


def _rows(shelf: _Shelf, directory: Path | None, *, has_target: bool) -> list[Row]:
    total_bytes = shelf.files * shelf.size_bytes
    with scratch(directory, 2 * total_bytes) as here:
        models = here / "models"
        models.mkdir()
        for number in range(shelf.files):
            (models / f"model {number:03}.safetensors").write_bytes(lora(number, padding_bytes=shelf.size_bytes))
        files = sorted(models.iterdir())
        settle_disk()
        openssl, deep = float("inf"), float("inf")
        for number in range(_ROUNDS):
            openssl = min(openssl, _hashed_by_openssl(files))
            deep = min(deep, _deep_scanned(here, files, number))
    ratio = openssl / deep
    return [
        Row(f"{shelf.files} {shelf.name}: openssl", f"{total_bytes / openssl / 1e9:.2f} GB/s"),
        Row("  the daemon", f"{total_bytes / deep / 1e9:.2f} GB/s"),
        Row(
            "  openssl's time / the daemon's",
            f"{ratio:.2f}",
            f">= {_AT_LEAST:g}" if has_target else "",
            ratio >= _AT_LEAST if has_target else None,
            is_ratio=has_target,
        ),
    ]


def _hashed_by_openssl(files: Sequence[Path]) -> float:
    _warm(files)
    started = time.perf_counter()
    subprocess.run(["openssl", "dgst", "-sha256", *map(str, files)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _warm(files: Sequence[Path]) -> None:
    """Have everything in the page cache: who reads in bulk drops it behind."""
    subprocess.run(["cat", *map(str, files)], check=True, stdout=subprocess.DEVNULL)


def _deep_scanned(here: Path, files: Sequence[Path], number: int) -> float:
    """Give how long the daemon read, from the first chunk begun to the last one done."""
    place = here / f"run{number}"
    place.mkdir()
    _warm(files)
    config = _CONFIG.format(here=here).replace(f"{here}/state", f"{place}/state")
    daemon = DaemonProcess(place, "http://127.0.0.1:9", config=config)
    daemon.start()
    try:
        if not daemon.is_running:
            raise BenchStopped(f"the daemon did not start: {daemon.log.read_text(errors='replace')[-500:]}")
        store = Store.open_readonly(daemon.state / "modelshelf.db")
        try:
            wait_for(lambda: _is_done(store, len(files)), _LONGEST_SECONDS, pause_seconds=0.1)
            return float(store.database.rows(_READ)[0][1])
        finally:
            store.close()
    finally:
        daemon.stop()


def _is_done(store: Store, count: int) -> bool:
    (read,) = store.database.rows("SELECT count(*) FROM files WHERE scan_phase = 1 AND content_id IS NOT NULL")[0]
    return bool(read == count and not store.chunks.running())
