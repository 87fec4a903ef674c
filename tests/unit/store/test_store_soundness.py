from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from modelshelf.errors import StoreDamaged
from modelshelf.store.soundness import examine
from tests.unit.store.damage import damage_pages, grown

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("is_thorough", [False, True])
def test_a_sound_file_passes_and_one_with_a_bad_page_does_not(tmp_path: Path, *, is_thorough: bool) -> None:
    path = grown(tmp_path / "modelshelf.db")
    examine(path, is_thorough=is_thorough)
    damage_pages(path)
    with pytest.raises(StoreDamaged, match="damaged"):
        examine(path, is_thorough=is_thorough)


def test_an_index_that_lacks_a_row_is_found_by_the_thorough_look_alone(tmp_path: Path) -> None:
    path = grown(tmp_path / "modelshelf.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = sql || ' WHERE id > 5' WHERE name = 'events_by_time'")
        connection.commit()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("REINDEX events_by_time")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, ' WHERE id > 5', '') WHERE name = 'events_by_time'"
        )
        connection.commit()
    examine(path, is_thorough=False)
    with pytest.raises(StoreDamaged, match="events_by_time"):
        examine(path, is_thorough=True)
