"""Contents: what the reader of one format found in a file, before anyone recognises what the tensors make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from modelshelf.domain.header import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelshelf.domain.header import Format
    from modelshelf.domain.jsontypes import JsonValue

_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Contents:
    """`shapes` are in torch's order; `dtypes` counts bytes per tensor type; `reason` speaks to a person."""

    format: Format
    verdict: Verdict
    reason: str | None = None
    declared_size_bytes: int | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    dtypes: Mapping[str, int] = field(default_factory=dict)
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)


class Judgement(NamedTuple):
    """A verdict and what a person is told of it."""

    verdict: Verdict
    reason: str | None = None


def judge_length(size_bytes: int, declared_size_bytes: int) -> Judgement:
    """Compare a file's length with the one it declares: shorter may still grow, longer is not what its header describes."""
    if size_bytes < declared_size_bytes:
        return Judgement(
            Verdict.INCOMPLETE, f"has {size_bytes:,} bytes of the {declared_size_bytes:,} that its header declares"
        )
    if size_bytes > declared_size_bytes:
        return Judgement(Verdict.BROKEN, f"has {size_bytes:,} bytes, but its header declares {declared_size_bytes:,}")
    return Judgement(Verdict.SOUND)


def shown(name: str) -> str:
    """Give a name out of a file, quoted, for a reason that a person reads: no longer than a line."""
    return repr(name if len(name) <= _SHOWN_CHARACTERS else name[:_SHOWN_CHARACTERS] + "...")
