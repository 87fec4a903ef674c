"""How Python values stand in columns: times, big whole numbers, hostile text, JSON, raw bodies."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from modelshelf.errors import StoreDamaged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelshelf.domain.jsontypes import JsonObject, JsonValue

_INT64 = range(-(2**63), 2**63)
_COMPRESSION_LEVEL = 6


def to_epoch(moment: datetime) -> float:
    """Give seconds since the epoch of an aware time."""
    return moment.timestamp()


def to_epoch_or_none(moment: datetime | None) -> float | None:
    """Give seconds since the epoch, None for None."""
    return None if moment is None else moment.timestamp()


def from_epoch(seconds: float) -> datetime:
    """Give the aware UTC time of an epoch column."""
    return datetime.fromtimestamp(seconds, UTC)


def from_epoch_or_none(seconds: float | None) -> datetime | None:
    """Give the aware UTC time of an epoch column, None for NULL."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def big(number: int) -> int | bytes:
    """Give `number` as SQLite can keep it exactly: beyond 64 bits, which SQLite would refuse, as decimal digits in a BLOB.

    Inode numbers are unsigned 64 bit, and tmpfs and btrfs take an mtime far beyond the year 2262, where nanoseconds
    leave 64 bits.
    """
    return number if number in _INT64 else b"%d" % number


def from_big(value: int | bytes) -> int:
    """Give the number that `big` kept."""
    return int(value)


def text(value: str) -> str:
    r"""Give `value` fit for a TEXT column: a lone surrogate, which SQLite cannot take, becomes a ``\ud800`` escape."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def to_json(value: object) -> str:
    """Give compact ASCII JSON, which may hold any text; keys keep their order."""
    return json.dumps(value, separators=(",", ":"))


def from_json(value: str) -> JsonValue:
    """Give what a JSON column holds; StoreDamaged where it is damaged."""
    try:
        return cast("JsonValue", json.loads(value))
    except ValueError as error:
        raise StoreDamaged(f"a JSON column of the store is damaged: {error}") from error


def id_list(ids: Iterable[int | str]) -> str:
    """Give ids as the JSON that `IN (SELECT value FROM json_each(?))` reads: any number of them in one parameter."""
    return json.dumps(list(ids))


def pack(body: object) -> bytes:
    """Give JSON compressed; keys keep their order, so a body stays as it was received."""
    return zlib.compress(json.dumps(body, separators=(",", ":")).encode("ascii"), _COMPRESSION_LEVEL)


def unpack(packed: bytes) -> JsonObject:
    """Give the JSON object that `pack` kept; StoreDamaged where it is damaged."""
    try:
        return cast("JsonObject", json.loads(zlib.decompress(packed)))
    except (zlib.error, ValueError) as error:
        raise StoreDamaged(f"a compressed body in the store is damaged: {error}") from error
