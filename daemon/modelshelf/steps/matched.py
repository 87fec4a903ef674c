"""Keep the version that a content was matched with: its body, its facts, and what is newer than it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.civitai.entries import download_url
from modelshelf.civitai.lasting import completed
from modelshelf.civitai.lenient import as_object
from modelshelf.civitai.payload import parse_version, slim
from modelshelf.domain.content import Match
from modelshelf.domain.fact import Source
from modelshelf.logs import get_log
from modelshelf.steps.describe import known_model, remote_facts, without_files
from modelshelf.steps.newer_versions import note_updates

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from modelshelf.domain.civitai import ModelVersion
    from modelshelf.domain.content import Content
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.store.store import Store

log = get_log(__name__)


def keep_match(store: Store, content_id: int, version: ModelVersion, match: Match | None, now: datetime) -> None:
    """Keep what came with a match that is recorded already, and what was said of that version before and is said no more.

    What Civitai says of other bytes is no fact about these.
    """
    version = parse_version(completed(body_to_keep(version), store.remote.version_body(version.id)))
    store.remote.keep_version(version.id, version.model_id, version.body, now)
    believed = version if match is Match.FILE else without_files(version)
    facts = remote_facts(believed, known_model(store, version.model_id))
    store.facts.replace_of_content(content_id, Source.CIVITAI_API, facts)
    if version.model_id is not None:
        note_updates(store, version.model_id, now)


def note_weights_match(store: Store, content: Content, version_id: int, file_ids: Sequence[int], now: datetime) -> None:
    """Tell that files are known by their weights, another header notwithstanding."""
    log.info("content_matched_by_weights", sha256=content.hashes.sha256, version_id=version_id)
    for file_id in file_ids:
        store.events.add("content_matched_by_weights", now, file_id=file_id)


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
