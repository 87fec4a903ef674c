"""Fetch the Model above the versions on the shelf: tags, creator, licence and newer versions stand only there."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.civitai.lasting import completed
from modelshelf.civitai.payload import parse_model, slim
from modelshelf.domain.fact import Source
from modelshelf.domain.task import NewTask, TaskKind
from modelshelf.logs import get_log
from modelshelf.steps.describe import believed_version, known_model, remote_facts
from modelshelf.steps.newer_versions import note_updates
from modelshelf.steps.step import Done, Failed, Outcome, Reins

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from modelshelf.civitai.client import CivitaiClient
    from modelshelf.clock import Clock
    from modelshelf.domain.civitai import Model
    from modelshelf.domain.task import Task
    from modelshelf.store.store import Store

log = get_log(__name__)

ASK_AGAIN_AFTER = timedelta(days=7)
"""How old a model gets, and how long it counts as gone."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What Civitai says of a model: None where it shows none. Without `is_asked` nothing was asked: it is too early."""

    model: Model | None = None
    is_asked: bool = True


@dataclass(frozen=True, slots=True)
class EnrichModel:
    """Asks for each model once a week, however many of its versions are here, and for a hundred in one request."""

    store: Store
    client: CivitaiClient
    clock: Clock
    chance: Callable[[], float] = random.random
    kind: TaskKind = TaskKind.ENRICH_MODEL

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[Asked]]:
        """Fetch the models; None where Civitai hides one, which is no reason to doubt the version."""
        reins.check()
        now = self.clock.now()
        due = [task for task in tasks if task.is_forced or not self.store.remote.is_fresh(int(task.subject), now)]
        outcomes: list[Outcome[Asked]] = [
            Done(task, Asked(is_asked=False), is_followed=False) for task in tasks if task not in due
        ]
        return outcomes + self._fetch(due)

    def _fetch(self, tasks: Sequence[Task]) -> list[Outcome[Asked]]:
        if not tasks:
            return []
        is_fresh = any(task.is_forced for task in tasks)
        replies = self.client.get_models([int(task.subject) for task in tasks], is_fresh=is_fresh)
        return [
            Failed(task, replies.unanswered[int(task.subject)])
            if int(task.subject) in replies.unanswered
            else self._outcome(task, replies.found.get(int(task.subject)))
            for task in tasks
        ]

    def _outcome(self, task: Task, model: Model | None) -> Done[Asked]:
        if model is None:
            return Done(task, Asked(), is_followed=False)
        former = known_model(self.store, model.id)
        model = parse_model(completed(slim(model.body), former.body if former else None))
        return Done(task, Asked(model), is_followed=_but_for_counts(former) != _but_for_counts(model))

    def record(self, done: Sequence[Done[Asked]]) -> list[NewTask]:
        """Keep the models and give their facts to every content of their versions."""
        now = self.clock.now()
        next_at = now + ASK_AGAIN_AFTER * (1 - self.chance() / 10)
        for each in done:
            if each.result.model is not None:
                self._record_model(each.result.model, now, next_at)
            elif each.result.is_asked:
                self.store.remote.mark_model_absent(int(each.task.subject), now, next_at)
        return []

    def _record_model(self, model: Model, now: datetime, next_at: datetime) -> None:
        self.store.remote.keep_model(model.id, model.body, now, next_at)
        files = self.store.files.of_model(model.id)
        for content_id in sorted({file.content_id for file in files if file.content_id is not None}):
            self._spread(model, content_id)
        self.store.entries.refresh([file.id for file in files])
        note_updates(self.store, model.id, now)
        log.info("model_enriched", model_id=model.id, name=model.name, files=len(files))

    def _spread(self, model: Model, content_id: int) -> None:
        content = self.store.contents.get(content_id)
        version = believed_version(self.store, content) if content else None
        if version is not None:
            self.store.facts.replace_of_content(content_id, Source.CIVITAI_API, remote_facts(version, model))


def _but_for_counts(model: Model | None) -> Model | None:
    """Give what a model says, however it was asked for, without how often it was downloaded or liked."""
    return replace(model, body={}, stats={}) if model else None
