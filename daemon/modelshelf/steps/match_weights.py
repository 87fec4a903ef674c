"""Ask Civitai for a file by its weights alone: an edited header changes every other hash of a safetensors file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.domain.content import Match
from modelshelf.domain.task import NewTask, TaskKind
from modelshelf.errors import FileGone
from modelshelf.steps.matched import keep_match, note_weights_match
from modelshelf.steps.step import Done, Outcome, Reins, one_by_one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.civitai.client import CivitaiClient
    from modelshelf.clock import Clock
    from modelshelf.domain.civitai import ModelVersion
    from modelshelf.domain.content import Content
    from modelshelf.domain.task import Task
    from modelshelf.store.store import Store


@dataclass(frozen=True, slots=True)
class WeightsMatch:
    """A content and the version that has its weights; None where none does."""

    content: Content
    version: ModelVersion | None


@dataclass(frozen=True, slots=True)
class MatchWeights:
    """Asks once for a content that is unknown by its SHA256, when nothing else is to be asked.

    Civitai itself rewrote the headers of uploads for a while, so an author's own copy may have another SHA256 there.
    """

    store: Store
    client: CivitaiClient
    clock: Clock
    kind: TaskKind = TaskKind.MATCH_WEIGHTS

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[WeightsMatch]]:
        """Ask for each alone: nothing answers for many."""
        return one_by_one(tasks, reins, self._match)

    def _match(self, task: Task) -> Outcome[WeightsMatch]:
        content = self.store.contents.get(int(task.subject))
        if content is None:
            raise FileGone(f"content {task.subject} is not known")
        autov3 = content.hashes.autov3
        version = self.client.version_by_weights(autov3) if autov3 is not None and content.version_id is None else None
        believed = _believed(content, version)
        return Done(task, WeightsMatch(content, believed), is_followed=believed is not None)

    def record(self, done: Sequence[Done[WeightsMatch]]) -> list[NewTask]:
        """Keep what it is, unless its very bytes were found meanwhile: these say more."""
        for each in done:
            content = self.store.contents.get(each.result.content.id)
            version = _believed(content, each.result.version)
            self.store.contents.record_weights(
                each.result.content.id, version.id if version else None, self.clock.now()
            )
            if version is not None:
                self._record_match(each.result.content, version)
        return []

    def _record_match(self, content: Content, version: ModelVersion) -> None:
        store, now = self.store, self.clock.now()
        keep_match(store, content.id, version, Match.WEIGHTS, now)
        file_ids = [file.id for file in store.files.of_content(content.id)]
        note_weights_match(store, content, version.id, file_ids, now)
        store.entries.refresh(file_ids)


def _believed(content: Content | None, version: ModelVersion | None) -> ModelVersion | None:
    """Give the version, unless the bytes are known meanwhile, or it is the one whose record contradicts them."""
    if content is None or version is None or content.version_id is not None:
        return None
    return None if version.id == content.questioned_version_id else version
