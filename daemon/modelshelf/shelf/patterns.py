"""Name patterns as people write them in the configuration: `*.safetensors`, `**/backup`, `loras/old/**`."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_Segment: TypeAlias = re.Pattern[str] | None
"""One part of a path pattern; None stands for `**`, any number of directories."""

_ANY_DEPTH = "**"


class Patterns:
    """Patterns that are asked about paths relative to a folder, whatever the letter case.

    A pattern without a slash, or with nothing before it but `**/`, speaks of the name alone; any other is anchored at the
    folder's root, and `*` does not cross a slash.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        """Compile once: a walk asks hundreds of thousands of times."""
        names: list[str] = []
        self._paths: list[tuple[_Segment, ...]] = []
        for pattern in patterns:
            bare = _without_any_depth(pattern)
            if "/" in bare:
                self._paths.append(tuple(_segment(part) for part in bare.strip("/").split("/")))
            else:
                names.append(fnmatch.translate(bare))
        self._names = re.compile("|".join(names), re.IGNORECASE) if names else None

    def matches(self, path: str) -> bool:
        """Tell whether any pattern matches this relative path."""
        if self._names is not None and self._names.match(path.rpartition("/")[2]):
            return True
        return bool(self._paths) and any(_fits(path.split("/"), segments) for segments in self._paths)


class Exclusions:
    """Patterns of what is left out; one that ends in a slash, `/*` or `/**` speaks of directories only."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """Part the patterns into those for any name and those for directories."""
        split = [(pattern, _directory_of(pattern)) for pattern in patterns]
        self._anything = Patterns(pattern for pattern, directory in split if directory is None)
        self._directories = Patterns(directory for _, directory in split if directory is not None)

    def has_file(self, path: str) -> bool:
        """Tell whether this file is left out by its own path; its directories are not asked."""
        return self._anything.matches(path)

    def has_directory(self, path: str) -> bool:
        """Tell whether this directory is left out by its own path; those above it are not asked."""
        return self._anything.matches(path) or self._directories.matches(path)


@dataclass(frozen=True, slots=True)
class Endings:
    """What decides for ASCII names: how they end, in lower case, unless they begin with one of the `doubtful` bytes."""

    taken: tuple[bytes, ...]
    doubtful: frozenset[int]


def deciding_endings(patterns: Iterable[str], exclude_patterns: Iterable[str]) -> Endings | None:
    """Give what decides nearly always by itself where all patterns are like `*.ckpt`, None where more counts.

    A regular expression costs a walk more than the file's lstat does.
    """
    wanted = [_without_any_depth(pattern).lower() for pattern in patterns]
    unwanted = [_without_any_depth(each).lower() for each in exclude_patterns if _directory_of(each) is None]
    endings = [pattern.removeprefix("*") for pattern in wanted]
    is_simple = all(_is_plain(ending) and pattern[:1] == "*" for ending, pattern in zip(endings, wanted, strict=True))
    others = [each for each in unwanted if _may_fit(each, endings)]
    if not is_simple or not all(_is_plain(each[:1]) and "/" not in each for each in others):
        return None
    doubtful = "".join(each[:1] + each[:1].upper() for each in others)
    return Endings(tuple(map(str.encode, endings)), frozenset(doubtful.encode()))


def _is_plain(text: str) -> bool:
    return text.isascii() and not set(text) & set("*?[/")


def _may_fit(pattern: str, endings: Sequence[str]) -> bool:
    """Tell whether a name with one of the endings may fit this pattern; only where that is certain it is denied."""
    ending = pattern.removeprefix("*")
    is_open = ending != pattern
    return not _is_plain(ending) or any(
        ending.endswith(each) or (is_open and each.endswith(ending)) for each in endings
    )


def _without_any_depth(pattern: str) -> str:
    bare = pattern.removeprefix("./")
    while bare.startswith("**/") and "/" not in bare.removeprefix("**/"):
        bare = bare.removeprefix("**/")
    return bare


def _directory_of(pattern: str) -> str | None:
    for ending in ("/**", "/*", "/"):
        if pattern.endswith(ending):
            return pattern.removesuffix(ending) or "*"
    return None


def _segment(part: str) -> _Segment:
    return None if part == _ANY_DEPTH else re.compile(fnmatch.translate(part), re.IGNORECASE)


def _fits(parts: Sequence[str], segments: Sequence[_Segment]) -> bool:
    if not segments:
        return not parts
    head, rest = segments[0], segments[1:]
    if head is None:
        return any(_fits(parts[skipped:], rest) for skipped in range(len(parts) + 1))
    return bool(parts) and head.match(parts[0]) is not None and _fits(parts[1:], rest)
