"""How asking Civitai goes: what keeps it from answering, and how much was asked. For `status`, which is another process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 -- pydantic looks at it

from pydantic import TypeAdapter, ValidationError

CIVITAI_STANDING = "civitai"
"""The name under which the daemon keeps them."""

EVERY_ENDPOINT = "*"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an endpoint is not asked now, since when, and when it is tried again; `*` stands for every endpoint."""

    endpoint: str
    reason: str
    since: datetime
    asked_again_at: datetime
    is_forbidden: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the questions since the client was built. `renewed` ones were sent, and answered "as you have it"."""

    sent: int = 0
    renewed: int = 0
    from_memory: int = 0
    from_disk: int = 0


@dataclass(frozen=True, slots=True)
class ApiVitals:
    """How the API does. `paused_until`: it asked everyone to slow down."""

    paused_until: datetime | None = None
    troubles: tuple[Trouble, ...] = ()
    counts: Counts = Counts()

    @property
    def ailing(self) -> frozenset[str]:
        """The endpoints that are not asked."""
        return frozenset(each.endpoint for each in self.troubles)


def to_json(vitals: ApiVitals) -> str:
    """Give the vitals as JSON text."""
    return TypeAdapter(ApiVitals).dump_json(vitals).decode()


def from_json(document: str | None) -> ApiVitals | None:
    """Give the vitals that `to_json` wrote, None for anything else."""
    if document is None:
        return None
    try:
        return TypeAdapter(ApiVitals).validate_json(document)
    except ValidationError:
        return None
