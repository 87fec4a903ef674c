"""What a person probably meant: the nearest known word for a misspelt one."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Give the known word nearest to `word` whatever its case, None if nothing is near."""
    by_lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """Give `; did you mean ...?` for the end of an error, empty if nothing is near."""
    found = nearest(word, known)
    return f"; did you mean {found}?" if found else ""
