"""The mark by which modelshelf knows its own pages again: only a file that carries it is ever overwritten."""

from __future__ import annotations

MARK = '<meta name="generator" content="modelshelf '
"""How the mark begins; our version follows. It stands right after the document's opening."""

MARK_REACH_BYTES = 1024
"""The mark stands within so many first bytes."""


def is_ours(head: bytes) -> bool:
    """Tell whether the first KiB of a file, `head`, says that modelshelf wrote it; whatever follows is not looked at."""
    return MARK.encode() in head[:MARK_REACH_BYTES]
