"""What is known of weights holds under another header too: which version they are, and what a person decided of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.civitai.payload import parse_version
from modelshelf.domain.content import Match
from modelshelf.steps.matched import keep_match, note_weights_match
from modelshelf.store.same_weights import believe_same_weights

if TYPE_CHECKING:
    from datetime import datetime

    from modelshelf.domain.content import Content
    from modelshelf.store.store import Store


def inherit(store: Store, file_id: int, content: Content, now: datetime) -> Content:
    """Give a content that was just read with all that is known by its weights already; it is looked up all the same.

    Programs rewrite headers in place (SwarmUI does by itself), which makes bytes that nobody has heard of.
    """
    version_id = believe_same_weights(store.database, content.id)
    if version_id is not None:
        _keep(store, content.id, version_id, Match.WEIGHTS, now)
        note_weights_match(store, content, version_id, [file_id], now)
    matters = store.decisions.inherit(file_id, content.id)
    known = store.contents.get(content.id) if matters or version_id is not None else None
    if known is None:
        return content
    pinned = known.pinned_version_id
    if pinned is not None and pinned != known.version_id and _keep(store, content.id, pinned, None, now):
        store.contents.record_hit(content.id, pinned, now, match=None)
    store.contents.owe_lookup(content.id, now)
    return store.contents.get(content.id) or known


def _keep(store: Store, content_id: int, version_id: int, match: Match | None, now: datetime) -> bool:
    """Keep what Civitai said of a version before; gives whether it said anything."""
    body = store.remote.version_body(version_id)
    if body is not None:
        keep_match(store, content_id, parse_version(body), match, now)
    return body is not None
