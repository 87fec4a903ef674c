"""Fuzzing by hand: `python -m tests.fuzz --seconds 60 [TARGET ...]`, each target in turn for so long.

Guided by coverage where atheris is installed, by chance where it is not. What breaks a target is written to
`fuzz-found/` and told with its fault; keep it in `defects.py` once it is mended. `--case ID` tries one input of the corpus.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fuzz.corpus import cases
from tests.fuzz.limits import judge
from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FOUND = Path("fuzz-found")
_LARGEST_SEED_BYTES = 20_000
_SPOILT_BYTES = 64
_TELLING_CHARACTERS = 30
"""A fault mostly ends with what the input held: those that begin alike are one."""


def main(words: Sequence[str] | None = None) -> int:
    """Fuzz; 1 if anything broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", default=[*TARGETS], metavar="TARGET")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--case")
    parser.add_argument("--guided", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if options.case:
        return _try_case(options.case)
    if options.guided:
        return _run_guided(options.targets[0], options.seconds)
    before = _found()
    for target in options.targets:
        _say(f"{target}: {options.seconds:.0f} s")
        _fuzz(target, options.seconds)
    new = sorted(_found() - before)
    _say("\n".join(["nothing broke"] if not new else [f"broke: {each}" for each in new]))
    return 1 if new else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _found() -> set[str]:
    return {str(each) for each in FOUND.iterdir()} if FOUND.is_dir() else set()


def _try_case(wanted: str) -> int:
    with tempfile.TemporaryDirectory() as desk:
        found = next(each for each in cases() if each.id == wanted)
        verdict = judge(TARGETS[found.target], found.content, Path(desk))
    _say(f"{verdict.seconds:.2f} s: {verdict.fault or 'as it should be'}")
    return 1 if verdict.fault else 0


def _fuzz(target: str, seconds: float) -> None:
    if importlib.util.find_spec("atheris") is None:
        _run_by_chance(target, seconds)
        return
    command = [sys.executable, "-m", "tests.fuzz", target, "--seconds", str(seconds), "--guided"]
    subprocess.run(command, check=False)


def _examiner(target: str) -> Callable[[bytes], None]:
    desk = Path(tempfile.mkdtemp(prefix="fuzz-"))

    def examine(content: bytes) -> None:
        verdict = judge(TARGETS[target], content, desk)
        for left in desk.iterdir():
            left.unlink()
        if verdict.fault:
            FOUND.mkdir(exist_ok=True)
            path = FOUND / f"{target}-{hashlib.sha256(verdict.fault[:_TELLING_CHARACTERS].encode()).hexdigest()[:8]}"
            if not path.exists():
                path.write_bytes(content)
                _say(f"{path}: {verdict.fault}")

    return examine


def _seeds(target: str) -> list[bytes]:
    return [each.content for each in cases(target) if len(each.content) <= _LARGEST_SEED_BYTES]


def _run_guided(target: str, seconds: float) -> int:
    """Let libFuzzer look for new ways through the code; it ends the process itself."""
    atheris = importlib.import_module("atheris")
    atheris.instrument_all()
    with tempfile.TemporaryDirectory() as directory:
        for number, seed in enumerate(_seeds(target)):
            Path(directory, str(number)).write_bytes(seed)
        limits = [
            f"-max_total_time={seconds:.0f}",
            "-rss_limit_mb=2048",
            "-timeout=60",
            f"-max_len={_LARGEST_SEED_BYTES}",
        ]
        atheris.Setup([sys.argv[0], *limits, "-verbosity=0", directory], _examiner(target))
        atheris.Fuzz()
    return 0


def _run_by_chance(target: str, seconds: float) -> None:
    """Spoil the corpus further for as long as there is time."""
    examine, seeds, chance = _examiner(target), _seeds(target), random.Random()
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        examine(_spoilt(chance.choice(seeds), chance.choice(seeds), chance))


def _spoilt(content: bytes, other: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.choices(range(len(content) + 1), k=2))
    begin = chance.randrange(len(other) + 1)
    middle = chance.choice(
        (b"", other[begin:], chance.randbytes(chance.randrange(_SPOILT_BYTES)), content[start:end] * 2)
    )
    return content[:start] + middle + content[end if chance.random() < 0.5 else start :]


if __name__ == "__main__":
    sys.exit(main())
