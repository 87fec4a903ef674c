"""Gather all that is known of a file into one Description, from the catalog and from what was just read beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from modelshelf.civitai.lasting import completed
from modelshelf.civitai.payload import model_facts, parse_model, parse_version, version_facts
from modelshelf.domain.content import Match
from modelshelf.domain.description import Description
from modelshelf.domain.fact import Source, choose
from modelshelf.steps.testimony import FROM_BESIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.domain.civitai import Model, ModelVersion
    from modelshelf.domain.content import Content
    from modelshelf.domain.fact import Fact
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.store.store import Store


def describe(store: Store, file: ModelFile, beside: Sequence[Fact] | None = None) -> Description:
    """Describe `file`; `beside` replaces the recorded facts of its sidecars by freshly read ones."""
    facts = store.facts.of_file(file.id)
    if beside is not None:
        facts = [fact for fact in facts if fact.source not in FROM_BESIDE] + list(beside)
    content = store.contents.get(file.content_id) if file.content_id is not None else None
    version = believed_version(store, content) if content else None
    return Description(
        file=file,
        header=store.files.header(file.id),
        hashes=content.hashes if content else None,
        facts=choose(facts),
        version=version,
        model=known_model(store, version.model_id) if version else None,
        teller=store.standing.own_id,
    )


def believed_version(store: Store, content: Content) -> ModelVersion | None:
    """Give the version that a content is, None where none is known; one of other bytes tells nothing of its files."""
    body = store.remote.version_body(content.version_id) if content.version_id is not None else None
    if not body:
        return None
    version = parse_version(body)
    return version if content.matched_by is Match.FILE else without_files(version)


def without_files(version: ModelVersion) -> ModelVersion:
    """Give the version without its files, whose sizes, hashes and addresses are not those of the bytes here."""
    body: JsonObject = {key: value for key, value in version.body.items() if key != "downloadUrl"}
    return replace(version, files=(), download_url=None, body={**body, "files": []})


def is_news(before: JsonObject | None, after: JsonObject) -> bool:
    """Tell whether a record says anything new: how often it was downloaded or liked changes all the time, and is none."""
    return before is None or _without_counts(before) != _without_counts(completed(after, before))


def _without_counts(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return [_without_counts(each) for each in value]
    if isinstance(value, dict):
        return {key: _without_counts(each) for key, each in value.items() if key != "stats"}
    return value


def remote_facts(version: ModelVersion, model: Model | None) -> list[Fact]:
    """Give what Civitai says of a version; the model above it knows better where both speak."""
    facts = version_facts(version, Source.CIVITAI_API)
    parent = model_facts(model, Source.CIVITAI_API) if model else []
    better = {fact.field for fact in parent}
    return [fact for fact in facts if fact.field not in better] + parent


def known_model(store: Store, model_id: int | None) -> Model | None:
    """Give a model as it was last received, None where it never was."""
    body = store.remote.model_body(model_id) if model_id is not None else None
    return parse_model(body) if body else None
