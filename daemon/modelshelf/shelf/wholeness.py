"""Is it whole? A file is touched only when nobody can still be filling it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from modelshelf.domain.display import readable
from modelshelf.shelf.lease import is_open_for_writing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from modelshelf.domain.model_file import Fingerprint

_SHORTEST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_FOR_WRITER_SECONDS = 300.0
_LONGEST_WAIT_SECONDS = 3600.0
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Whole:
    """Nobody is writing the file and nothing of it is missing as far as it can be told."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """The file is to be left alone; `reason` is for a person, `again_in_seconds` says when to look again."""

    reason: str
    again_in_seconds: float


Judgement: TypeAlias = Whole | NotYet


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a file beside its Fingerprint.

    `declared_size_bytes` is the length that its own header claims, None where it claims none. `seen_unchanged_seconds` is
    how long the same Fingerprint has been seen. `partial_companion` is the name of a download's file beside it. `now` is in
    seconds since the epoch and is compared with the mtime only.
    """

    declared_size_bytes: int | None
    found_by_scan: bool
    seen_unchanged_seconds: float
    partial_companion: bytes | None
    stability_delay_seconds: float
    is_local: bool
    now: float


class WholenessGate:
    """Holds a path back until its file is whole.

    A copy over SMB sets the final size first and fills it afterwards, so size alone proves nothing. What proves: the
    length that the file declares is there and the kernel knows no writer. What else must do: nothing changed for a while.
    """

    def __init__(self, probe: Callable[[Path], bool | None] = is_open_for_writing) -> None:
        """`probe` tells whether somebody writes to the file, None where that cannot be known."""
        self._probe = probe

    def is_written(self, path: Path) -> bool | None:
        """Tell whether somebody writes to the file, None where that cannot be known; raises FileGone."""
        return self._probe(path)

    def judge(self, path: Path, fingerprint: Fingerprint, evidence: Evidence) -> Judgement:
        """Decide for the file at `path`; raises FileGone where it vanished meanwhile."""
        if evidence.partial_companion is not None:
            companion = readable(evidence.partial_companion)
            return NotYet(f"still being downloaded: {companion} is beside it", _back_off(evidence))
        declared = evidence.declared_size_bytes
        if declared is not None and declared > fingerprint.size_bytes:
            return NotYet(f"{fingerprint.size_bytes} of {declared} bytes are there", _back_off(evidence))
        is_written = self._probe(path) if evidence.is_local else None
        if is_written:
            return NotYet("still open for writing", min(_back_off(evidence), _LONGEST_WAIT_FOR_WRITER_SECONDS))
        is_proven = is_written is False and declared is not None
        return Whole() if is_proven else _judge_by_quiet(fingerprint, evidence)


def _judge_by_quiet(fingerprint: Fingerprint, evidence: Evidence) -> Judgement:
    quiet = evidence.seen_unchanged_seconds
    if evidence.found_by_scan:
        quiet = max(quiet, evidence.now - fingerprint.mtime_ns / _NANOSECONDS)
    delay = evidence.stability_delay_seconds
    if quiet >= delay:
        return Whole()
    wait = max(_SHORTEST_WAIT_SECONDS, delay - max(0.0, quiet))
    return NotYet(f"changed less than {delay:g} s ago", wait)


def _back_off(evidence: Evidence) -> float:
    """Wait as long as nothing has changed already: every look is twice as far from the last change as the one before."""
    wait = max(_SHORTEST_WAIT_SECONDS, evidence.stability_delay_seconds, evidence.seen_unchanged_seconds)
    return min(wait, _LONGEST_WAIT_SECONDS)
