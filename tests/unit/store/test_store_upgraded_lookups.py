"""What an older store knew of Civitai is asked for again in its turn, and not all at once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.content import Match
from modelshelf.domain.hashes import EMPTY_AUTOV3
from modelshelf.domain.task import Priority, TaskKind
from modelshelf.store.columns import pack
from modelshelf.store.database import Database
from modelshelf.store.migrations import MIGRATIONS
from modelshelf.store.store import Store
from tests.unit.store.store_builders import DAY, NOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ASKED_AT = NOW.timestamp()


@pytest.fixture
def upgraded(tmp_path: Path) -> Iterator[Store]:
    """Give a store of the schema before: content 1 is known, 2 to 4 are not, 5 was never asked for."""
    path = tmp_path / "modelshelf.db"
    Database.open(path, MIGRATIONS[:3]).close()
    with closing(sqlite3.connect(path)) as old:
        old.execute("INSERT INTO folders (id, path) VALUES ('a', '/models')")
        contents = (
            (1, 11, "1" * 12),
            (2, None, "2" * 12),
            (3, None, EMPTY_AUTOV3),
            (4, None, "4" * 12),
            (5, None, None),
        )
        for number, version_id, autov3 in contents:
            asked_at = None if number == 5 else ASKED_AT
            next_at = None if version_id else ASKED_AT + 7200
            old.execute(
                """INSERT INTO contents (id, size_bytes, sha256, blake3, autov2, autov3, crc32, hashed_at, version_id,
                    looked_up_at, next_lookup_at, lookup_priority) VALUES (?, 1, ?, '', '', ?, '', 1.0, ?, ?, ?, 30)""",
                (number, f"{number}", autov3, version_id, asked_at, next_at),
            )
            old.execute(
                """INSERT INTO files (id, folder_id, directory, name, size_bytes, mtime_ns, ctime_ns, inode, priority,
                    first_seen_at, last_changed_at, scan_phase, content_id)
                    VALUES (?, 'a', x'', ?, 1, 1, 1, 1, 10, 0, 0, 1, ?)""",
                (number, b"%d" % number, number),
            )
            file_format = "torch_zip" if number == 4 else "safetensors"
            body = pack({})
            old.execute(
                "INSERT INTO headers (file_id, format, verdict, body) VALUES (?, ?, 'sound', ?)",
                (number, file_format, body),
            )
        old.execute("INSERT INTO versions VALUES (11, 7, ?, ?)", (pack({"id": 11}), ASKED_AT))
        old.execute("INSERT INTO models (id, body, received_at) VALUES (7, ?, ?)", (pack({"id": 7}), ASKED_AT))
        old.execute("INSERT INTO models (id, absent_since) VALUES (8, ?)", (ASKED_AT,))
        old.commit()
    store = Store.open(path)
    yield store
    store.close()


def test_what_is_known_is_asked_for_a_month_after_the_last_time_at_rest(upgraded: Store) -> None:
    content = upgraded.contents.get(1)
    assert content is not None
    assert (content.matched_by, content.next_lookup_at) == (Match.FILE, NOW + 30 * DAY)
    assert upgraded.contents.next_to_look_up(Priority.REST, NOW + 40 * DAY, 9) == []


def test_only_safetensors_that_were_unknown_are_asked_for_by_their_weights(upgraded: Store) -> None:
    found = upgraded.database.rows("SELECT id FROM contents WHERE next_weights_lookup_at IS NOT NULL")
    assert [row["id"] for row in found] == [2]


def test_models_are_asked_for_when_their_week_is_over(upgraded: Store) -> None:
    assert upgraded.remote.is_fresh(7, NOW + 6 * DAY)
    assert upgraded.remote.is_fresh(8, NOW + 6 * DAY)
    assert not upgraded.remote.is_fresh(7, NOW + 7 * DAY)
    assert upgraded.journal.owed(until=NOW + 7 * DAY)[TaskKind.ENRICH_MODEL] == 1
