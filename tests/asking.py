"""A stand-in for Civitai, and a shelf that asks it: the fixtures of every room that has both. A conftest names those it wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.civitai_server import CivitaiStandIn
from tests.unit.steps.step_shelf import StepShelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def civitai() -> Iterator[CivitaiStandIn]:
    """Give a stand-in for Civitai."""
    with CivitaiStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def shelf(tmp_path: Path, civitai: CivitaiStandIn) -> Iterator[StepShelf]:
    """Give a shelf that asks it."""
    made = StepShelf(tmp_path, civitai)
    yield made
    made.close()
