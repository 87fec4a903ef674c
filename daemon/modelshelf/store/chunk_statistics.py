"""What chunks add up to: how many, how long they take, how fast each device is, and what made some of them fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.chunk import ChunkState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelshelf.store.database import Database

_SUMS = """SELECT state, count(*) AS chunks, total(file_count) AS files, total(done_files) AS done_files,
        total(failed_files) AS failed_files, total(size_bytes) AS size_bytes, total(done_bytes) AS done_bytes
    FROM chunks GROUP BY state"""
_TIMES = """SELECT avg(busy_seconds) AS mean, max(busy_seconds) AS longest FROM chunks
    WHERE ended_at IS NOT NULL AND busy_seconds > 0"""
_SPEEDS = """SELECT device, count(*) AS chunks, total(done_bytes - earlier_bytes) / total(busy_seconds) AS speed FROM chunks
    WHERE busy_seconds > 0 GROUP BY device ORDER BY device"""
_REASONS = """SELECT reason, count(*) AS chunks, total(failed_files) AS files FROM chunks
    WHERE ended_at IS NOT NULL AND reason IS NOT NULL GROUP BY reason ORDER BY chunks DESC, reason"""


@dataclass(frozen=True, slots=True)
class ChunkSums:
    """The chunks of one state taken together."""

    chunks: int = 0
    files: int = 0
    done_files: int = 0
    failed_files: int = 0
    size_bytes: int = 0
    done_bytes: int = 0


@dataclass(frozen=True, slots=True)
class DeviceSpeed:
    """How fast one reader read a device, over all chunks that are remembered."""

    device: str
    chunks: int
    bytes_per_second: float


@dataclass(frozen=True, slots=True)
class ChunkFailure:
    """Why chunks failed, or ended with files that did; how many chunks, and how many files in them."""

    reason: str
    chunks: int
    files: int


@dataclass(frozen=True, slots=True)
class ChunkStatistics:
    """`mean_seconds` and `longest_seconds` are of chunks that ended, without the time they were held; None where none did."""

    sums: Mapping[ChunkState, ChunkSums]
    mean_seconds: float | None
    longest_seconds: float | None
    speeds: Sequence[DeviceSpeed]
    failures: Sequence[ChunkFailure]


def chunk_statistics(database: Database) -> ChunkStatistics:
    """Add up all chunks that are planned, running, or remembered."""
    found = {row["state"]: row for row in database.rows(_SUMS)}
    names = ChunkSums.__slots__
    times = database.rows(_TIMES)[0]
    return ChunkStatistics(
        sums={
            state: ChunkSums(**{name: int(found[state][name]) for name in names}) if state in found else ChunkSums()
            for state in ChunkState
        },
        mean_seconds=times["mean"],
        longest_seconds=times["longest"],
        speeds=[DeviceSpeed(row["device"], row["chunks"], row["speed"]) for row in database.rows(_SPEEDS)],
        failures=[ChunkFailure(row["reason"], row["chunks"], int(row["files"])) for row in database.rows(_REASONS)],
    )
