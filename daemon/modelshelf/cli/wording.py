"""Values as a person reads them and as JSON carries them: times, spans, paths, numbers with their words."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from modelshelf.domain.display import readable
from modelshelf.gallery.units import count_text, shortened, size_text, statistics_text

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.domain.run import RunStatistics

__all__ = ["count_text", "shortened", "size_text", "statistics_text"]

_SPANS = ((86_400 * 365, "year"), (86_400, "day"), (3600, "h"), (60, "min"), (1, "s"))
_WORDS_OF_A_SPAN = {"year", "day"}
_LONGEST_VALUE = 200


def span_text(span: timedelta) -> str:
    """Give a span by its largest unit, rounded down: ``3 days``, ``5 h``, ``12 min``."""
    seconds = int(abs(span.total_seconds()))
    for length, unit in _SPANS:
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'s' if unit in _WORDS_OF_A_SPAN and count > 1 else ''}"
    return "0 s"


def when_text(moment: datetime | None, now: datetime) -> str:
    """Give a time where the reader is, and how far away it is: ``2026-10-03 14:05:00 (3 min ago)``; ``never`` for None."""
    if moment is None:
        return "never"
    distance = moment - now
    span = span_text(distance)
    relative = f"in {span}" if distance > timedelta(0) else f"{span} ago"
    return f"{moment.astimezone().strftime('%Y-%m-%d %H:%M:%S')} ({relative})"


def moment_json(moment: datetime | None) -> str | None:
    """Give a time as ISO 8601 in UTC, None for None."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def path_json(path: bytes | str | os.PathLike[str], key: str = "path") -> JsonObject:
    """Give a path as text under `key`; one that is not UTF-8 also comes whole, in base64, under ``<key>_bytes``."""
    raw = os.fsencode(path)
    try:
        return {key: raw.decode("utf-8")}
    except UnicodeDecodeError:
        return {key: readable(raw), f"{key}_bytes": base64.b64encode(raw).decode("ascii")}


def value_text(value: JsonValue) -> str:
    """Give the value of a field on one line, cut where it is long; text from strangers is made fit for a terminal."""
    if isinstance(value, list):
        value = ", ".join(value_text(each) for each in value)
    elif isinstance(value, dict):
        value = ", ".join(f"{key}: {value_text(each)}" for key, each in value.items())
    elif isinstance(value, bool):
        value = "yes" if value else "no"
    text = " ".join(str(value).split())
    return shortened(readable(text.encode("utf-8", "backslashreplace")), _LONGEST_VALUE)


def statistics_json(statistics: RunStatistics) -> JsonObject:
    """Give the counts of a run by their names."""
    return {name: getattr(statistics, name) for name in statistics.__slots__}
