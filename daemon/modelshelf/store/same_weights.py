"""Contents with the same weights under other headers: what one of them is, the others are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.domain.hashes import EMPTY_AUTOV3

if TYPE_CHECKING:
    from modelshelf.store.database import Database

_BY_HASHES = "CASE WHEN known.pinned_version_id IS NULL THEN known.version_id ELSE known.unpinned_version_id END"
_KNOWN = f"""SELECT {_BY_HASHES} AS version_id FROM contents new
        JOIN contents known ON known.autov3 = new.autov3 AND {_BY_HASHES} IS NOT NULL
    WHERE new.id = ? AND new.version_id IS NULL AND new.autov3 <> '{EMPTY_AUTOV3}'
    ORDER BY known.matched_by = 'file' DESC, known.id LIMIT 1"""  # noqa: S608 - constants only
_BELIEVE = """UPDATE contents SET version_id = ?, matched_by = 'weights', next_weights_lookup_at = NULL WHERE id = ?"""


def believe_same_weights(database: Database, content_id: int) -> int | None:
    """Have an unknown content be the version that another one with its weights is; gives it, None where nobody knows.

    What a person chose for other bytes is said of these alone.
    """
    with database.transaction():
        row = database.row(_KNOWN, (content_id,))
        if row is None:
            return None
        database.execute(_BELIEVE, (row["version_id"], content_id))
        return int(row["version_id"])
