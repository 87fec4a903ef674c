"""Addresses of Civitai's image edge: `<host>/<account>/<uuid>/<key=value,...>/<name>.<ext>`.

The grammar is that of `edge-url.ts` in civitai/civitai; old records have no name after the parameters. The extension
says what kind of entry it is, never what the bytes are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from modelshelf.domain.civitai import RemoteImage

_KEYS = "anim|transcode|width|height|original|fit|blur|quality|gravity|metadata|background|gamma|optimized|skip"  # edge-url.ts
_ONE = rf"(?:{_KEYS})=[^/,=]*"
_PATH = re.compile(rf"(?P<before>/.*)?/(?P<parameters>{_ONE}(?:,{_ONE})*)(?P<name>/[^/]+)?")


_WIDTHS = (96, 320, 450, 512, 800, 1200, 1600, 2200)
"""What the edge keeps: another width is made anew for whoever asks, and comes out as the next of these."""


def thumbnail_url(image: RemoteImage, width: int) -> str:
    """Give the address of `image` scaled to `width` pixels or the next width up, of a video its first frame as JPEG.

    Addresses that do not follow the grammar, and sounds, are given back unchanged.
    """
    if image.type == "audio":
        return image.url
    if image.type == "video":
        return _rewritten(image.url, f"anim=false,transcode=true,width={_kept_width(width)}", ".jpeg")
    return _rewritten(image.url, f"width={_kept_width(width)}")


def clip_url(video: RemoteImage, width: int) -> str:
    """Give the address of `video` as a small clip of this width or the next; unchanged where it does not follow the grammar."""
    return _rewritten(video.url, f"transcode=true,width={_kept_width(width)},optimized=true", ".mp4")


def _kept_width(width: int) -> int:
    return next((each for each in _WIDTHS if each >= width), _WIDTHS[-1])


def _rewritten(url: str, parameters: str, suffix: str | None = None) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    match = _PATH.fullmatch(parts.path)
    if match is None:
        return url
    name = match["name"] or ""
    if suffix is not None and name:
        name = re.sub(r"\.[^./]*$", "", name) + suffix
    return parts._replace(path=f"{match['before'] or ''}/{parameters}{name}").geturl()
