"""Newer versions: which of a model's versions on Civitai are newer than what is on the shelf of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from modelshelf.civitai.entries import remote_files
from modelshelf.civitai.lenient import as_list, as_object
from modelshelf.civitai.payload import parse_version
from modelshelf.domain.civitai import Sibling
from modelshelf.domain.update import Access, Update
from modelshelf.logs import get_log
from modelshelf.steps.describe import known_model

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from modelshelf.domain.civitai import Model
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.store.store import Store

log = get_log(__name__)


def note_updates(store: Store, model_id: int, now: datetime) -> None:
    """Keep which versions are newer than the shelf, by what the model was last known to be, and tell of each once.

    Called whenever the model or what is here of it has changed.
    """
    model = known_model(store, model_id)
    if model is None:
        return
    shelf = _on_shelf(store, model)
    newer = newer_versions(model, shelf, now) if shelf else []
    missing = [each for each in newer if not _is_here(store, model, each.version_id)]
    fresh = store.updates.replace(model_id, missing, now)
    if not fresh:
        return
    file = store.files.of_model(model_id)[0]
    for update in fresh:
        log.info("update_noticed", model_id=model_id, version_id=update.version_id, name=update.name)
        reason = ", ".join(each for each in (update.name, update.base_model, update.access.value) if each)
        details: JsonObject = {"model_id": model_id, "version_id": update.version_id, "reason": reason}
        store.events.add("update_available", now, file_id=file.id, details=details)


def _is_here(store: Store, model: Model, version_id: int) -> bool:
    """Tell whether a file of this version is on the shelf already, though nobody has asked yet what it is."""
    bodies = [each for each in as_list(model.body.get("modelVersions")) if as_object(each).get("id") == version_id]
    files = [file for body in bodies for file in remote_files(as_object(body).get("files"), version_id)]
    contents = [content for file in files for content in store.contents.find(file.hashes.get("SHA256", ""))]
    return any(store.files.of_content(content.id) for content in contents)


def newer_versions(model: Model, shelf: Sequence[Sibling], now: datetime) -> list[Update]:
    """Give the versions that were published after those of the same base model on the shelf, or else after all of them."""
    here = {each.id for each in shelf}
    found = (_update(model, each, shelf, now) for each in model.versions if each.id not in here)
    return [each for each in found if each is not None]


def _update(model: Model, sibling: Sibling, shelf: Sequence[Sibling], now: datetime) -> Update | None:
    of_same_base = [each for each in shelf if each.base_model is not None and each.base_model == sibling.base_model]
    published_at, latest = _moment(sibling.published_at), _latest(of_same_base or shelf)
    if sibling.published_at is None or published_at is None or latest is None or published_at <= latest:
        return None
    return Update(
        model_id=model.id,
        version_id=sibling.id,
        name=sibling.name,
        base_model=sibling.base_model,
        published_at=sibling.published_at,
        is_same_base=bool(of_same_base),
        access=_access(sibling, now),
    )


def _access(sibling: Sibling, now: datetime) -> Access:
    if sibling.is_paid:
        return Access.PAID
    ends_at = _moment(sibling.access_ends_at)
    return Access.EARLY if ends_at is not None and ends_at > now else Access.FREE


def _on_shelf(store: Store, model: Model) -> list[Sibling]:
    """Give the versions that are here; one that the model does not list any more as it was when it was received."""
    listed = {each.id: each for each in model.versions}
    ids = store.remote.versions_on_shelf(model.id)
    return [listed[each] for each in ids if each in listed] + _unlisted(store, set(ids) - listed.keys())


def _unlisted(store: Store, version_ids: Collection[int]) -> list[Sibling]:
    bodies = [store.remote.version_body(each) for each in sorted(version_ids)]
    versions = [parse_version(body) for body in bodies if body is not None]
    return [Sibling(each.id, each.name, each.base_model, each.published_at) for each in versions]


def _latest(siblings: Sequence[Sibling]) -> datetime | None:
    return max((moment for each in siblings if (moment := _moment(each.published_at)) is not None), default=None)


def _moment(text: str | None) -> datetime | None:
    """Read a date; one without a zone is UTC, and what is none is None."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
