"""Gather all that is known of a file into one Description, from the catalog and from what was just read beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.civitai.payload import model_facts, parse_model, parse_version, version_facts
from modelshelf.domain.description import Description
from modelshelf.domain.fact import Source, choose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelshelf.domain.civitai import Model, ModelVersion
    from modelshelf.domain.fact import Fact
    from modelshelf.domain.model_file import ModelFile
    from modelshelf.store.store import Store

_BESIDE = {Source.FORGE, Source.CIVITAI_JSON}


def describe(store: Store, file: ModelFile, beside: Sequence[Fact] | None = None) -> Description:
    """Describe `file`; `beside` replaces the recorded facts of its sidecars by freshly read ones."""
    facts = store.facts.of_file(file.id)
    if beside is not None:
        facts = [fact for fact in facts if fact.source not in _BESIDE] + list(beside)
    content = store.contents.get(file.content_id) if file.content_id is not None else None
    version = _version(store, content.version_id) if content and content.version_id is not None else None
    return Description(
        file=file,
        header=store.files.header(file.id),
        hashes=content.hashes if content else None,
        facts=choose(facts),
        version=version,
        model=known_model(store, version.model_id) if version else None,
    )


def _version(store: Store, version_id: int) -> ModelVersion | None:
    body = store.remote.version_body(version_id)
    return parse_version(body) if body else None


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
