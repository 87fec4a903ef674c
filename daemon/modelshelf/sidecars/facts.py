"""What the found sidecars say, without anything that we wrote there ourselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.sidecars import forge, mark
from modelshelf.sidecars.classify import Dialect, classify
from modelshelf.sidecars.values import storable_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from modelshelf.domain.fact import Fact
    from modelshelf.domain.jsontypes import JsonObject
    from modelshelf.sidecars.mark import Digests
    from modelshelf.sidecars.reading import FoundSidecar

_CIVITAI = frozenset({Dialect.CIVITAI_VERSION, Dialect.CIVITSCRAPER, Dialect.CIVITAI_MODEL})
_IDENTITY = ("id", "modelId")


def found_facts(
    found: Iterable[FoundSidecar], ours_of: Callable[[Path], Digests]
) -> tuple[list[Fact], list[JsonObject]]:
    """Give the facts of Forge files, and the Civitai JSON of every other that carries some.

    From a Civitai file of ours only what a person changed in it comes back, with the ids that say of what it speaks. The
    version that LoRA-Manager keeps under `civitai` counts as such a file.
    """
    facts: list[Fact] = []
    bodies: list[JsonObject] = []
    for sidecar in found:
        theirs = mark.without_ours(sidecar.content, ours_of(sidecar.path))
        if sidecar.dialect is Dialect.FORGE:
            facts.extend(forge.facts(theirs))
        elif body := _civitai_body(sidecar, theirs):
            bodies.append(storable_object(body))
    return facts, bodies


def _civitai_body(sidecar: FoundSidecar, theirs: JsonObject) -> JsonObject:
    if sidecar.dialect is Dialect.LORA_MANAGER:
        inner = theirs.get("civitai")
        return inner if isinstance(inner, dict) and classify(inner) in _CIVITAI else {}
    if sidecar.dialect not in _CIVITAI or not theirs:
        return {}
    return theirs | {key: sidecar.content[key] for key in _IDENTITY if key in sidecar.content}
