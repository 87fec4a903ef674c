"""The small language of the recognition tables: a Rule holds when tensors with certain names, and widths, are there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Evidence:
    """A tensor whose name has `pattern` in it (a regular expression; ^ and $ are the name's ends).

    With `axis`, its shape must also have one of `sizes` there, or any size where none is named; negative axes count from the
    end.
    """

    pattern: re.Pattern[str]
    axis: int | None = None
    sizes: tuple[int, ...] = ()


def named(pattern: str) -> Evidence:
    """Ask for a name alone."""
    return Evidence(re.compile(pattern, re.MULTILINE))


def sized(pattern: str, axis: int, *sizes: int) -> Evidence:
    """Ask for a name and the size of one axis."""
    return Evidence(re.compile(pattern, re.MULTILINE), axis, sizes)


@dataclass(frozen=True, slots=True)
class Rule:
    """`answer` holds if every one of `needs` is there and none of `excludes`."""

    answer: str
    needs: tuple[Evidence, ...]
    excludes: tuple[Evidence, ...] = ()


class Names:
    """Tensor names to be searched, each with its shape. The text is searched as one, which is far faster than a loop."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._shapes = shapes
        self._text = "\n".join(shapes)

    def has(self, evidence: Evidence) -> bool:
        """Tell whether some tensor is this evidence."""
        if evidence.axis is None:
            return evidence.pattern.search(self._text) is not None
        sizes = (_size(shape, evidence.axis) for shape in self._shapes_of(evidence.pattern))
        return any(size in evidence.sizes or (size is not None and not evidence.sizes) for size in sizes)

    def first(self, rules: Iterable[Rule]) -> str | None:
        """Give the answer of the first rule that holds; the tables are ordered from the particular to the general."""
        return next((rule.answer for rule in rules if self._holds(rule)), None)

    def _holds(self, rule: Rule) -> bool:
        return all(map(self.has, rule.needs)) and not any(map(self.has, rule.excludes))

    def _shapes_of(self, pattern: re.Pattern[str]) -> Iterator[tuple[int, ...]]:
        for match in pattern.finditer(self._text):
            start = self._text.rfind("\n", 0, match.start()) + 1
            end = self._text.find("\n", match.end())
            yield self._shapes[self._text[start : end if end >= 0 else None]]


def _size(shape: tuple[int, ...], axis: int) -> int | None:
    return shape[axis] if -len(shape) <= axis < len(shape) else None
