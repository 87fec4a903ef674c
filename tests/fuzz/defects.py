"""Inputs that once broke something, kept as they are, each with what it broke."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING

from tests.fuzz.mutations import Case

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOUND: tuple[tuple[str, str, bytes], ...] = (
    # decimal.InvalidOperation out of the reader, and with it the step: the model was never described.
    ("sidecar", "exponent-that-not-even-decimal-has", b'{"preferred weight": 1e-99999999999999999999999}'),
    (
        "civitai-info",
        "exponent-that-not-even-decimal-has",
        b'{"id":1,"modelId":2,"files":[{"sizeKB":1E+99999999999999999999}]}',
    ),
    # ValueError out of html.unescape: Python reads no decimal number of more than 4300 digits.
    ("html", "entity-of-5000-digits", b"<p>&#" + b"1" * 5000 + b";"),
    ("sidecar", "entity-of-5000-digits", b'{"description": "<p>&#' + b"1" * 5000 + b';", "activation text": "a"}'),
    # IndexError and OverflowError out of PyYAML: a traceback instead of the line to mend.
    ("yaml", "empty-int", b'api: {timeout: !!int ""}'),
    ("yaml", "empty-float", b'api: {timeout: !!float ""}'),
    ("yaml", "int-of-underscores", b'api: {timeout: !!int "___"}'),
    ("yaml", "float-of-200-sexagesimal-parts", b"api: {timeout: 1" + b":00" * 200 + b".0}"),
    # 14 seconds, for every unknown key was compared with every other.
    ("yaml", "nine-thousand-unknown-keys", b"\n".join(b"k%d: 1" % each for each in range(9_000))),
    # IndexError at the start of the daemon; ValueError by an escape that is no byte.
    ("mounts", "empty-line", b"\n"),
    ("mounts", "four-fields", b"36 35 98:0 /\n"),
    ("mounts", "escape-beyond-a-byte", b"36 35 98:0 / /\\777 rw - ext4 x rw\n"),
    # A reason of 60 000 characters, shown on pages and in the log.
    (
        "gguf",
        "long-key-twice",
        struct.pack("<4sIQQ", b"GGUF", 3, 0, 2) + (struct.pack("<Q", 9_000) + b"k" * 9_000 + bytes(8)) * 2,
    ),
    # 20 seconds of stepping over texts of no length, in 64 MB.
    ("gguf", "endless-empty-texts", struct.pack("<4sIQQQ1sIIQ", b"GGUF", 3, 0, 1, 1, b"k", 9, 8, 2**23) + bytes(2**26)),
    # ValueError: a number by a pattern's blanks, and none by float's. Found by atheris.
    ("header-lines", "number-with-a-separator-behind", b"70\x1d"),
    # RuntimeError out of Pillow's AVIF decoder.
    (
        "picture",
        "avif-without-its-item",
        base64.b64decode(
            "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAAAAAAAOcG"
            "l0bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAAOgAAAChpaW5mAAAAAAABAAAAGmluZmUCAAAAAAEAAGF0MDFDb2xvcgAAAABq"
            "aXBycAAAAEtpcGNvAAAAFGlzcGUAAAAAAAAAKAAAAB4AAAAQcGl4aQAAAAADCAgIAAAADGF2MUOBAAwAAAAAE2NvbHJuY2x4AAEADQAGgAAAAB"
            "dpcG1hAAAAAAAAAAEAAQQBAoMEAAAAQm1kYXQSAAoJGBUn60QENBoQMisUx4eGZQIIIJ5VQAAAx5KvOZlbXnkD0S62aeWaPi7N4HqCQZrqBhak"
            "Y7VG"
        ),
    ),
    # AssertionError out of Pillow: a picture of palette colours without a palette.
    (
        "picture",
        "png-without-palette",
        base64.b64decode(
            "iVBORw0KGgoAAAANSUhEUgAAAAQAAAAECAMAAACeL25MAAAAB2dBTUH/////////y9d+eQAAAAxJREFUeAFjYKA9AAAAZAABlOeAZgAAAABJRU"
            "5ErkJggg=="
        ),
    ),
    # 700 MB for a picture of one column, and one more pass over a million pixels per ten bytes.
    (
        "picture",
        "png-of-one-column",
        base64.b64decode(
            "iVBORw0KGgoAAAANSUhEUgAAAAEBfXhACAAAAAAB00zSAAAAE0lEQVR4AWNgGAWjITAaAsM9BAAD6AABffmDjgAAAABJRU5ErkJggg=="
        ),
    ),
)


def defect_cases() -> Iterator[Case]:
    """Give all of them."""
    for target, what, content in _FOUND:
        yield Case(f"{target}/defect/{what}", target, content)
