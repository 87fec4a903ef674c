"""Ask Civitai which model version stands behind a content's hash."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from modelshelf.civitai.entries import download_url
from modelshelf.civitai.lenient import as_object
from modelshelf.civitai.payload import slim
from modelshelf.domain.fact import Source
from modelshelf.domain.task import NewTask, TaskKind
from modelshelf.errors import FileGone
from modelshelf.logs import get_log
from modelshelf.steps.describe import known_model, remote_facts
from modelshelf.steps.step import Done, Failed, Outcome, Reins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.civitai.client import CivitaiClient
    from modelshelf.clock import Clock
    from modelshelf.domain.civitai import ModelVersion
    from modelshelf.domain.content import Content
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.domain.task import Task
    from modelshelf.store.store import Store

log = get_log(__name__)

ASK_AGAIN_AFTER = (timedelta(hours=2), timedelta(days=1), timedelta(days=7), timedelta(days=30))
"""When an unknown hash is asked for again: Civitai scans uploads late and its edge keeps a 404 for up to 1.5 hours."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A content and the version found for it; None means that Civitai does not know it today."""

    content: Content
    version: ModelVersion | None


@dataclass(frozen=True, slots=True)
class IdentifyContent:
    """Looks contents up by SHA256, many in one request."""

    store: Store
    client: CivitaiClient
    clock: Clock
    kind: TaskKind = TaskKind.IDENTIFY_CONTENT

    def perform(self, tasks: Sequence[Task], reins: Reins) -> list[Outcome[Lookup]]:
        """Ask once for as many as the server takes; if it is unavailable all fail, and nothing is remembered as unknown."""
        reins.check()
        tasks = tasks[: self.client.most_at_once]
        contents = {task.id: self.store.contents.get(int(task.subject)) for task in tasks}
        wanted = [content.hashes.sha256 for content in contents.values() if content is not None]
        found = self.client.versions_by_hash(wanted)
        outcomes: list[Outcome[Lookup]] = []
        for task in tasks:
            content = contents[task.id]
            if content is None:
                outcomes.append(Failed(task, FileGone(f"content {task.subject} is not known")))
                continue
            version = found.get(content.hashes.sha256)
            outcomes.append(Done(task, Lookup(content, version), is_followed=version is not None))
        return outcomes

    def record(self, done: Sequence[Done[Lookup]]) -> list[NewTask]:
        """Keep what was received; a miss never takes anything away from what is known."""
        new: list[NewTask] = []
        file_ids: list[int] = []
        for each in done:
            files = self.store.files.of_content(each.result.content.id)
            file_ids += [file.id for file in files]
            if each.result.version is None:
                self._record_miss(each.result.content)
                new += [NewTask(TaskKind.RENDER_PAGE, str(file.id), priority=each.task.priority) for file in files]
            else:
                new += self._record_hit(each.task, each.result.content, each.result.version)
                if each.result.content.version_id is None:
                    self._tell_of(files)
        self.store.entries.refresh(file_ids)
        return new

    def _record_hit(self, task: Task, content: Content, version: ModelVersion) -> list[NewTask]:
        now = self.clock.now()
        self.store.remote.keep_version(version.id, version.model_id, body_to_keep(version), now)
        self.store.contents.record_hit(content.id, version.id, now)
        facts = remote_facts(version, known_model(self.store, version.model_id))
        self.store.facts.replace_of_content(content.id, Source.CIVITAI_API, facts)
        log.info("content_identified", sha256=content.hashes.sha256, version_id=version.id, name=version.model_name)
        if content.version_id is None or version.model_id is None:
            return []
        # Only who forces it asks about a known content: the model above it is to be asked for again, too.
        return [NewTask(TaskKind.ENRICH_MODEL, str(version.model_id), priority=task.priority, is_forced=True)]

    def _tell_of(self, files: Sequence[ModelFile]) -> None:
        for file in files:
            self.store.events.add("content_identified", self.clock.now(), file_id=file.id)

    def _record_miss(self, content: Content) -> None:
        now = self.clock.now()
        delay = ASK_AGAIN_AFTER[min(content.lookup_count, len(ASK_AGAIN_AFTER) - 1)]
        self.store.contents.record_miss(content.id, now, now + delay)
        log.info("content_not_found", sha256=content.hashes.sha256, asked_again_at=(now + delay).isoformat())


def body_to_keep(version: ModelVersion) -> JsonObject:
    """Give a version's body without giant values and with the addresses mended that batch answers spoil.

    Other tools download by what stands in the sidecar.
    """
    body = slim(version.body)
    if isinstance(files := body.get("files"), list):
        body = {**body, "files": [_mended(each, version.id) for each in files]}
    return as_object(_mended(body, version.id))


def _mended(record: JsonValue, version_id: int) -> JsonValue:
    if not isinstance(record, dict) or "downloadUrl" not in record:
        return record
    return {**record, "downloadUrl": download_url(record["downloadUrl"], version_id)}
