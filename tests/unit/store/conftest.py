"""A store in a directory of its own, with two folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.store.store import Store
from tests.unit.store.store_builders import folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Give an open store that knows the folders `a` and `b`."""
    opened = Store.open(tmp_path / "state" / "modelshelf.db")
    opened.folders.sync([folder("a"), folder("b")])
    yield opened
    opened.close()
