"""The first run over 300 files of 2 MB until everything is done, and the second, with a Civitai that answers at once."""

from __future__ import annotations

import hashlib
import subprocess
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bench.stage import BenchStopped, require, scratch, settle_disk, wait_for
from bench.table import Row
from modelshelf.store.store import Store
from tests.acceptance.process import DaemonProcess
from tests.builders import lora
from tests.fakes.civitai_pictures import picture
from tests.fakes.civitai_server import CivitaiStandIn
from tests.fakes.civitai_wire import Reply

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TITLE = "first-run: files of 2 MB, default settings, Civitai answers at once"

_SIZE_BYTES = 2_000_000
_FIRST_SECONDS, _SECOND_SECONDS = 4.0, 0.5
_LONGEST_SECONDS = 300.0
_SOON = timedelta(minutes=1)
"""What is due within this is still to be waited for: a gallery lingers for its neighbours."""

_WITHOUT_PICTURES = """
input_paths:
  shelf: {{path: {here}/models}}
store: {{directory: {here}/state}}
api: {{base_url: "{url}"}}
output: {{images: {{save: false}}}}
"""


def compare(directory: Path | None, *, is_quick: bool) -> list[Row]:
    """Run twice over 300 files (30 where `is_quick`), then start again over the same: without pictures, and with them."""
    require("openssl", "b3sum")
    count = 30 if is_quick else 300
    with scratch(directory, 3 * count * _SIZE_BYTES) as here, CivitaiStandIn() as civitai:
        drawn = Reply(200, picture("1", 512), "image/jpeg")
        civitai.routes.picture = lambda _: drawn
        rows = [row for name in ("without", "with") for row in _runs(here / name, civitai, name, count)]
    return [Row("files", f"{count}"), *rows]


def _runs(here: Path, civitai: CivitaiStandIn, name: str, count: int) -> list[Row]:
    models = here / "models"
    models.mkdir(parents=True)
    _fill(models, count, civitai)
    settle_disk()
    files = sorted(models.iterdir())
    openssl, b3sum = _seconds("openssl", "dgst", "-sha256", files=files), _seconds("b3sum", files=files)
    civitai.requests.clear()
    config = _WITHOUT_PICTURES.format(here=here, url=civitai.base_url) if name == "without" else None
    first, seen = _run(DaemonProcess(here, civitai.base_url, config=config), count)
    asked = len(civitai.requests)
    settle_disk()
    second, _ = _run(DaemonProcess(here, civitai.base_url, config=config), count, seen)
    return [
        Row(f"first run {name} pictures", f"{first:.2f} s", f"{_FIRST_SECONDS:g} s", first <= _FIRST_SECONDS),
        Row("  / openssl dgst -sha256 of the same files", f"{first / openssl:.1f}"),
        Row("  / b3sum", f"{first / b3sum:.1f}"),
        Row("  requests", f"{asked}"),
        Row(f"second run {name} pictures", f"{second:.2f} s", f"{_SECOND_SECONDS:g} s", second <= _SECOND_SECONDS),
        Row("  / openssl dgst -sha256 of the same files", f"{second / openssl:.1f}"),
        Row("  requests", f"{len(civitai.requests) - asked}"),
    ]


def _fill(models: Path, count: int, civitai: CivitaiStandIn) -> None:
    for number in range(count):
        content = lora(number, padding_bytes=_SIZE_BYTES)
        (models / f"model {number:03}.safetensors").write_bytes(content)
        civitai.add_file(hashlib.sha256(content).hexdigest().upper(), len(content), name=f"Model {number}", images=1)


def _seconds(*command: str, files: Sequence[Path]) -> float:
    """Give the best of three."""
    return min(_once([*command, *map(str, files)]) for _ in range(3))


def _once(command: Sequence[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _run(daemon: DaemonProcess, count: int, seen: datetime | None = None) -> tuple[float, datetime | None]:
    """Start the daemon, wait until it has scanned since `seen` and owes nothing; give the seconds and when it scanned."""
    started = time.perf_counter()
    daemon.start()
    try:
        if not daemon.is_running:
            raise BenchStopped(f"the daemon did not start: {daemon.log.read_text(errors='replace')[-500:]}")
        store = Store.open_readonly(daemon.state / "modelshelf.db")
        try:
            wait_for(lambda: _is_done(store, count, seen), _LONGEST_SECONDS, pause_seconds=0.02)
            return time.perf_counter() - started, _scanned_at(store)
        finally:
            store.close()
    finally:
        daemon.stop()


def _scanned_at(store: Store) -> datetime | None:
    (state,) = store.folders.states()
    return state.last_scan_at


def _is_done(store: Store, count: int, seen: datetime | None) -> bool:
    if _scanned_at(store) == seen or store.journal.owed(until=datetime.now(UTC) + _SOON):
        return False
    read, identified = store.database.rows(
        "SELECT count(*), count(c.version_id) FROM files f JOIN contents c ON c.id = f.content_id WHERE scan_phase = 1"
    )[0]
    return bool(read == identified == count)
