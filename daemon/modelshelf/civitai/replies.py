"""What comes of many questions, of which some may be answered and others not: an outage of one never looks like a miss."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from modelshelf.errors import CivitaiRefused, CivitaiUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from modelshelf.errors import ModelshelfError

Key = TypeVar("Key")
Noun = TypeVar("Noun")

FAILED = (CivitaiUnavailable, CivitaiRefused)
PATIENCE = 3
"""After so many failures in a row nothing more is asked: it is not one record that is ill."""


@dataclass(slots=True)
class Replies(Generic[Key, Noun]):
    """Answers by question. What is in neither mapping does not exist on Civitai; what is `unanswered` may."""

    found: dict[Key, Noun] = field(default_factory=dict)
    unanswered: dict[Key, ModelshelfError] = field(default_factory=dict)

    def add(self, others: Replies[Key, Noun]) -> None:
        """Take in the answers to other questions."""
        self.found |= others.found
        self.unanswered |= others.unanswered

    def leave(self, keys: Iterable[Key], error: ModelshelfError) -> None:
        """Take note that these questions were not answered."""
        self.unanswered |= dict.fromkeys(keys, error)

    def complete(self) -> dict[Key, Noun]:
        """Give what was found, where every question was answered; else raise why one was not."""
        if self.unanswered:
            raise next(iter(self.unanswered.values()))
        return self.found

    def required(self, keys: Sequence[Key]) -> Replies[Key, Noun]:
        """Give the replies; where not one of `keys` was answered, raise the error of the first."""
        if keys and all(each in self.unanswered for each in keys):
            raise self.unanswered[keys[0]]
        return self


def ask_each(keys: Sequence[Key], ask: Callable[[Key], Noun | None]) -> Replies[Key, Noun]:
    """Ask one question after another. One that fails costs the others nothing; when several do, the rest is left."""
    replies: Replies[Key, Noun] = Replies()
    failures_in_a_row = 0
    for position, key in enumerate(keys):
        try:
            noun = ask(key)
        except FAILED as error:
            replies.unanswered[key] = error
            failures_in_a_row += 1
            if failures_in_a_row == PATIENCE:
                replies.leave(keys[position:], error)
                break
            continue
        failures_in_a_row = 0
        if noun is not None:
            replies.found[key] = noun
    return replies
