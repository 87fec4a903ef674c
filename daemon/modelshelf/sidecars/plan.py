"""Which sidecars one model should have, and what would be written into each: a plan, so that a dry run is the same walk."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from modelshelf.domain.fact import Source
from modelshelf.domain.output import SidecarKind
from modelshelf.sidecars import civitai_info, civitscraper, forge, lora_manager, stability_matrix, swarm
from modelshelf.sidecars.classify import Dialect, classify
from modelshelf.sidecars.mark import weights_described, without_ours
from modelshelf.sidecars.writer import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from modelshelf.domain.description import Description
    from modelshelf.domain.output import Output, Spot
    from modelshelf.sidecars.mark import Digests
    from modelshelf.sidecars.reading import FoundSidecar
    from modelshelf.sidecars.writer import Planned, Writer


@dataclass(frozen=True, slots=True)
class Plan:
    """One sidecar: where, in which dialect, and what to write.

    `content` None: nothing to write, and `refusal` says why if it is for a person to know. `expected` is the file as it was
    read, to be handed to `files.replace_file`; None: nothing was there, so `files.create_file`. `is_removed`: all that it
    holds is ours and said of other weights, so it goes. `is_all_ours`: nobody else has put anything into it.
    """

    path: Path
    dialect: Dialect
    content: bytes | None
    digests: Mapping[str, str]
    expected: os.stat_result | None
    refusal: str | None
    is_removed: bool = False
    is_all_ours: bool = False


_REMAINS = Layout(indent=4, is_ascii=True)
_WRITERS: dict[Dialect, Writer] = {
    Dialect.CIVITAI_VERSION: civitai_info,
    Dialect.FORGE: forge,
    Dialect.CIVITSCRAPER: civitscraper,
    Dialect.LORA_MANAGER: lora_manager,
    Dialect.STABILITY_MATRIX: stability_matrix,
    Dialect.SWARM: swarm,
}
_SPOKEN = {
    SidecarKind.CIVITAI_INFO: Dialect.CIVITAI_VERSION,
    SidecarKind.FORGE: Dialect.FORGE,
    SidecarKind.LORA_MANAGER: Dialect.LORA_MANAGER,
    SidecarKind.STABILITY_MATRIX: Dialect.STABILITY_MATRIX,
    SidecarKind.SWARM: Dialect.SWARM,
}


def sidecar_paths(spot: Spot, output: Output) -> dict[Path, Dialect]:
    """Give where this model's sidecars belong; a path away from the model must be read before planning.

    Where CivitScraper's name is also another tool's, that tool's file is written and CivitScraper's is not.
    """
    path = spot.model_path
    stem = os.path.splitext(path.name)[0]
    paths = {path.parent / f"{stem}{kind.suffix}": dialect for kind, dialect in _SPOKEN.items() if kind in output.kinds}
    if output.metadata is not None:
        paths.setdefault(spot.place(output.metadata.path, output.metadata.filename), Dialect.CIVITSCRAPER)
    return paths


def plan_sidecars(
    description: Description,
    spot: Spot,
    output: Output,
    existing: Sequence[FoundSidecar],
    ours_of: Callable[[Path], Digests],
) -> list[Plan]:
    """Plan every sidecar of a model from what was found; planned again on its own result, nothing is left to write.

    `ours_of` gives what the ledger knows of a path.
    """
    description = replace(description, path=spot.model_path)
    found = {each.path: each for each in existing}
    return [
        _plan(description, path, dialect, found.get(path), ours_of(path))
        for path, dialect in sidecar_paths(spot, output).items()
    ]


def _plan(description: Description, path: Path, dialect: Dialect, found: FoundSidecar | None, ours: Digests) -> Plan:
    expected = found.status if found is not None else None
    if found is not None and not found.obstacle and _is_of_other_weights(found, description):
        return _plan_anew(description, dialect, found, ours)
    planned = _composed(description, dialect, found, ours)
    is_all_ours = planned.content is not None and found is not None and not without_ours(found.content, ours)
    return Plan(path, dialect, planned.content, planned.digests, expected, planned.refusal, is_all_ours=is_all_ours)


def _composed(description: Description, dialect: Dialect, found: FoundSidecar | None, ours: Digests) -> Planned:
    """Plan a file, and mark as a person's word what would not be said without one."""
    compose = _WRITERS[dialect].compose
    planned = compose(description, found, ours)
    facts = {field: fact for field, fact in description.facts.items() if fact.source is not Source.USER}
    if planned.content is None or description.teller is None or len(facts) == len(description.facts):
        return planned
    said, anyway = (compose(each, None, {}).digests for each in (description, replace(description, facts=facts)))
    told = {key for key, value in planned.digests.items() if value == said.get(key) != anyway.get(key)}
    return planned.with_words(dict.fromkeys(told & planned.document.keys(), description.teller))


def _is_of_other_weights(found: FoundSidecar, description: Description) -> bool:
    described = weights_described(found.content)
    return described is not None and description.weights is not None and described != description.weights


def _plan_anew(description: Description, dialect: Dialect, found: FoundSidecar, ours: Digests) -> Plan:
    """Plan a file in which we described the weights that stood here before: nothing of ours stays, all of theirs does."""
    theirs = without_ours(found.content, ours)
    spoken = dialect if found.dialect is dialect else classify(theirs)
    base = replace(found, content=theirs, dialect=spoken) if theirs else None
    planned = _composed(description, dialect, base, {})
    if planned.content is not None:
        return Plan(found.path, dialect, planned.content, planned.digests, found.status, None)
    if not theirs:
        return Plan(found.path, dialect, None, {}, found.status, None, is_removed=True)
    return Plan(found.path, dialect, _REMAINS.serialise(theirs), {}, found.status, planned.refusal)
