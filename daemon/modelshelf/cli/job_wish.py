"""What CivitScraper's own options ask for."""

from __future__ import annotations

from typing import NamedTuple


class JobWish(NamedTuple):
    """What CivitScraper's own options ask for, where no command is named."""

    name: str | None
    is_all: bool
    is_dry_run: bool
    is_forced: bool
