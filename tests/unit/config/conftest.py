"""Loads configurations from text, in a directory of their own and with nothing but the given environment."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import pytest

from modelshelf.config import Config, load_config
from modelshelf.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

Load: TypeAlias = Callable[..., Config]
Refuse: TypeAlias = Callable[..., list[str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Give a function that loads a text (or bytes) as `FILE` in `tmp_path`."""

    def load_text(text: str | bytes, **environment: str) -> Config:
        file = tmp_path / "FILE"
        content = textwrap.dedent(text).encode() if isinstance(text, str) else text
        file.write_bytes(content)
        return load_config(file, {"HOME": "/home/someone", **environment})

    return load_text


@pytest.fixture
def refuse(load: Load, tmp_path: Path) -> Refuse:
    """Give a function that loads a text and gives the lines of the ConfigError, `FILE` without its directory."""

    def refuse_text(text: str | bytes, **environment: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, **environment)
        return str(caught.value).replace(f"{tmp_path}/", "").split("\n")

    return refuse_text
