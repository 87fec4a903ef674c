"""A clinic for the shelf of the commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.clock import FakeClock
from tests.unit.cli.checkup.clinic import NOW, Clinic

if TYPE_CHECKING:
    from tests.unit.cli.cli_shelf import CliShelf


@pytest.fixture
def clinic(shelf: CliShelf) -> Clinic:
    return Clinic(shelf, FakeClock(NOW))
