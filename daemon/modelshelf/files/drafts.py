"""Many files put in place together: the disk is waited for once for all of them, and not once for each.

Measured on ext4: a hundred small files that are each synced and renamed take 0.3 s, all synced after the last was written and
then renamed 0.06 s.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.errors import ModelshelfError
from modelshelf.files.draft import Draft, demand_writable, old_at
from modelshelf.files.trouble import demand_expected, in_the_way, translated

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

MOST_DRAFTS = 64
"""So many are put in place together at most: each holds a descriptor until then."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What is called for one file: right before it appears, when it has, and with the error where it has not."""

    on_ready: Callable[[os.stat_result], None]
    on_placed: Callable[[os.stat_result], None]
    on_refused: Callable[[ModelshelfError], None]


class Drafts:
    """Files that wait to be put in place. None appears before all are durable; what hinders one costs no other."""

    def __init__(self, transaction: Callable[[], AbstractContextManager[None]]) -> None:
        self._transaction = transaction
        self._waiting: list[tuple[Draft, Ending]] = []

    def add(
        self, path: Path, content: bytes, ending: Ending, *, expected: os.stat_result | None, within: Path | None
    ) -> None:
        """Draft what is to stand at `path` over the `expected` file, or where nothing is; raises as `replace_file` does."""
        with translated(path, "write"):
            old = old_at(path)
            demand_expected(path, old.status if old else None, expected)
            if old is not None and expected is None:
                raise in_the_way(path)
            if old is not None:
                demand_writable(path, old.status)
            draft = Draft.write(path, content, old=old, expected=expected, within=within)
        self._waiting.append((draft, ending))
        if len(self._waiting) >= MOST_DRAFTS:
            self.publish()

    def publish(self) -> None:
        """Put everything in place. What is kept in the transaction is kept before any of it appears, or nothing appears."""
        waiting, self._waiting = self._waiting, []
        try:
            durable = [(draft, ending) for draft, ending in waiting if _synced(draft, ending)]
            for draft, ending in self._announced(durable):
                _put(draft, ending)
        finally:
            for draft, _ in waiting:
                draft.discard()

    def _announced(self, durable: list[tuple[Draft, Ending]]) -> list[tuple[Draft, Ending]]:
        """Give those of which is kept that they appear: all, or none where the transaction fails, which each is told."""
        try:
            with self._transaction():
                for draft, ending in durable:
                    ending.on_ready(draft.ready)
        except ModelshelfError as error:
            for _, ending in durable:
                ending.on_refused(error)
            return []
        return durable

    def discard(self) -> None:
        """Put nothing in place that is not there yet."""
        waiting, self._waiting = self._waiting, []
        for draft, _ in waiting:
            draft.discard()


@contextmanager
def drafted(transaction: Callable[[], AbstractContextManager[None]]) -> Iterator[Drafts]:
    """Give Drafts that are put in place where the block ends, and discarded where an exception ends it.

    `transaction` opens what `on_ready` is called in.
    """
    drafts = Drafts(transaction)
    try:
        yield drafts
        drafts.publish()
    finally:
        drafts.discard()


def _synced(draft: Draft, ending: Ending) -> bool:
    try:
        with translated(draft.path, "write"):
            draft.sync()
    except ModelshelfError as error:
        ending.on_refused(error)
        return False  # budget: its Ending was told
    return True


def _put(draft: Draft, ending: Ending) -> None:
    try:
        with translated(draft.path, "write"):
            status = draft.put()
    except ModelshelfError as error:
        ending.on_refused(error)
    else:
        ending.on_placed(status)
