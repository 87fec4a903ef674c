"""Sizes, times and numbers as people read them; the same everywhere on earth, so that the same page has the same bytes."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from modelshelf.domain.run import RunStatistics

_STEP = 1024
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_WORDS_OF_COUNTS = {
    "total": ("file", "files"),
    "added": ("added", "added"),
    "updated": ("changed", "changed"),
    "moved": ("moved", "moved"),
    "missing": ("missing", "missing"),
    "errors": ("error", "errors"),
    "hashes_calculated": ("hashed", "hashed"),
    "hashes_skipped": ("not hashed", "not hashed"),
    "verified": ("verified", "verified"),
    "rotten": ("damaged", "damaged"),
}


def size_text(size_bytes: int) -> str:
    """Give a size with one digit after the point: ``1.9 GiB``."""
    amount, rank = float(size_bytes), 0
    while round(amount, 1) >= _STEP and rank < len(_UNITS) - 1:
        amount /= _STEP
        rank += 1
    return f"{amount:.1f} {_UNITS[rank]}" if rank else f"{size_bytes} B"


def date_text(moment: datetime) -> str:
    """Give the day in UTC: ``2026-10-03``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d")


def time_text(moment: datetime) -> str:
    """Give day and minute in UTC: ``2026-10-03 14:05 UTC``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def count_text(count: int, one: str, many: str) -> str:
    """Give a number with its word: ``1 model``, ``1,204 models``."""
    return f"{count:,} {one if count == 1 else many}"


def shortened(text: str, limit: int) -> str:
    """Give at most `limit` characters of `text`, with an ellipsis where something was cut off."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def statistics_text(statistics: RunStatistics) -> str:
    """Give what a run did, without what it did not: ``247 files, 12 added, 3 hashed``."""
    told = [count_text(getattr(statistics, name), *words) for name, words in _WORDS_OF_COUNTS.items()]
    return ", ".join(each for each in told if not each.startswith("0 ")) or "nothing new"
