"""Our mark in a sidecar: which of its values modelshelf wrote, so that none of them ever comes back as a fact.

`extensions.modelshelf` holds a digest per key. A value that a person edits has another digest from then on and is theirs, also
one that we wrote there long ago: the ledger, which remembers more than the last writing, counts only where the mark is missing.
What was written because a person said so bears the id of the modelshelf that was told: to another one over the same folder it is
that person's word, and no value of its own.
Civitai Helper keeps its own notes under `extensions` too; every tool that reads these files ignores what it does not know.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonObject, JsonValue

Digests: TypeAlias = Mapping[str, Collection[str]]
"""Per key of a file, the digests of the values that we are known to have written there."""

EXTENSIONS = "extensions"
OURS = "modelshelf"
FORMAT_VERSION = 1
_DIGEST_CHARACTERS = 16
_MOST_INNER_KEYS = 64


def digest(value: JsonValue) -> str:
    """Give 16 hex characters of the SHA-256 of the value's canonical JSON; 1 and 1.0 are the same value."""
    canonical = json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_DIGEST_CHARACTERS]


def digests(content: JsonObject) -> dict[str, str]:
    """Give the digests by which our values are known again: of each key, and of each key inside an object as `key/inner`.

    So that of an object in which somebody has changed one value only that value is theirs.
    """
    found = {key: digest(value) for key, value in content.items()}
    objects = {
        key: value for key, value in content.items() if isinstance(value, dict) and len(value) <= _MOST_INNER_KEYS
    }
    return found | {f"{key}/{inner}": digest(each) for key, value in objects.items() for inner, each in value.items()}


def is_marked(content: JsonObject) -> bool:
    """Tell whether a file bears our mark."""
    return _mark(content) is not None


def wrote(content: JsonObject) -> dict[str, str]:
    """Give what the mark in a file says that we wrote: digests by key, empty without a mark."""
    digests = (_mark(content) or {}).get("wrote")
    if not isinstance(digests, dict):
        return {}
    return {key: value for key, value in digests.items() if isinstance(value, str)}


def heard_by(content: JsonObject, listener: str) -> JsonObject:
    """Give a content as the modelshelf of this id hears it: what a person told another one is nothing that we wrote."""
    told, written = words(content), wrote(content)
    others = {
        key
        for key, teller in told.items()
        if teller != listener and key in content and digest(content[key]) == written.get(key)
    }
    if not others:
        return content
    left: JsonObject = {key: value for key, value in written.items() if key.partition("/")[0] not in others}
    return _remarked(content, (_mark(content) or {}) | {"wrote": left})


def words(content: JsonObject) -> dict[str, str]:
    """Give which values are a person's word by what the mark says, with the id of the modelshelf that was told."""
    told = (_mark(content) or {}).get("words")
    return {key: teller for key, teller in told.items() if isinstance(teller, str)} if isinstance(told, dict) else {}


def with_words(content: JsonObject, told: Mapping[str, str]) -> JsonObject:
    """Give a marked content whose mark says of more values that they are a person's word."""
    mark = _mark(content)
    if mark is None or not told:
        return content
    return _remarked(content, mark | {"words": dict(sorted({**words(content), **told}.items()))})


def with_others_words(content: JsonObject, before: JsonObject) -> JsonObject:
    """Give a marked content in which what was a person's word to another modelshelf `before`, as heard, is it still."""
    kept = {
        key: teller
        for key, teller in words(before).items()
        if key in before and key not in wrote(before) and content.get(key) == before[key]
    }
    mark = _mark(content)
    if mark is None or not kept:
        return content
    written: JsonObject = {**wrote(content), **digests({key: content[key] for key in kept})}
    return with_words(_remarked(content, mark | {"wrote": dict(sorted(written.items()))}), kept)


def weights_described(content: JsonObject) -> str | None:
    """Give the hash of the weights of which we wrote into a file, None where the mark does not say."""
    weights = (_mark(content) or {}).get("of")
    return weights if isinstance(weights, str) else None


def is_ours(content: JsonObject, key: str, ledger: Digests) -> bool:
    """Tell whether the value of a key is one that we wrote, by the mark in the file, or by the ledger where it has none."""
    return digest(content[key]) in _ours(content, ledger).get(key, ())


def without_ours(content: JsonObject, ledger: Digests) -> JsonObject:
    """Give what others have put into a file: its content without our mark and without every value that we wrote."""
    ours = _ours(content, ledger)

    def is_ours_at(key: str, value: JsonValue) -> bool:
        return digest(value) in ours.get(key, ())

    theirs: JsonObject = {}
    for key, value in _unmarked(content).items():
        if is_ours_at(key, value):
            continue
        left = value
        if isinstance(value, dict) and key in ours:
            left = {inner: each for inner, each in value.items() if not is_ours_at(f"{key}/{inner}", each)}
        if left or not value:
            theirs[key] = left
    return theirs


def marked(content: JsonObject, digests: Mapping[str, str], weights: str | None = None) -> JsonObject:
    """Give the content with our mark at its end, which names the weights described; unmarked where its place is taken."""
    extensions = content.get(EXTENSIONS, {})
    if not isinstance(extensions, dict) or not isinstance(extensions.get(OURS, {}), dict):
        return content
    mark: JsonObject = {"version": FORMAT_VERSION, "wrote": dict(sorted(digests.items()))}
    mark |= {"of": weights} if weights is not None else {}
    others = {key: value for key, value in content.items() if key != EXTENSIONS}
    return {**others, EXTENSIONS: {**extensions, OURS: mark}}


def _ours(content: JsonObject, ledger: Digests) -> Digests:
    return {key: (value,) for key, value in wrote(content).items()} if is_marked(content) else ledger


def _mark(content: JsonObject) -> JsonObject | None:
    extensions = content.get(EXTENSIONS)
    mark = extensions.get(OURS) if isinstance(extensions, dict) else None
    return mark if isinstance(mark, dict) else None


def _remarked(content: JsonObject, mark: JsonObject) -> JsonObject:
    extensions = content[EXTENSIONS]
    return {**content, EXTENSIONS: {**extensions, OURS: mark}} if isinstance(extensions, dict) else content


def _unmarked(content: JsonObject) -> JsonObject:
    extensions = content.get(EXTENSIONS)
    if not isinstance(extensions, dict) or OURS not in extensions:
        return content
    others = {key: value for key, value in extensions.items() if key != OURS}
    return {
        key: others if key == EXTENSIONS else value for key, value in content.items() if others or key != EXTENSIONS
    }


def _canonical(value: JsonValue) -> JsonValue:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_canonical(each) for each in value]
    if isinstance(value, dict):
        return {key: _canonical(each) for key, each in value.items()}
    return value
