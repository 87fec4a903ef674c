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


def thumbnail_url(image: RemoteImage, width: int) -> str:
    """Give the address of `image` scaled to `width` pixels, of a video its first frame as JPEG.

    Addresses that do not follow the grammar, and sounds, are given back unchanged.
    """
    try:
        parts = urlsplit(image.url)
    except ValueError:
        return image.url
    match = _PATH.fullmatch(parts.path)
    if match is None or image.type == "audio":
        return image.url
    name = match["name"] or ""
    parameters = f"width={width}"
    if image.type == "video":
        parameters = f"anim=false,transcode=true,{parameters}"
        name = re.sub(r"\.[^./]*$", "", name) + ".jpeg" if name else ""
    return parts._replace(path=f"{match['before'] or ''}/{parameters}{name}").geturl()
