"""Gather all that is known of a file into one Description, from the catalog and from what was just read beside it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from modelshelf.civitai.payload import parse_model, parse_version
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
        model=_model(store, version.model_id) if version and version.model_id is not None else None,
    )


def _version(store: Store, version_id: int) -> ModelVersion | None:
    body = store.remote.version_body(version_id)
    return parse_version(body) if body else None


def _model(store: Store, model_id: int) -> Model | None:
    body = store.remote.model_body(model_id)
    return parse_model(body) if body else None


def owner_of_stem(store: Store, file: ModelFile) -> ModelFile:
    """Give the file that owns what is written under this stem: the first by name of all that share it."""
    directory, name = os.path.split(file.stem)
    sharing = store.files.with_stem(file.folder_id, directory, name)
    return min([*sharing, file], key=lambda each: each.path)
