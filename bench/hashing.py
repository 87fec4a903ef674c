"""How fast modelshelf hashes beside the public tools, on a file in the page cache: a table, and an exit code.

    python bench/hashing.py [--size-gib 4] [--directory /tmp]

Six hashes at once against `openssl dgst -sha256` alone, BLAKE3 against `b3sum`; runs alternate, the best of each counts. Exit 1
below 0.75 (six hashes) or 0.9 (BLAKE3).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from modelshelf.formats.hashes import blake3_file, hash_file

if TYPE_CHECKING:
    from collections.abc import Callable

_GIB = 1024**3
_PIECE_BYTES = 16 * 1024 * 1024
_SIX_AT_LEAST = 0.75
_BLAKE3_AT_LEAST = 0.9


def main() -> int:
    """Run the comparison; give the exit code."""
    arguments = _arguments()
    missing = [tool for tool in ("openssl", "b3sum") if shutil.which(tool) is None]
    if missing:
        print(f"cannot compare: {' and '.join(missing)} not installed", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="modelshelf-bench-", dir=arguments.directory) as directory:
        path = Path(directory, "model.bin")
        _write(path, round(arguments.size_gib * _GIB))
        seconds = _best_seconds(_contestants(path), arguments.rounds)
    rates = {name: arguments.size_gib / each for name, each in seconds.items()}
    return _report(rates)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Hashing speed beside openssl and b3sum.")
    parser.add_argument("--size-gib", type=float, default=4.0, help="size of the file (default 4)")
    parser.add_argument("--directory", help="where to put it (default: the system's temporary directory)")
    parser.add_argument("--rounds", type=int, default=6, help="how often each runs; the best counts (default 6)")
    return parser.parse_args()


def _write(path: Path, size_bytes: int) -> None:
    piece = os.urandom(_PIECE_BYTES)
    with path.open("wb") as file:
        while file.tell() < size_bytes:
            file.write(piece[: size_bytes - file.tell()])


def _contestants(path: Path) -> dict[str, Callable[[], object]]:
    return {
        "openssl sha256": lambda: _run("openssl", "dgst", "-sha256", str(path)),
        "six hashes": lambda: hash_file(path),
        "b3sum": lambda: _run("b3sum", str(path)),
        "b3sum --no-mmap": lambda: _run("b3sum", "--no-mmap", str(path)),
        "blake3_file": lambda: blake3_file(path),
    }


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _best_seconds(contestants: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    best = dict.fromkeys(contestants, float("inf"))
    for _ in range(rounds):
        for name, run in contestants.items():
            started = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - started)
    return best


def _report(rates: dict[str, float]) -> int:
    six = rates["six hashes"] / rates["openssl sha256"]
    blake3 = rates["blake3_file"] / rates["b3sum"]
    for name, rate in rates.items():
        print(f"{name:<18}{rate:8.2f} GiB/s")
    print(f"six hashes / openssl sha256   {six:5.2f}   (at least {_SIX_AT_LEAST})")
    print(f"blake3_file / b3sum           {blake3:5.2f}   (at least {_BLAKE3_AT_LEAST})")
    print(f"blake3_file / b3sum --no-mmap {rates['blake3_file'] / rates['b3sum --no-mmap']:5.2f}")
    return int(six < _SIX_AT_LEAST or blake3 < _BLAKE3_AT_LEAST)


if __name__ == "__main__":
    raise SystemExit(main())
