"""What every dialect's writer gives and how it merges: ours is refreshed, everybody else's is kept, key by key."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from modelshelf.sidecars import mark
from modelshelf.sidecars.reading import LARGEST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from modelshelf.domain.description import Description
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.sidecars.classify import Dialect
    from modelshelf.sidecars.mark import Digests
    from modelshelf.sidecars.reading import FoundSidecar


@dataclass(frozen=True, slots=True)
class Layout:
    """How a dialect's JSON looks on disk."""

    indent: int | None
    is_ascii: bool

    def serialise(self, content: JsonObject) -> bytes:
        """Give the JSON as bytes, without a byte order mark; half a surrogate pair is escaped, as UTF-8 has none."""
        text = json.dumps(content, indent=self.indent, ensure_ascii=self.is_ascii)
        try:
            return text.encode()
        except UnicodeEncodeError:
            return json.dumps(content, indent=self.indent).encode()


@dataclass(frozen=True, slots=True)
class Planned:
    """What a sidecar should hold.

    `content` None: nothing is to be written, because nothing changed or because of the `refusal`, which is for a person.
    `digests` are those of all our values in the content, for the ledger. `document` is what the content says, in `layout`.
    """

    content: bytes | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    refusal: str | None = None
    document: JsonObject = field(default_factory=dict)
    layout: Layout | None = None

    def with_words(self, told: Mapping[str, str]) -> Planned:
        """Give the same with a mark that says which values are a person's word, and to which modelshelf."""
        if self.layout is None or not told:
            return self
        document = mark.with_words(self.document, told)
        return replace(self, document=document, content=self.layout.serialise(document))


class Writer(Protocol):
    """A dialect: composes what its sidecar should hold, without writing it."""

    def compose(self, description: Description, existing: FoundSidecar | None, ours: Digests) -> Planned:
        """Plan the sidecar of one model; `existing` is what stands at its path, `ours` what the ledger knows of that path."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What we have to say in a file.

    `weights` is the hash of what it is said of. `is_whole`: nothing else, so what we said before and say no more goes; as do
    keys that are `withdrawn`. `required` are those without which the file is worth nothing: they return when they are lost.
    `settled` are those of which another modelshelf on the same folder says something else: only the one whose ledger has a
    value refreshes it, or the two would rewrite one file for ever. `says_nothing` tells which values of others are only
    placeholders that may be filled.
    """

    values: JsonObject
    layout: Layout
    weights: str | None = None
    is_whole: bool = False
    withdrawn: Collection[str] = ()
    required: Collection[str] = ()
    settled: Collection[str] = ()
    says_nothing: Callable[[str, JsonValue], bool] = lambda _key, _value: False


def merged(wanted: Wanted, existing: JsonObject, ours: Digests) -> Planned:
    """Plan our values into what is there.

    A key is ours to write if it is absent, holds what we wrote, or holds a placeholder; but not if we wrote it once and a
    person has removed or emptied it since.
    """
    gone = {key for key in existing if _is_stale(existing, key, wanted, ours)}
    result = {key: value for key, value in existing.items() if key not in gone}
    result |= {key: value for key, value in wanted.values.items() if _is_free(existing, key, wanted, ours)}
    if result == existing:
        return Planned()
    written = _written(existing, result, wanted, ours)
    digests = mark.digests({key: value for key, value in result.items() if key in written})
    dropped = gone | {key.partition("/")[0] for key in digests}
    kept = {key: value for key, value in mark.wrote(existing).items() if key.partition("/")[0] not in dropped}
    wrote = kept | digests
    document = mark.with_others_words(mark.marked(result, wrote, wanted.weights), existing)
    content = wanted.layout.serialise(document)
    if len(content) > LARGEST_BYTES:
        return Planned(refusal=f"it would have {len(content)} bytes, and nobody reads a sidecar above {LARGEST_BYTES}")
    return Planned(content, digests, document=document, layout=wanted.layout)


def merged_into(existing: FoundSidecar | None, wanted: Wanted, dialects: Collection[Dialect], ours: Digests) -> Planned:
    """Plan our values into the file found at a path.

    One that cannot be read, or speaks none of the `dialects`, is left alone; unless all that is in it is ours, for then
    nothing is lost.
    """
    if existing is None:
        return merged(wanted, {}, {})
    if existing.problem or existing.obstacle:
        return Planned(refusal=f"{existing.problem or existing.obstacle}: it was left alone")
    if existing.dialect in dialects:
        return merged(wanted, existing.content, ours)
    if _is_only_ours(existing, ours):
        return merged(wanted, {}, {})
    return Planned(refusal=f"the file there is another tool's ({existing.dialect}): it was left alone")


def _is_only_ours(existing: FoundSidecar, ours: Digests) -> bool:
    return mark.is_marked(existing.content) and not mark.without_ours(existing.content, ours)


def _is_stale(existing: JsonObject, key: str, wanted: Wanted, ours: Digests) -> bool:
    if key == mark.EXTENSIONS or key in wanted.values:
        return False
    return (wanted.is_whole or key in wanted.withdrawn) and mark.is_ours(existing, key, ours)


def _is_free(existing: JsonObject, key: str, wanted: Wanted, ours: Digests) -> bool:
    if key not in existing:
        return key in wanted.required or key not in mark.wrote(existing)
    if _is_refreshed(existing, key, wanted, ours):
        return True
    return wanted.says_nothing(key, existing[key]) and key not in _written_keys(existing, ours)


def _is_refreshed(existing: JsonObject, key: str, wanted: Wanted, ours: Digests) -> bool:
    is_here = key not in wanted.settled or mark.digest(existing[key]) in ours.get(key, ())
    return is_here and mark.is_ours(existing, key, ours)


def _written_keys(existing: JsonObject, ours: Digests) -> Collection[str]:
    """Give the keys that we have written into this very file.

    The ledger alone proves nothing: a crash may have come between its entry and the rename. It counts where the mark has
    been lost but a value of ours is still there.
    """
    if mark.is_marked(existing):
        return mark.wrote(existing)
    has_landed = any(mark.is_ours(existing, key, ours) for key in existing)
    return ours.keys() if has_landed else ()


def _written(existing: JsonObject, result: JsonObject, wanted: Wanted, ours: Digests) -> set[str]:
    """Give the keys whose values will be ours."""
    keys = result.keys() - {mark.EXTENSIONS}
    same = {key for key in keys & existing.keys() if mark.digest(existing[key]) == mark.digest(result[key])}
    return {key for key in same if _is_refreshed(existing, key, wanted, ours)} | ((keys - same) & wanted.values.keys())
