"""A shelf for each test; `civitai` is the stand-in that it asks, where a test wants one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.asking import civitai
from tests.unit.steps.step_shelf import StepShelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["civitai", "shelf"]


@pytest.fixture
def shelf(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[StepShelf]:
    stand_in = request.getfixturevalue("civitai") if "civitai" in request.fixturenames else None
    made = StepShelf(tmp_path, stand_in)
    yield made
    made.close()
