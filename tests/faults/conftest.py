"""What the fault tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.civitai_server import CivitaiStandIn

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def civitai() -> Iterator[CivitaiStandIn]:
    """Give a stand-in for Civitai."""
    with CivitaiStandIn() as stand_in:
        yield stand_in
