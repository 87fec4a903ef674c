"""Telling what a file is that should be a model and is a text: a Git LFS pointer, a saved error page, a JSON answer."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from modelshelf.domain.header import Format, Verdict
from modelshelf.formats.contents import Contents

if TYPE_CHECKING:
    from modelshelf.formats.regular_file import RegularFile

_LFS = b"version https://git-lfs.github.com/spec/v1"
_MARKUP = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<error")
_READ_BYTES = 64 * 1024
_SHOWN_CHARACTERS = 200
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_text(file: RegularFile, head: bytes) -> Contents | None:
    """Give what kind of text the file is, None if it is none of those known to be saved as models."""
    start = head.removeprefix(_BYTE_ORDER_MARK).lstrip().lower()
    if start.startswith(_LFS):
        return _lfs_pointer(file)
    if start.startswith(_MARKUP):
        return Contents(Format.HTML, Verdict.BROKEN, _page(file))
    if start.startswith((b"{", b"[")):
        return _json(file)
    return None


def _lfs_pointer(file: RegularFile) -> Contents:
    size = re.search(rb"^size (\d{1,19})\s*$", file.head(_READ_BYTES), re.MULTILINE)
    of_what = f" of {int(size[1]):,} bytes" if size else ""
    return Contents(
        Format.LFS_POINTER, Verdict.BROKEN, f"a Git LFS pointer to a file{of_what}, not the model: run git lfs pull"
    )


def _page(file: RegularFile) -> str:
    text = file.head(_READ_BYTES).decode("utf-8", "replace")
    title = re.search(r"<(title|message)\b[^<>]{0,200}>([^<]{1,500})<", text, re.IGNORECASE)
    said = f' ("{_shown(title[2])}")' if title else ""
    return f"a web page{said}, not the model: the download failed or needs a login; download it again"


def _json(file: RegularFile) -> Contents | None:
    """Give the verdict on JSON text; None for bytes that only begin with a bracket."""
    raw = file.head(_READ_BYTES)
    if b"\0" in raw:
        return None
    message = _message(raw)
    said = f' ("{message}")' if message else ""
    return Contents(
        Format.JSON, Verdict.BROKEN, f"a JSON text{said}, not the model: if it is an error, download the model again"
    )


def _message(raw: bytes) -> str | None:
    try:
        answer = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    for key in ("message", "error", "detail"):
        value = answer.get(key)
        if isinstance(value, dict):
            value = value.get("message")
        if isinstance(value, str) and value.strip():
            return _shown(value)
    return None


def _shown(text: str) -> str:
    line = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(line.split())[:_SHOWN_CHARACTERS]
