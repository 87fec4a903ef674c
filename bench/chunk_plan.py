"""How long four readers take for a shelf, by how it is cut and who goes first: a simulation, no disk is read.

The shelf is a large home library: 10,800 LoRAs, 1,500 checkpoints and 300 others of 14.8 TB, two fifths of it in a single
directory, as downloaders leave it.
"""

from __future__ import annotations

import heapq
import random
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.table import Row
from modelshelf.domain.chunk import ChunkLimits
from modelshelf.domain.chunking import OwedFile, cut, worth_of
from modelshelf.domain.task import Priority

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

TITLE = "chunk plan: 4 workers, one directory of 40 %"

WORKERS = 4
NEAR_IDEAL = 1.05
GIANT_SHARE = 0.4
_GB = 1_000_000_000
_KINDS = ((10_800, 0.3), (1_500, 6.0), (300, 8.0))
"""How many files of about how many GB each; the larger ones are scaled so that it is 14.8 TB together."""
_TOTAL_BYTES = 14_800 * _GB
_SMALLER_BYTES = 600 * _GB
_DIRECTORIES = 60
_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Simulated:
    """A shelf: its files, and how long its readers take at best, in bytes that each of them reads."""

    files: list[OwedFile]

    @property
    def ideal(self) -> float:
        """Nobody ends before the largest file is read, nor before all have read the same."""
        sizes = [file.size_bytes for file in self.files]
        return max(sum(sizes) / WORKERS, *sizes)

    def by_directory(self) -> list[int]:
        """Give the bytes of each directory: chunks as those cut that never look at sizes."""
        found: defaultdict[bytes, int] = defaultdict(int)
        for file in self.files:
            found[file.directory] += file.size_bytes
        return [*found.values()]


def compare(directory: Path | None, *, is_quick: bool) -> list[Row]:  # noqa: ARG001 - nothing is written
    """Let four workers read the shelf in each way; fewer shelves by chance where `is_quick`."""
    shelf = simulated(seed=1)
    whole, ideal = shelf.by_directory(), shelf.ideal
    shuffled = [makespan(random.Random(seed).sample(whole, len(whole))) for seed in range(_ROUNDS)]
    others = {
        "directories, largest first": makespan(sorted(whole, reverse=True)),
        f"directories, at random (mean of {_ROUNDS})": sum(shuffled) / _ROUNDS,
        "directories, smallest first": makespan(sorted(whole)),
    }
    started = time.perf_counter()
    chunks = cut(shelf.files, ChunkLimits())
    seconds = time.perf_counter() - started
    ours = makespan(plan.size_bytes for plan in chunks) / ideal
    seeds = range(2, 4 if is_quick else 22)
    worst = max(_ours_of(simulated(seed, size)) for seed in seeds for size in (_TOTAL_BYTES, _SMALLER_BYTES))
    return [
        Row("files, bytes", f"{len(shelf.files):,}, {_TOTAL_BYTES / 1e12:g} TB"),
        *[Row(f"{name} / ideal", f"{found / ideal:.2f}") for name, found in others.items()],
        Row("our chunks, in our order / ideal", f"{ours:.3f}", "<= 1.05", ours <= NEAR_IDEAL, is_ratio=True),
        Row(
            f"  the worst of {2 * len(seeds)} more, half of them smaller",
            f"{worst:.3f}",
            "<= 1.05",
            worst <= NEAR_IDEAL,
            is_ratio=True,
        ),
        Row("  chunks, the largest", f"{len(chunks)}, {max(each.size_bytes for each in chunks) / _GB:.0f} GB"),
        Row("  cut in", f"{1000 * seconds:.0f} ms"),
    ]


def makespan(sizes: Iterable[int], workers: int = WORKERS) -> int:
    """Give when the last of the workers ends, each taking the next chunk as soon as it is free."""
    free_at = [0] * workers
    for size in sizes:
        heapq.heapreplace(free_at, free_at[0] + size)
    return max(free_at)


def simulated(seed: int, total_bytes: int = _TOTAL_BYTES) -> Simulated:
    """Give a shelf by chance: sizes spread around those of their kind, one directory of two fifths, the rest in a tree."""
    chance = random.Random(seed)
    sizes = [int(_GB * mean * chance.lognormvariate(0, 0.4)) for count, mean in _KINDS for _ in range(count)]
    scale = total_bytes / sum(sizes)
    sizes = [int(size * scale) for size in chance.sample(sizes, len(sizes))]
    return Simulated([_file(number, size, sizes, chance) for number, size in enumerate(sizes)])


def _file(number: int, size: int, sizes: Sequence[int], chance: random.Random) -> OwedFile:
    is_giant = number < GIANT_SHARE * len(sizes)
    place = chance.randrange(_DIRECTORIES)
    directory = b"downloads" if is_giant else b"sorted/%02d/%02d" % (place % 8, place)
    return OwedFile("shelf", directory, number, size, worth_of(Priority.REST, size, is_known=False))


def _ours_of(shelf: Simulated) -> float:
    return makespan(plan.size_bytes for plan in cut(shelf.files, ChunkLimits())) / shelf.ideal
