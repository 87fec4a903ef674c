"""A shelf with a configuration of its own, on which commands are run as a person runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.cli_shelf import CliShelf

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shelf(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CliShelf:
    """Give a shelf with the folders `loras` and `checkpoints`, about which nothing is recorded yet."""
    for name in ("MODELSHELF_CONFIG", "CIVITSCRAPER_CONFIG", "STATE_DIRECTORY", "CONFIG_DATA_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    # What these set up belongs to the whole process, and to all the tests that come after.
    monkeypatch.setattr("modelshelf.logs.configure", lambda *_: None)
    monkeypatch.setattr("modelshelf.cli.waiting.configure", lambda *_: None)
    return CliShelf(tmp_path, capsys)
