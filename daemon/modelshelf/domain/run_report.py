"""What a run leaves behind for a person to read: what it found, and how the shelf stands at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.domain.rot import Rot
    from modelshelf.domain.run import Run


@dataclass(frozen=True, slots=True)
class Alike:
    """Files that are alike, by their paths; `freed_bytes` is what all but one of them take."""

    likeness: str
    hash: str
    freed_bytes: int
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Damage:
    """A rotten file: both SHA256, when it was last sound and first was not, and in a sentence where a good copy is."""

    path: str
    expected: str
    found: str
    sound_at: str
    found_at: str
    rescue: str

    @classmethod
    def of(cls, path: str, expected: str | None, rot: Rot, rescue: Sequence[str]) -> Damage:
        """Tell of a rot; `expected` is the SHA256 that the file should have."""
        return cls(
            path=path,
            expected=expected or "",
            found=rot.sha256,
            sound_at=rot.sound_at.isoformat(timespec="seconds"),
            found_at=rot.found_at.isoformat(timespec="seconds"),
            rescue="; ".join(rescue),
        )


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that could not be done, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class RunReport:
    """`files` and `size_bytes` are what lies in the folders of the run, `owed_*` what of it is still to be read.

    Of duplicates and failures the first are told, and how many there are.
    """

    run: Run
    files: int = 0
    size_bytes: int = 0
    owed_files: int = 0
    owed_bytes: int = 0
    duplicate_count: int = 0
    duplicates: tuple[Alike, ...] = ()
    damage: tuple[Damage, ...] = ()
    trouble_count: int = 0
    troubles: tuple[Trouble, ...] = ()
