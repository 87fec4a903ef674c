"""Ways to spoil a valid input, the same every time: cut it, lie in its numbers, flip its bits, shuffle its pieces."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Case(NamedTuple):
    """One input. `id` stays the same for as long as the input does."""

    id: str
    target: str
    content: bytes


LIES = (0, 1, -1, 2**31, 2**32 - 1, 2**60, 2**63, 2**64 - 1)


def cut(content: bytes, places: Iterable[int]) -> Iterator[tuple[str, bytes]]:
    """Cut the input off at each of these places, and a byte before and behind."""
    for place in sorted({near for each in places for near in (each - 1, each, each + 1)}):
        if 0 <= place < len(content):
            yield f"cut-{place}", content[:place]


def lied(content: bytes, fields: Iterable[tuple[int, str]]) -> Iterator[tuple[str, bytes]]:
    """Put every lie into every number; a field is an offset and a `struct` code, byte order included."""
    for offset, code in fields:
        width = struct.calcsize(code)
        for lie in LIES:
            raw = (lie % 2 ** (8 * width)).to_bytes(width, "little" if code.startswith("<") else "big")
            yield f"lie-{offset}{code[1:]}-{lie}", content[:offset] + raw + content[offset + width :]


def flipped(content: bytes, count: int, *, seed: int = 0, within: int | None = None) -> Iterator[tuple[str, bytes]]:
    """Flip one to eight bits, `count` times, in the first `within` bytes."""
    chance = random.Random(seed)
    reach = min(len(content), within or len(content))
    for number in range(count):
        spoilt = bytearray(content)
        for _ in range(chance.randint(1, 8)):
            spoilt[chance.randrange(reach)] ^= 1 << chance.randrange(8)
        yield f"flip-{seed}-{number}", bytes(spoilt)


def shuffled(content: bytes, count: int, *, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Drop, double or overwrite a piece, `count` times."""
    chance = random.Random(seed)
    for number in range(count):
        start, end = sorted(chance.choices(range(len(content) + 1), k=2))
        piece = content[start:end]
        middle = (b"", piece * 2, chance.randbytes(len(piece)), bytes(len(piece)))[number % 4]
        yield f"shuffle-{seed}-{number}", content[:start] + middle + content[end:]


def named(name: str, target: str, spoilt: Iterable[tuple[str, bytes]]) -> Iterator[Case]:
    """Give spoilt inputs their ids."""
    for what, content in spoilt:
        yield Case(f"{target}/{name}/{what}", target, content)
