"""How much room a file system has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.errors import FileGone
from modelshelf.shelf.room import room_at

if TYPE_CHECKING:
    from pathlib import Path


def test_a_real_disk_is_asked(tmp_path: Path) -> None:
    room = room_at(tmp_path)
    assert 0 <= room.free_bytes <= room.size_bytes
    assert room.size_bytes > 0
    assert room.device == tmp_path.stat().st_dev


def test_a_path_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(FileGone, match="cannot look at"):
        room_at(tmp_path / "nowhere")
