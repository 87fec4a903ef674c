"""Make a path or a stranger's text fit for eyes: terminals, logs, pages."""

from __future__ import annotations

import os


def readable(path: bytes | str | os.PathLike[str]) -> str:
    r"""Give `path` as printable text: bytes that are not UTF-8 and control characters appear as ``\x..`` escapes."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
