"""Real pictures for the stand-in's image edge."""

from __future__ import annotations

import io
import re
from functools import lru_cache
from pathlib import PurePosixPath

from PIL import Image

from tests.fakes.civitai_wire import Reply, error_reply

ORIGINAL_WIDTH = 832
_LARGEST_WIDTH = 2200
_CLIP = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom\x00\x00\x00\x08mdat"


def picture_reply(route: str) -> Reply:
    """Answer `/images/<uuid>/<parameters>/<id>.<ext>` as `edge-url.ts` of civitai/civitai reads it."""
    parts = PurePosixPath(route).parts
    if len(parts) < 5 or "=" not in parts[-2]:
        return error_reply("Image not found", 404)
    parameters = dict(each.partition("=")[::2] for each in parts[-2].split(","))
    name = PurePosixPath(parts[-1])
    if name.suffix == ".mp4" and parameters.get("anim") != "false":
        return Reply(200, _CLIP, "video/mp4", {"Cache-Control": "public, max-age=31536000"})
    width = parameters.get("width", "")
    width_px = min(int(width), _LARGEST_WIDTH) if width.isdecimal() and int(width) else ORIGINAL_WIDTH
    return Reply(200, picture(name.stem, width_px), "image/jpeg", {"Cache-Control": "public, max-age=31536000"})


def is_png(stem: str) -> bool:
    """Tell whether the picture of this id is PNG under a name ending in .jpeg: every third one is."""
    digits = re.sub(r"\D", "", stem)
    return bool(digits) and int(digits) % 3 == 0


@lru_cache(maxsize=64)
def picture(stem: str, width: int) -> bytes:
    """Draw a gradient in a colour of its own for each id, three parts high to two wide."""
    seed = sum(stem.encode()) * 2654435761
    colour = tuple(64 + (seed >> shift) % 160 for shift in (4, 12, 20))
    height = max(width * 3 // 2, 1)
    shade = Image.linear_gradient("L").resize((width, height))
    drawn = Image.composite(Image.new("RGB", (width, height), colour), Image.new("RGB", (width, height)), shade)
    target = io.BytesIO()
    drawn.save(target, "PNG" if is_png(stem) else "JPEG")
    return target.getvalue()
