"""Strangers' HTML made harmless: what is left formats text and links to the web, and can do nothing else."""

from __future__ import annotations

import re

import nh3
from markupsafe import Markup, escape

PROSE_LIMIT = 50_000
"""Characters of one description that are shown. html5ever takes quadratic time over deep nesting: 0.4 s here, 20 s at 500,000."""

_TEXT_TAGS = {
    "a",
    "b",
    "br",
    "code",
    "del",
    "em",
    "i",
    "ins",
    "kbd",
    "mark",
    "q",
    "s",
    "small",
    "strong",
    "sub",
    "sup",
    "u",
}
_BLOCK_TAGS = {"blockquote", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "p", "pre"}
_LIST_TAGS = {"dd", "dl", "dt", "li", "ol", "ul"}
_TABLE_TAGS = {"table", "tbody", "td", "th", "thead", "tr"}
_TAGS = _TEXT_TAGS | _BLOCK_TAGS | _LIST_TAGS | _TABLE_TAGS
_DROPPED_WITH_CONTENT = frozenset(
    ["script", "style", "iframe", "noscript", "template", "title", "textarea", "svg", "math"]
)
_FORMATTING_WITH_ATTRIBUTES = re.compile(
    r"<(b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)(?![a-z0-9])[^>]*>", re.IGNORECASE
)
_ANY_TAG = re.compile(rf"</?({'|'.join(sorted(_TAGS))}|span|font|img)(\s[^<>]*)?/?>", re.IGNORECASE)
_UNFIT = re.compile("[\ud800-\udfff\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def without_unfit(text: str) -> str:
    """Give `text` with a replacement mark for what no UTF-8 file or HTML parser takes: lone surrogates and controls."""
    return _UNFIT.sub("\ufffd", text)


def prose(text: str) -> Markup:
    """Give a description as safe HTML: formatting is kept where there is any, plain text keeps its line breaks."""
    shown = without_unfit(text[:PROSE_LIMIT])
    cleaned = _sanitised(shown) if _ANY_TAG.search(shown) else _paragraphs(shown)
    if len(text) > PROSE_LIMIT:
        cleaned += Markup("<p>(The rest is left out here.)</p>")
    return cleaned


def _sanitised(html: str) -> Markup:
    # Formatting elements with differing attributes are reopened without limit in every paragraph (HTML standard,
    # "reconstruct the active formatting elements"); without attributes there are never more than three of a kind.
    plain = _FORMATTING_WITH_ATTRIBUTES.sub(r"<\1>", html)
    cleaned = nh3.clean(
        plain,
        tags=_TAGS,
        clean_content_tags=_DROPPED_WITH_CONTENT,
        attributes={"a": {"href"}},
        url_schemes={"http", "https"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
    )
    if len(cleaned) > 2 * PROSE_LIMIT:
        return _paragraphs(nh3.clean(plain, tags=set())[:PROSE_LIMIT])
    return Markup(cleaned)  # noqa: S704 - this is where text becomes markup, after nh3


def _paragraphs(text: str) -> Markup:
    return Markup('<div class="plain">{}</div>').format(escape(text))
