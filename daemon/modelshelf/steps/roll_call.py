"""The roll call: is a content that Civitai knew still there? One question about many, and a second look at who is missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelshelf.civitai.replies import FAILED
from modelshelf.domain.content import Match

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.civitai.client import CivitaiClient
    from modelshelf.domain.civitai import Alternate, Found
    from modelshelf.domain.content import Content
    from modelshelf.domain.task import Task
    from modelshelf.errors import ModelshelfError

MOST_CONFIRMED = 20
"""So many that are missing are asked for alone in one go; the others wait for another day. Libraries do not vanish at once."""


@dataclass(frozen=True, slots=True)
class Case:
    """A content that is to be asked about, and the task that says so."""

    task: Task
    content: Content

    @property
    def sha256(self) -> str:
        """The content's hash."""
        return self.content.hashes.sha256


@dataclass(slots=True)
class Roll:
    """What came of it. `present` come with the other versions that hold the same bytes.

    `changed`: to be asked for in full; `unclear`: nothing was learnt of them.
    """

    present: list[tuple[Case, tuple[Alternate, ...]]] = field(default_factory=list)
    changed: list[Case] = field(default_factory=list)
    absent: list[Case] = field(default_factory=list)
    unclear: list[Case] = field(default_factory=list)
    failed: list[tuple[Case, ModelshelfError]] = field(default_factory=list)


def is_on_roll(case: Case) -> bool:
    """Tell whether the cheap question will do: these very bytes are known, and nobody wants to hear more."""
    content = case.content
    is_settled = content.version_id is not None and content.matched_by is Match.FILE
    return is_settled and not case.task.is_forced and content.pinned_version_id in {None, content.version_id}


def call_roll(client: CivitaiClient, cases: Sequence[Case]) -> Roll:
    """Ask for contents that are known; raises what kept the one question about all of them from being answered.

    Only a 404 of its own counts against a content: it may be missing in a list for other reasons.
    """
    roll = Roll()
    known = client.known_ids([case.sha256 for case in cases]) if cases else {}
    missing: list[Case] = []
    for case in cases:
        alternates = known.get(case.sha256)
        if alternates is None:
            (roll.absent if case.content.gone_since else missing).append(case)
        elif case.content.gone_since or case.content.version_id not in {each.version_id for each in alternates}:
            roll.changed.append(case)
        else:
            others = tuple(each for each in alternates if each.version_id != case.content.version_id)
            roll.present.append((case, others))
    roll.unclear += missing[MOST_CONFIRMED:]
    for case in missing[:MOST_CONFIRMED]:
        _confirm(client, case, roll)
    return roll


def _confirm(client: CivitaiClient, case: Case, roll: Roll) -> None:
    try:
        found = ask_alone(client, case.sha256)
    except FAILED as error:
        roll.failed.append((case, error))
    else:
        (roll.absent if found is None else roll.changed).append(case)


def ask_alone(client: CivitaiClient, sha256: str) -> Found | None:
    """Give what stands behind one hash by what the server says now: None is a 404 of its own, and counts."""
    return client.versions_by_hash([sha256], is_fresh=True).found.get(sha256)
