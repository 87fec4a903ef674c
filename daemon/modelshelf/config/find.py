"""Where the configuration file is looked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARIABLES = ("MODELSHELF_CONFIG", "CIVITSCRAPER_CONFIG")
NAMES_HERE = ("modelshelf.yaml", "modelshelf.yml", "civitscraper.yaml", "civitscraper.yml", "config/default.yaml")
SYSTEM_CONFIG = Path("/etc/modelshelf/config.yaml")


def find_config(explicit: Path | None, environment: Mapping[str, str], directory: Path) -> Path | None:
    """Give the file to read: `explicit`, what a variable names, or the first that is there; None if there is none.

    A file that is named is given even if it is missing: falling back to another one would hide the slip.
    """
    if explicit is not None:
        return explicit
    for name in VARIABLES:
        if environment.get(name):
            return directory / environment[name]
    return next((each for each in _places(environment, directory) if os.path.isfile(each)), None)  # noqa: PTH113 -- isfile answers for directories that may not be entered, too


def _places(environment: Mapping[str, str], directory: Path) -> Iterator[Path]:
    yield from (directory / name for name in NAMES_HERE)
    home = environment.get("HOME")
    settings = environment.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else None)
    if settings:
        yield Path(settings) / "modelshelf" / "config.yaml"
        yield Path(settings) / "civitscraper" / "config.yaml"
    if home:
        yield Path(home) / ".civitscraper.yaml"
    yield SYSTEM_CONFIG
