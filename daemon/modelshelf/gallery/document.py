"""One self-contained HTML document: a template with its style and script inside, and a policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from modelshelf.gallery.links import relative_href
from modelshelf.gallery.mark import MARK
from modelshelf.gallery.sanitise import without_unfit
from modelshelf.gallery.units import count_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment

_ROOM = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Design:
    """A template, and the style sheets and scripts that are put into it."""

    template: str
    styles: tuple[str, ...]
    scripts: tuple[str, ...]


def render_document(design: Design, values: Mapping[str, Any], version: str) -> str:
    """Fill the template; the result can be encoded as UTF-8 whatever strangers put into `values`.

    The same values give the same text, so an unchanged page need not be written again.
    """
    style, script = _joined(design.styles), _joined(design.scripts)
    html = (
        _environment()
        .get_template(design.template)
        .render(
            values,
            generator=Markup('{}{}">').format(Markup(MARK), version),  # noqa: S704 - our own constant
            policy=_policy(style, script),
            style=style,
            script=script,
        )
    )
    return without_unfit(html)


def _policy(style: str, script: str) -> str:
    """Give the Content-Security-Policy; `file:` because only Chromium lets 'self' match a page opened from disk."""
    return "; ".join(
        (
            "default-src 'none'",
            "img-src 'self' data: file:",
            "media-src 'self' file:",
            f"style-src '{_digest(style)}'",
            f"script-src '{_digest(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _joined(names: tuple[str, ...]) -> Markup:
    texts = ((_ROOM / "assets" / name).read_text("utf-8") for name in names)
    return Markup("\n".join(texts))  # noqa: S704 - our own files


@cache
def _environment() -> Environment:
    # Imported when the first page is due: 50 ms and some MB that an idle daemon does not need.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(_ROOM / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(href=relative_href, count=count_text)
    return environment
