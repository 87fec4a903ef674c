"""Months in minutes: files come, change and go without end, and the daemon stays as small as it was."""

from __future__ import annotations

import os
import random
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.meter import read_process, resident_bytes, stamps_below
from tests import builders
from tests.acceptance.process import DaemonProcess
from tests.acceptance.shelf import introduce, is_described
from tests.fakes import civitai_moods as moods
from tests.fakes.civitai_server import CivitaiStandIn
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.civitai_moods import Mood

IS_CI = os.environ.get("CI") == "true"
BUSY_SECONDS = float(os.environ.get("MODELSHELF_SOAK_SECONDS") or (180 if IS_CI else 20))
IDLE_SECONDS = 60.0 if IS_CI or BUSY_SECONDS > 180 else 10.0
FEWEST_ROUNDS = 9
SETTLE_SECONDS = 35.0
"""Longer than the daemon's round: what the end of the work left behind is over."""

NAMES = [f"{place}file{number}.safetensors" for place in ("", "style/", "style/old/") for number in range(12)]
MOST_GROWTH_BYTES = 6_000_000
MOST_WAL_BYTES = 9_000_000
"""The journal's size limit is 8 MiB."""

MOST_WAKE_UPS_A_MINUTE = 30
CONFIG = """
input_paths:
  shelf: {{path: {here}/models, type: LORA}}
store: {{directory: {here}/state}}
api: {{base_url: "{api_url}", batch: {{rate_limit: 100000, circuit_breaker: {{reset_timeout: 1}}}}}}
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the daemon holds at one moment."""

    at_seconds: float
    resident_bytes: int
    descriptors: int
    threads: int
    wal_bytes: int


@pytest.fixture
def civitai() -> Iterator[CivitaiStandIn]:
    with CivitaiStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def daemon(tmp_path: Path, civitai: CivitaiStandIn) -> Iterator[DaemonProcess]:
    config = CONFIG.format(here=tmp_path, api_url=civitai.base_url)
    with DaemonProcess(tmp_path, civitai.base_url, config=config) as process:
        yield process


def test_memory_descriptors_threads_and_wal_stay_flat(daemon: DaemonProcess, civitai: CivitaiStandIn) -> None:
    """F64."""
    samples = live(daemon, civitai, random.Random(1))
    early, late = samples[len(samples) // 3 : 2 * len(samples) // 3], samples[2 * len(samples) // 3 :]
    print_figures(samples)
    for name in ("descriptors", "threads"):
        assert largest(late, name) <= largest(early, name) + 2
    assert largest(late, "resident_bytes") <= largest(early, "resident_bytes") + MOST_GROWTH_BYTES
    assert largest(samples, "wal_bytes") <= MOST_WAL_BYTES


def test_with_nothing_owed_nothing_is_written_and_the_daemon_sleeps(
    daemon: DaemonProcess, civitai: CivitaiStandIn
) -> None:
    """F64."""
    for number, name in enumerate(NAMES):
        befall(daemon.models / name, random.Random(number), civitai)
    models = [daemon.models / name for name in NAMES]
    wait_until(lambda: all(is_described(model) for model in models), timeout=120)
    wait_until(lambda: not daemon.ask("status")["owed"], timeout=120)
    stay_idle(daemon)


def live(daemon: DaemonProcess, civitai: CivitaiStandIn, chance: random.Random) -> list[Sample]:
    """Do to the shelf what people do, round after round, while the server has its moods; gives a sample a round."""
    samples, began_at, number = [], time.monotonic(), 0
    while time.monotonic() - began_at < BUSY_SECONDS or number < FEWEST_ROUNDS:
        number += 1
        civitai.mood_for = [None, ill][number % 4 == 3]
        for name in chance.sample(NAMES, 6):
            befall(daemon.models / name, chance, civitai)
        marker = daemon.models / f"marker{number % 3}.safetensors"
        content = builders.lora(10_000 + number)
        introduce(civitai, content, f"marker {number}")
        marker.write_bytes(content)
        wait_until(partial(is_done, marker, is_server_well=civitai.mood_for is None), timeout=60)
        samples.append(sample(daemon, time.monotonic() - began_at))
        clear(marker)
    return samples


def is_done(model: Path, *, is_server_well: bool) -> bool:
    return is_described(model) if is_server_well else model.with_suffix(".html").exists()


def ill(_: object) -> Mood:
    return moods.overloaded


def befall(path: Path, chance: random.Random, civitai: CivitaiStandIn) -> None:
    """Let one thing happen to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    match chance.randrange(4):
        case 0 if path.exists():
            path.unlink()
        case 1 if path.exists():
            path.replace(path.with_name(f"renamed {path.name}"))
        case 2 if path.exists():
            path.with_suffix(".json").write_text('{"notes": "mine"}')
        case _:
            content = builders.lora(chance.randrange(200))
            introduce(civitai, content, path.name)
            path.write_bytes(content)


def clear(marker: Path) -> None:
    """Remove a file with all that stands beside it."""
    for path in marker.parent.glob(f"{marker.stem}.*"):
        path.unlink()


def sample(daemon: DaemonProcess, at_seconds: float) -> Sample:
    process = Path("/proc", str(daemon.pid))
    wal = daemon.state / "modelshelf.db-wal"
    return Sample(
        at_seconds=at_seconds,
        resident_bytes=resident_bytes(daemon.pid),
        descriptors=len(list((process / "fd").iterdir())),
        threads=len(list((process / "task").iterdir())),
        wal_bytes=wal.stat().st_size if wal.exists() else 0,
    )


def largest(samples: list[Sample], name: str) -> int:
    return max(int(getattr(each, name)) for each in samples)


def print_figures(samples: list[Sample]) -> None:
    """Print a line for each tenth of the time; `make soak` shows them."""
    for each in samples[:: max(1, len(samples) // 10)]:
        say(
            f"{each.at_seconds:7.0f} s  {each.resident_bytes / 1e6:6.1f} MB  {each.descriptors} descriptors  "
            f"{each.threads} threads  {each.wal_bytes / 1e6:.1f} MB WAL"
        )
    say(f"{len(samples)} rounds in {samples[-1].at_seconds:.0f} s")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def stay_idle(daemon: DaemonProcess) -> None:
    """Nothing owed: nothing is written, and the daemon sleeps."""
    let_time_pass(SETTLE_SECONDS)
    stamps, before = stamps_below(daemon.models.parent), read_process(daemon.pid)
    let_time_pass(IDLE_SECONDS)
    after = read_process(daemon.pid)
    wake_ups = 60 * (after.switches - before.switches) / IDLE_SECONDS
    say(
        f"idle for {IDLE_SECONDS:.0f} s: {wake_ups:.0f} wake-ups a minute, {after.cpu_seconds - before.cpu_seconds:.2f} s"
    )
    assert stamps_below(daemon.models.parent) == stamps
    assert (after.disk_bytes, after.written_bytes) == (before.disk_bytes, before.written_bytes)
    assert wake_ups <= MOST_WAKE_UPS_A_MINUTE


def let_time_pass(seconds: float) -> None:
    """Let time pass in which nothing is to happen."""
    time.sleep(seconds)
