"""Whose file is this? Which names in a directory belong to one model, and which of them is its picture.

A shared prefix is no ownership: `foo.v2.json` belongs to `foo.v2.safetensors`, never to `foo.safetensors`. Only endings that
some tool writes count. Names are bytes, without directory; endings are compared without regard to case, stems with it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

SIDECAR_SUFFIXES = (
    b".json",
    b".civitai.info",
    b".metadata.json",
    b".metadata.json.bak",
    b".cm-info.json",
    b".swarm.json",
    b".civitai.json",
    b".api_info.json",
    b".yaml",
    b".txt",
    b".description.txt",
    b".md",
    b".html",
    b".sha256",
)
"""What A1111, Civitai Helper, LoRA-Manager, Stability Matrix, SwarmUI, StableQueue and others append to the stem."""

IMAGE_SUFFIXES = (b".png", b".jpg", b".jpeg", b".webp", b".gif", b".avif", b".jxl", b".tiff", b".jp2")
VIDEO_SUFFIXES = (b".mp4", b".webm")
PREVIEW_SUFFIXES = IMAGE_SUFFIXES + VIDEO_SUFFIXES
"""What tools show as a model's picture, in the order in which one of several is chosen."""

_WEIGHTS = rb"(?:safetensors|sft|ckpt|pt2?|pth|bin|pkl|gguf|onnx)"
_MEDIA = b"(?:" + b"|".join(re.escape(each) for each in PREVIEW_SUFFIXES) + b")"
_PICTURES = (
    _MEDIA,
    rb"\.preview()" + _MEDIA,
    rb"\.preview[^.]*?(\d*)" + _MEDIA,
    rb"\.thumb()" + _MEDIA,
    rb"\.example\.[^.]*?(\d*)" + _MEDIA,
    rb"_(\d+)\.jpg",
)
_OTHERS = (rb"\." + _WEIGHTS + rb"\.rgthree-info\.json", rb"\.vae\.(?:pt|safetensors|ckpt)")
_FLAGS = re.IGNORECASE | re.DOTALL
_PICTURE_ENDINGS = tuple(re.compile(each, _FLAGS) for each in _PICTURES)
_PATTERNS = tuple(re.compile(b"(?P<stem>.+)" + each, _FLAGS) for each in (*_PICTURES, *_OTHERS))
_WEIGHT_FILE = re.compile(rb".+\." + _WEIGHTS, _FLAGS)


def possible_stems(name: bytes) -> list[bytes]:
    """Give the stems whose companion `name` could be, longest first; empty if it is nobody's companion."""
    lowered = name.lower()
    stems = {name[: -len(suffix)] for suffix in SIDECAR_SUFFIXES if lowered.endswith(suffix)}
    stems.update(match["stem"] for pattern in _PATTERNS if (match := pattern.fullmatch(name)))
    return sorted(stems - {b""}, key=len, reverse=True)


def companions(names: Iterable[bytes], stem: bytes, other_stems: Collection[bytes]) -> list[bytes]:
    """Give the names that belong to the model with this stem, in their order.

    `other_stems` are those of the other models in the directory. Of two models with one stem, both own what stands beside
    them. A weight file that is a model of its own (`foo.vae.safetensors` with `foo.vae` among the others) is no companion.
    """
    return [
        name
        for name in names
        if name.startswith(stem) and _owner(name, stem, other_stems) == stem and not _is_model(name, other_stems)
    ]


def previews(names: Iterable[bytes], stem: bytes) -> list[bytes]:
    """Give the pictures and clips among a model's `companions`, the one to be shown first.

    Stills before clips. What a person puts there (`foo.png`) before what tools write (`foo.preview.png`, then numbered
    ones), thumbnails and examples last.
    """
    ranked = [(rank, name) for name in names if (rank := _rank(name, stem))]
    return [name for _, name in sorted(ranked)]


def _owner(name: bytes, stem: bytes, other_stems: Collection[bytes]) -> bytes | None:
    return next((each for each in possible_stems(name) if each == stem or each in other_stems), None)


def _is_model(name: bytes, stems: Collection[bytes]) -> bool:
    return _WEIGHT_FILE.fullmatch(name) is not None and os.path.splitext(name)[0] in stems


def _rank(name: bytes, stem: bytes) -> tuple[bool, int, int, int] | None:
    if not name.startswith(stem):
        return None
    for place, ending in enumerate(_PICTURE_ENDINGS):
        if match := ending.fullmatch(name, len(stem)):
            suffix = PREVIEW_SUFFIXES.index(os.path.splitext(name)[1].lower())
            number = int(match[1]) if ending.groups and match[1] else 0
            return suffix >= len(IMAGE_SUFFIXES), place, number, suffix
    return None
