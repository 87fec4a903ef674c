"""What one found sidecar says, and of which bytes: a Witness.

All that any tool keeps of Civitai's answers becomes one body in Civitai's own form; what a tool says in its own words becomes
Facts. Nothing that we wrote ourselves is among either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelshelf.domain.hashes import EMPTY_AUTOV3
from modelshelf.sidecars import forge, lora_manager, mark, stability_matrix, swarm
from modelshelf.sidecars.classify import Dialect, classify
from modelshelf.sidecars.values import storable_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from modelshelf.domain.fact import Fact
    from modelshelf.domain.hashes import Hashes
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.sidecars.mark import Digests
    from modelshelf.sidecars.reading import FoundSidecar

MOST_NAMES = 2_000
"""Hashes and versions that one file may name; the largest model record known names some hundreds."""

_CIVITAI = frozenset({Dialect.CIVITAI_VERSION, Dialect.CIVITSCRAPER, Dialect.CIVITAI_MODEL})
_IDENTITY = ("id", "modelId")
_HEX = re.compile(r"[0-9A-F]{8,64}")
_AUTOV3_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class Witness:
    """What a sidecar says. `body` is what it holds of Civitai's answers, empty for none.

    `hashes` are those that it names, of whatever kind, in upper case, with all their versions' `version_ids`.
    """

    path: Path
    dialect: Dialect
    facts: tuple[Fact, ...] = ()
    body: JsonObject = field(default_factory=dict)
    hashes: frozenset[str] = frozenset()
    version_ids: frozenset[int] = frozenset()

    def speaks_of(self, hashes: Hashes | None) -> bool | None:
        """Tell whether it names these bytes, or the weights in them; None where it names none, or not enough to tell.

        Weights under an edited header have other hashes, but the same AutoV3. A hash of a kind that we have not, and AutoV1
        and CRC32, which are too short, contradict nothing.
        """
        if hashes is None or not self.hashes:
            return None
        own = names_of(hashes)
        if not self.hashes.isdisjoint(own):
            return True
        lengths = {len(each) for each in own}
        return False if any(len(each) in lengths for each in self.hashes) else None

    def contradicts(self, version_id: int | None) -> bool:
        """Tell whether it names versions, and not this one, as which a person knows the bytes."""
        return version_id is not None and bool(self.version_ids) and version_id not in self.version_ids


def names_of(hashes: Hashes) -> frozenset[str]:
    """Give the hashes by which a sidecar may name a file: the whole ones, the short form of one, and that of its weights."""
    told = {hashes.sha256, hashes.blake3, hashes.autov2, hashes.autov3}
    return frozenset(each for each in told if each is not None and each != EMPTY_AUTOV3)


def witnesses(found: Iterable[FoundSidecar], ours_of: Callable[[Path], Digests]) -> list[Witness]:
    """Hear every sidecar that says something which is not ours."""
    heard = (witness(each, ours_of(each.path)) for each in found)
    return [each for each in heard if each.facts or each.body]


def witness(sidecar: FoundSidecar, ours: Digests) -> Witness:
    """Hear one sidecar."""
    theirs = mark.without_ours(sidecar.content, ours)
    body = storable_object(_body(sidecar, theirs))
    return Witness(
        path=sidecar.path,
        dialect=sidecar.dialect,
        facts=tuple(_facts(sidecar.dialect, theirs)),
        body=body,
        hashes=_hashes(sidecar.dialect, theirs),
        version_ids=_version_ids(sidecar),
    )


def _facts(dialect: Dialect, theirs: JsonObject) -> list[Fact]:
    speakers = {Dialect.FORGE: forge.facts, Dialect.SWARM: swarm.facts, Dialect.LORA_MANAGER: lora_manager.facts}
    speaker = speakers.get(dialect)
    return speaker(theirs) if speaker else []


def _body(sidecar: FoundSidecar, theirs: JsonObject) -> JsonObject:
    """Give what others have put there of Civitai's answer, with the ids that say of what it speaks."""
    if sidecar.dialect is Dialect.STABILITY_MATRIX:
        return stability_matrix.answer_in(theirs, sidecar.content)
    received, changed = _received(sidecar.dialect, sidecar.content), _received(sidecar.dialect, theirs)
    if not changed or classify(received) not in _CIVITAI:
        return {}
    return changed | {key: received[key] for key in _IDENTITY if key in received}


def _received(dialect: Dialect, content: JsonObject) -> JsonObject:
    """Give the object in a file that was Civitai's answer: the whole, or what LoRA-Manager and rgthree keep of it."""
    if dialect in _CIVITAI:
        return content
    if dialect is Dialect.LORA_MANAGER:
        return _object(content.get("civitai"))
    return _object(_object(content.get("raw")).get("civitai")) if dialect is Dialect.RGTHREE else {}


def _hashes(dialect: Dialect, content: JsonObject) -> frozenset[str]:
    told: list[JsonValue] = [content.get("sha256"), content.get("autov3"), _tensors(content)]
    told += _object(content.get("Hashes")).values()
    for version in _versions(dialect, content):
        told += [each for file in _objects(version.get("files")) for each in _object(file.get("hashes")).values()]
    upper = (each.upper() for each in told[:MOST_NAMES] if isinstance(each, str))
    return frozenset(each for each in upper if each != EMPTY_AUTOV3 and _HEX.fullmatch(each))


def _tensors(content: JsonObject) -> str | None:
    """Give SwarmUI's hash of the tensors, of which AutoV3 is the beginning."""
    told = content.get("modelspec.hash_sha256")
    return told.removeprefix("0x")[:_AUTOV3_CHARACTERS] if isinstance(told, str) else None


def _version_ids(sidecar: FoundSidecar) -> frozenset[int]:
    content = sidecar.content
    versions = _versions(sidecar.dialect, content)
    told = [content.get("VersionId"), *(version.get("id") for version in versions)]
    told += [content.get("modelVersionId")] if sidecar.dialect is Dialect.FORGE else []
    return frozenset(each for each in told[:MOST_NAMES] if isinstance(each, int) and not isinstance(each, bool))


def _versions(dialect: Dialect, content: JsonObject) -> Iterator[JsonObject]:
    received = _received(dialect, content)
    if "modelVersions" in received:
        yield from _objects(received["modelVersions"])
    elif received:
        yield received


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _objects(value: JsonValue) -> list[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
