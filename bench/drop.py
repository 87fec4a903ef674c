"""From the close of a dropped 100 MB file to its `.civitai.info`, with a Civitai that takes 20 ms to answer."""

from __future__ import annotations

import hashlib
import statistics
import subprocess
import time
from typing import TYPE_CHECKING

from bench.stage import daemon_in, require, scratch, settle_disk, wait_for
from bench.table import Row
from tests.builders import lora
from tests.fakes.civitai_server import CivitaiStandIn

if TYPE_CHECKING:
    from pathlib import Path

TITLE = "drop: 100 MB safetensors, default settings, Civitai answers in 20 ms"

_SIZE_BYTES = 100_000_000
_LATENCY_SECONDS = 0.02
_TARGET_SECONDS = 1.0
_QUIET_SECONDS = 2.0


def compare(directory: Path | None, *, is_quick: bool) -> list[Row]:
    """Drop seven distinct files (three where `is_quick`), one after another, each on a daemon that is at rest."""
    require("sha256sum")
    count = 3 if is_quick else 7
    with scratch(directory, (count + 2) * _SIZE_BYTES) as here, CivitaiStandIn() as civitai:
        civitai.latency_seconds = _LATENCY_SECONDS
        with daemon_in(here, civitai) as daemon:
            # The first file also pays for what is loaded only once, so it is not counted.
            seconds = [_drop(civitai, daemon.models, number) for number in range(count + 1)][1:]
        plain = [_sha256sum(path) for path in sorted(daemon.models.glob("*.safetensors"))[1:]]
    median, plain_median = statistics.median(seconds), statistics.median(plain)
    return [
        Row(
            f"close to .civitai.info, median of {count}",
            f"{median:.3f} s",
            "about 1 s",
            median <= 1.1 * _TARGET_SECONDS,
        ),
        Row("  fastest and slowest", f"{min(seconds):.3f} to {max(seconds):.3f} s"),
        Row("sha256sum of the same files, median", f"{plain_median:.3f} s"),
        Row("drop / sha256sum", f"{median / plain_median:.2f}"),
    ]


def _drop(civitai: CivitaiStandIn, models: Path, number: int) -> float:
    content = lora(number, padding_bytes=_SIZE_BYTES)
    civitai.add_file(hashlib.sha256(content).hexdigest().upper(), len(content), name=f"Drop {number}")
    model = models / f"drop-{number}.safetensors"
    info, page = model.with_suffix(".civitai.info"), model.with_suffix(".html")
    settle_disk()
    with model.open("wb") as file:
        file.write(content)
    seconds = wait_for(info.exists, timeout_seconds=60)
    wait_for(page.exists, timeout_seconds=60)
    time.sleep(_QUIET_SECONDS)
    return seconds


def _sha256sum(path: Path) -> float:
    started = time.perf_counter()
    subprocess.run(["sha256sum", str(path)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started
