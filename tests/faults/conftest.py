"""What the fault tests share."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.asking import civitai
from tests.faults.grounds import mounted
from tests.faults.living_shelf import Told
from tests.faults.offline_daemon import make_impatient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["civitai", "impatient", "small_disk", "told"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of 24 MB."""
    command = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", str(tmp_path / "disk")]
    with mounted(command, tmp_path / "disk") as point:
        yield point


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nobody wait for long."""
    make_impatient(monkeypatch)


@pytest.fixture
def told() -> Iterator[Told]:
    """Give what is logged in this process."""
    with closing(Told()) as made:
        yield made
