"""Make a path or a stranger's text fit for eyes: terminals, logs, pages."""

from __future__ import annotations

import os


def readable(path: bytes | str | os.PathLike[str]) -> str:
    r"""Give `path` as printable text: bytes that are not UTF-8 and control characters appear as ``\x..`` escapes."""
    raw = os.fspath(path)
    raw = (
        raw.encode("utf-8", "surrogateescape" if _is_path_text(raw) else "backslashreplace")
        if isinstance(raw, str)
        else raw
    )
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _is_path_text(text: str) -> bool:
    """Tell whether all surrogates in `text` stand for bytes, as in names; JSON from strangers may hold any."""
    return not any("\ud800" <= each <= "\udfff" and not "\udc80" <= each <= "\udcff" for each in text)
