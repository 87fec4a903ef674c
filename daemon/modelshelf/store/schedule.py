"""When Civitai was asked about a content and the model above it, and when it is asked next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.store.columns import from_epoch_or_none

if TYPE_CHECKING:
    from datetime import datetime

    from modelshelf.store.database import Database

_SCHEDULE = """SELECT c.next_weights_lookup_at, v.model_id, v.received_at, m.received_at AS model_received_at,
        m.absent_since, m.gone_since, m.next_check_at
    FROM contents c LEFT JOIN versions v ON v.id = c.version_id LEFT JOIN civitai_models m ON m.id = v.model_id
    WHERE c.id = ?"""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The times that the content itself does not have. `model_absent_since`: Civitai shows no such model, `gone`: any more."""

    next_weights_lookup_at: datetime | None = None
    model_id: int | None = None
    version_received_at: datetime | None = None
    model_received_at: datetime | None = None
    model_absent_since: datetime | None = None
    model_gone_since: datetime | None = None
    next_model_check_at: datetime | None = None


def schedule_of(database: Database, content_id: int) -> Schedule:
    """Give the schedule of a content; all of it None where nothing is known of it."""
    row = database.row(_SCHEDULE, (content_id,))
    if row is None:
        return Schedule()
    return Schedule(
        next_weights_lookup_at=from_epoch_or_none(row["next_weights_lookup_at"]),
        model_id=row["model_id"],
        version_received_at=from_epoch_or_none(row["received_at"]),
        model_received_at=from_epoch_or_none(row["model_received_at"]),
        model_absent_since=from_epoch_or_none(row["absent_since"]),
        model_gone_since=from_epoch_or_none(row["gone_since"]),
        next_model_check_at=from_epoch_or_none(row["next_check_at"]),
    )
