"""A Decision: what a person said about a Content. It outlasts every look-up, and nothing but a person takes it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from modelshelf.domain.jsontypes import JsonValue

PIN = "pin"
"""Which version on Civitai these bytes are, whatever their hashes say; the value is its id."""

IGNORE = "ignore"
"""Civitai is never asked about these bytes and nothing is written beside them; the value is true."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision. `matter` is `PIN`, `IGNORE`, or the name of the Field whose `value` a person gave."""

    matter: str
    value: JsonValue
    decided_by: str
    decided_at: datetime
