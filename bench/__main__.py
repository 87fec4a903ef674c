"""Speed beside public tools, as ratios within one run: `python -m bench [--only NAME] [--quick]`.

Exit 1 where a ratio misses its target; absolute figures hang on the machine and are only printed. Exit 2 where something
that is needed is missing.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bench import catalog, chunk_plan, deep_scan, drop, first_run, idle, quick_scan, request_count, startup
from bench.stage import BenchStopped, be_as_installed, require, scratch
from bench.table import Row, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence


class Comparison(Protocol):
    """One measurement: a title, and lines for the table."""

    TITLE: str

    def compare(self, directory: Path | None, *, is_quick: bool) -> list[Row]:
        """Measure, with files below `directory` (None: the system's temporary directory)."""


HASHING = "hashing"
COMPARISONS: dict[str, Comparison] = {
    "catalog": catalog,
    "chunk-plan": chunk_plan,
    "deep-scan": deep_scan,
    "drop": drop,
    "first-run": first_run,
    "idle": idle,
    "quick-scan": quick_scan,
    "requests": request_count,
    "startup": startup,
}

_FULL_GIB, _QUICK_GIB = 4.0, 0.5
_MISSING = 2


def main() -> int:
    """Run what was asked for, print a table of each, and give the exit code."""
    arguments = _arguments()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    try:
        be_as_installed()
        reached = [_is_reached(name, arguments) for name in arguments.only or [HASHING, *COMPARISONS]]
    except BenchStopped as error:
        print(f"bench: {error}", file=sys.stderr)
        return _MISSING
    return int(not all(reached))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Speed beside public tools, in one run.")
    names = [HASHING, *COMPARISONS]
    parser.add_argument("--only", action="append", choices=names, help="only this one; may be given several times")
    parser.add_argument(
        "--quick", action="store_true", help="fewer and smaller files: shows that all runs, not how fast"
    )
    parser.add_argument(
        "--directory", type=Path, help="where files are put (default: the system's temporary directory)"
    )
    return parser.parse_args()


def _is_reached(name: str, arguments: argparse.Namespace) -> bool:
    if name == HASHING:
        return _compare_hashing(arguments.directory, is_quick=arguments.quick)
    comparison = COMPARISONS[name]
    rows = comparison.compare(arguments.directory, is_quick=arguments.quick)
    print_table(comparison.TITLE, rows)
    return not any(row.has_failed for row in rows)


def _compare_hashing(directory: Path | None, *, is_quick: bool) -> bool:
    """Run in a process of its own, which has a table and an exit code too, and starts with a clean heap."""
    size_gib = _QUICK_GIB if is_quick else _FULL_GIB
    require("openssl", "b3sum")
    print(f"\nhashing: {size_gib:g} GiB in the page cache", flush=True)
    with scratch(directory, round(size_gib * 1024**3)) as here:
        command: Sequence[str] = [sys.executable, "-m", "bench.hashing", "--size-gib", str(size_gib)]
        status = subprocess.run([*command, "--directory", str(here)], check=False).returncode
    if status not in {0, 1}:
        raise BenchStopped(f"hashing ended with {status}")
    return status == 0


if __name__ == "__main__":
    raise SystemExit(main())
