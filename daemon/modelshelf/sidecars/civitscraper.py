"""The JSON that CivitScraper writes where its `output.metadata` says: Civitai's answer, the parent model, its versions.

Where and what follow CivitScraper (`metadata_manager.py`, `get_parent_model_with_versions`); overwriting does not: its default
name is also A1111's, and it replaces the notes that people keep there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.sidecars.classify import Dialect
from modelshelf.sidecars.mark import EXTENSIONS, is_marked
from modelshelf.sidecars.values import storable_object
from modelshelf.sidecars.writer import Layout, Planned, Wanted, merged_into

if TYPE_CHECKING:
    from modelshelf.domain.civitai import Model, ModelVersion, Sibling
    from modelshelf.domain.description import Description
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.sidecars.mark import Digests
    from modelshelf.sidecars.reading import FoundSidecar

_LAYOUT = Layout(indent=2, is_ascii=True)
_DIALECTS = frozenset({Dialect.CIVITSCRAPER, Dialect.CIVITAI_VERSION})


def compose(description: Description, existing: FoundSidecar | None, ours: Digests) -> Planned:
    """Plan the file where Civitai knows the version; whatever is not our own stays."""
    if description.version is None or not description.version.body:
        return Planned()
    wanted = Wanted(_body(description.version, description.model), _LAYOUT, description.weights, is_whole=True)
    if existing is not None and existing.dialect in _DIALECTS and not is_marked(existing.content):
        is_same = existing.content.get("id") == description.version.id
        return Planned(refusal="already there" if is_same else "a file for another version is there: it was left alone")
    return merged_into(existing, wanted, _DIALECTS, ours)


def _body(version: ModelVersion, model: Model | None) -> JsonObject:
    body = {key: value for key, value in version.body.items() if key != EXTENSIONS}
    if model is not None:
        body |= {"parentModel": _parent(model), "siblingVersions": _siblings(model, version.id)}
    return storable_object(body)


def _parent(model: Model) -> JsonObject:
    return {
        "id": model.id,
        "name": model.name,
        "type": model.type,
        "nsfw": bool(model.is_nsfw),
        "creator": {"username": model.creator or "Unknown"},
    }


def _siblings(model: Model, current_id: int) -> list[JsonValue]:
    """Give the model's versions, newest first as CivitScraper sorts them."""
    received = model.body.get("modelVersions")
    bodies = {each.get("id"): each for each in received if isinstance(each, dict)} if isinstance(received, list) else {}
    siblings = [_sibling(each, bodies.get(each.id, {}), current_id) for each in model.versions]
    newest_first = sorted(siblings, key=lambda each: str(each["createdAt"] or each["publishedAt"] or ""), reverse=True)
    return list(newest_first)


def _sibling(sibling: Sibling, body: JsonObject, current_id: int) -> JsonObject:
    stats = body.get("stats")
    return {
        "id": sibling.id,
        "name": sibling.name,
        "baseModel": sibling.base_model,
        "createdAt": body.get("createdAt"),
        "publishedAt": sibling.published_at,
        "downloadCount": stats.get("downloadCount") if isinstance(stats, dict) else None,
        "isCurrent": sibling.id == current_id,
    }
