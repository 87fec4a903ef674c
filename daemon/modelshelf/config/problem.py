"""A Problem: one thing that a person must mend, and how all of them are told at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from modelshelf.domain.display import readable

if TYPE_CHECKING:
    from collections.abc import Iterable

KeyPath: TypeAlias = "tuple[str | int, ...]"
"""Where a key stands: `("jobs", "nightly", "actions", 0, "type")`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at a key and what to do. `origin` is an environment variable that the value came from."""

    path: KeyPath
    text: str
    line: int | None = None
    origin: str | None = None


def dotted(path: KeyPath) -> str:
    """Give a key as people write it: `jobs.nightly.actions[0].type`."""
    text = "".join(f"[{each}]" if isinstance(each, int) else f".{shown_key(each)}" for each in path)
    return text.removeprefix(".")


def shown_key(key: str) -> str:
    """Give one key fit for eyes, whatever characters the file put into it."""
    return readable(key.encode("utf-8", "backslashreplace"))


def report(problems: Iterable[Problem], file: str) -> str:
    """Give every problem once, a line each, in the order of the file: `FILE:LINE: key: what is wrong; what to do`."""
    ordered = sorted(problems, key=lambda each: (each.origin is not None, each.line or 0))
    return "\n".join(dict.fromkeys(_line(each, file) for each in ordered))


def _line(problem: Problem, file: str) -> str:
    where = f"${problem.origin}" if problem.origin else file
    at = f":{problem.line}" if problem.line and not problem.origin else ""
    key = f"{dotted(problem.path)}: " if problem.path else ""
    return f"{where}{at}: {key}{problem.text}"
