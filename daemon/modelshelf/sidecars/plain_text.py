"""A stranger's HTML as plain text, for tools whose fields hold none.

No sanitiser: what comes out is text and must be escaped like any text. Every pass is linear; parsers that build trees were
measured to need minutes for a few hundred kilobytes of nested tags.
"""

from __future__ import annotations

import html
import re

LONGEST_CHARACTERS = 20_000
"""A1111 puts every description into the page of all cards; the whole text stands in `<stem>.civitai.info`."""

_LONGEST_HTML_CHARACTERS = 1_000_000
_PROMPT_WORDS = r"(?:lora|lyco|lycoris|hypernet|embedding|wildcard)\s*:"
_TAG = re.compile(rf"(<(?!{_PROMPT_WORDS})[a-zA-Z/!?][^<>]*>)", re.IGNORECASE)
_TAG_NAME = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|[a-zA-Z]+);")
_LONG_NUMBER = re.compile(r"&#(?:\d{8,}|[xX][0-9a-fA-F]{8,});?")
"""No character has such a number, and Python refuses to read the longest of them."""
_BLANKS = re.compile(r"[^\S\n]+")
_EMPTY_LINES = re.compile(r"\n{3,}")
_BLOCK = re.compile(r"p|div|br|hr|[uo]l|table|tr|blockquote|pre|h[1-6]|section|article")
_SILENT = frozenset({"script", "style"})


def plain_text(text: str) -> str:
    """Give the words of HTML, a line per paragraph or list item; text without tags stays as it is. Never over the limit."""
    text = text[:_LONGEST_HTML_CHARACTERS].encode("utf-8", "replace").decode()
    if _TAG.search(text):
        text = _without_tags(text)
    if _ENTITY.search(text):
        text = _TAG.sub("", html.unescape(_LONG_NUMBER.sub("\ufffd", text)))
    return _shortened(_tidied(text))


def _without_tags(text: str) -> str:
    words: list[str] = []
    silenced_by = ""
    for piece in _TAG.split(text):
        tag = _TAG_NAME.match(piece) if piece.startswith("<") else None
        closes, name = (tag[1], tag[2].lower()) if tag else ("", "")
        if silenced_by:
            silenced_by = "" if closes and name == silenced_by else silenced_by
        elif name in _SILENT and not closes:
            silenced_by = name
        else:
            words.append(_word(piece, closes, name))
    return "".join(words)


def _word(piece: str, closes: str, name: str) -> str:
    if name == "li":
        return "" if closes else "\n- "
    if _BLOCK.fullmatch(name):
        return "\n"
    return "" if _TAG.fullmatch(piece) else piece.replace("\n", " ")


def _tidied(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = (_BLANKS.sub(" ", line).strip() for line in text.split("\n"))
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip()


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_CHARACTERS else text[: LONGEST_CHARACTERS - 1].rstrip() + "…"
