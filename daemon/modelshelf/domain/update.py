"""An Update: a version on Civitai that is newer than what is on the shelf of its model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class Access(StrEnum):
    """What a version costs: nothing, something for now, something for good."""

    FREE = "free"
    EARLY = "early"
    PAID = "paid"


@dataclass(frozen=True, slots=True)
class Update:
    """A version that could be had. `is_same_base`: a version on the shelf has the same base model.

    `noticed_at` and `is_muted` are the catalog's own: when it was seen first, and whether nobody wants to hear of it.
    """

    model_id: int
    version_id: int
    name: str | None
    base_model: str | None
    published_at: str
    is_same_base: bool
    access: Access
    noticed_at: datetime | None = None
    is_muted: bool = False
