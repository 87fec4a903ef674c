"""`verify`: how much of the shelf is read again in a night, to find rot."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from modelshelf.config.sections.section import Section
from modelshelf.config.sections.values import Seconds, parse_duration, parse_size
from modelshelf.domain.verification import Measure, Share, VerifySettings

if TYPE_CHECKING:
    from collections.abc import Callable

_WANTED = "must be a share of the shelf such as 4 %, a size such as 200 GB, or a time such as 90 min"
_WHOLE = 100


def _share_text(value: Any) -> str:
    text = str(value)
    share_of(text)
    return text


def share_of(text: str) -> Share:
    """Read ``4 %``, ``200 GB`` or ``90 min``; ValueError for anything else, and for nothing at all."""
    if text.strip().endswith("%"):
        share = Share(_number(text.strip()[:-1]))
        is_some = 0 < share.amount <= _WHOLE
    else:
        size, seconds = _given(parse_size, text), _given(parse_duration, text)
        share = Share(size, Measure.BYTES) if size is not None else Share(seconds or 0.0, Measure.SECONDS)
        is_some = share.amount > 0 and not _is_bare(text)
    if not is_some:
        raise ValueError(_WANTED)
    return share


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(_WANTED) from error


def _given(parse: Callable[[str], float | None], text: str) -> float | None:
    try:
        return parse(text)
    except ValueError:
        return None  # budget: the other reading of it may fit, and `share_of` says where none does


def _is_bare(text: str) -> bool:
    return text.strip().replace(".", "", 1).isdigit()


def _some(seconds: float) -> float:
    if seconds > timedelta.max.total_seconds():
        raise ValueError("must be a time that ends")
    return seconds


class Verify(Section):
    """`verify`. When it is done say the jobs of type `verify`."""

    per_night: Annotated[str, BeforeValidator(_share_text)] = Field(
        default="4 %",
        description="How much is read again in a night: a share of the shelf (`4 %`), a size (`200 GB`) or a time (`90 min`)",
    )
    min_age: Annotated[Seconds, AfterValidator(_some)] = Field(
        default=30 * 86_400, description="What was read within this time is left in peace"
    )

    def to_settings(self) -> VerifySettings:
        """Give what the verification is told."""
        return VerifySettings(share_of(self.per_night), timedelta(seconds=self.min_age))
