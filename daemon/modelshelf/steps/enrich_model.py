"""Fetch the Model above the versions on the shelf: tags, creator and licence stand only there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelshelf.civitai.payload import parse_version
from modelshelf.domain.fact import Source
from modelshelf.domain.task import NewTask, TaskKind
from modelshelf.logs import get_log
from modelshelf.steps.describe import remote_facts
from modelshelf.steps.step import Done, Outcome, Reins, one_by_one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.civitai.client import CivitaiClient
    from modelshelf.clock import Clock
    from modelshelf.domain.civitai import Model
    from modelshelf.domain.task import Task
    from modelshelf.store.store import Store

log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class EnrichModel:
    """Asks for each model once, however many of its versions are here."""

    store: Store
    client: CivitaiClient
    clock: Clock
    kind: TaskKind = TaskKind.ENRICH_MODEL

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[Model | None]]:
        """Fetch each model; None where Civitai hides it, which is no reason to doubt the version."""
        return one_by_one(tasks, reins, self._fetch)

    def _fetch(self, task: Task) -> Outcome[Model | None]:
        model_id = int(task.subject)
        if not task.is_forced and self.store.remote.model_body(model_id) is not None:
            return Done(task, None, is_followed=False)
        model = self.client.model(model_id)
        return Done(task, model, is_followed=model is not None)

    def record(self, done: Sequence[Done[Model | None]]) -> list[NewTask]:
        """Keep the model as received and give its facts to every content of its versions."""
        for each in done:
            if each.result is not None:
                self._record_model(each.result)
            elif self.store.remote.model_body(int(each.task.subject)) is None:
                self.store.remote.mark_model_absent(int(each.task.subject), self.clock.now())
        return []

    def _record_model(self, model: Model) -> None:
        self.store.remote.keep_model(model.id, model.body, self.clock.now())
        files = self.store.files.of_model(model.id)
        for content_id in sorted({file.content_id for file in files if file.content_id is not None}):
            self._spread(model, content_id)
        self.store.entries.refresh([file.id for file in files])
        log.info("model_enriched", model_id=model.id, name=model.name, files=len(files))

    def _spread(self, model: Model, content_id: int) -> None:
        content = self.store.contents.get(content_id)
        body = self.store.remote.version_body(content.version_id) if content and content.version_id else None
        if body is None:
            return
        facts = remote_facts(parse_version(body), model)
        self.store.facts.replace_of_content(content_id, Source.CIVITAI_API, facts)
