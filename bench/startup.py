"""How long a person waits for `modelshelf --version`, beside Python itself."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.stage import BenchStopped
from bench.table import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

TITLE = "startup: modelshelf --version"

_TARGET_SECONDS = 0.15


def compare(directory: Path | None, *, is_quick: bool) -> list[Row]:  # noqa: ARG001 - nothing is written
    """Run each command twenty times (five where `is_quick`) in turns, and take the medians."""
    script = Path(sys.executable).with_name("modelshelf")
    if not script.exists():
        raise BenchStopped(f"{script} is not there: pip install -e . first")
    commands = {
        "modelshelf --version": [str(script), "--version"],
        "python -c pass": [sys.executable, "-c", "pass"],
        "python -c 'import click'": [sys.executable, "-c", "import click"],
    }
    medians = _medians(commands, 5 if is_quick else 20)
    ours, bare, click = medians.values()
    return [
        *[Row(f"{name}, median", f"{1000 * seconds:.0f} ms") for name, seconds in list(medians.items())[1:]],
        Row("modelshelf --version, median", f"{1000 * ours:.0f} ms", "about 150 ms", ours <= 1.1 * _TARGET_SECONDS),
        Row("modelshelf --version / python -c pass", f"{ours / bare:.2f}"),
        Row("modelshelf --version / import click", f"{ours / click:.2f}"),
    ]


def _medians(commands: dict[str, list[str]], rounds: int) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for each in [*commands] * (rounds + 1):
        seconds[each].append(_wall(commands[each]))
    return {name: statistics.median(found[1:]) for name, found in seconds.items()}


def _wall(command: Sequence[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started
