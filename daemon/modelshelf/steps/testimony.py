"""What is believed of the sidecars beside one model, and from which of them a Fact is taken.

A sidecar is bound by the hashes that it names, by the id of its version, or by its stem. One whose stem is the model's but
which names other bytes is not believed, nor a record of a version that those bytes are not; where strays disagree among
themselves, none of them is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelshelf.civitai.lenient import as_list, as_object, integer
from modelshelf.civitai.payload import model_facts, parse_model, parse_version, version_facts
from modelshelf.domain.content import Match
from modelshelf.domain.fact import Source
from modelshelf.errors import CivitaiUnavailable
from modelshelf.sidecars.classify import Dialect
from modelshelf.sidecars.witness import names_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from modelshelf.domain.content import Content
    from modelshelf.domain.fact import Fact, Field
    from modelshelf.domain.hashes import Hashes
    from modelshelf.domain.jsontypes import JsonObject, JsonValue
    from modelshelf.sidecars.witness import Witness
    from modelshelf.store.store import Store

FROM_BESIDE = (Source.FORGE, Source.CIVITAI_JSON, Source.TOOL_JSON)
"""The sources that sidecars are."""


def listed_versions(store: Store, content: Content | None) -> frozenset[int]:
    """Give the versions that Civitai knows to have the very bytes of a content, empty for none."""
    if content is None or content.version_id is None or content.matched_by is not Match.FILE:
        return frozenset()
    return frozenset({content.version_id, *(each.version_id for each in store.alternates.of_content(content.id))})


def believed(
    of_stem: Sequence[Witness], strays: Sequence[Witness], hashes: Hashes | None, listed: Collection[int] = ()
) -> list[Fact]:
    """Give one Fact per source and field: those of the model's own stem first, in order, then what strays agree on.

    `listed` are the `listed_versions` of the bytes.
    """
    facts: dict[tuple[Source, Field], Fact] = {}
    for witness in of_stem:
        for fact in _facts_of(witness, hashes, listed):
            facts.setdefault((fact.source, fact.field), fact)
    for key, fact in _agreed([_facts_of(each, hashes, listed) for each in strays]).items():
        facts.setdefault(key, fact)
    return list(facts.values())


def _agreed(told: Sequence[Sequence[Fact]]) -> dict[tuple[Source, Field], Fact]:
    found: dict[tuple[Source, Field], Fact | None] = {}
    for fact in (each for facts in told for each in facts):
        key = (fact.source, fact.field)
        found[key] = fact if found.setdefault(key, fact) == fact else None
    return {key: fact for key, fact in found.items() if fact is not None}


def _facts_of(witness: Witness, hashes: Hashes | None, listed: Collection[int]) -> list[Fact]:
    """Give what a sidecar says of these bytes; what a person wrote for Forge counts by the stem alone.

    What it has of Civitai about a version that is none of the listed is believed only if it names the bytes.
    """
    is_named = witness.speaks_of(hashes)
    if witness.dialect is not Dialect.FORGE and is_named is False:
        return []
    is_of_another = bool(listed and witness.version_ids) and witness.version_ids.isdisjoint(listed)
    body: JsonObject = {} if is_of_another and not is_named else witness.body
    return [*witness.facts, *civitai_facts(body, hashes)]


def civitai_facts(body: JsonObject, hashes: Hashes | None) -> list[Fact]:
    """Give the facts of a Civitai JSON; of a whole model's those of the version with these hashes too, if one has them."""
    if not body:
        return []
    try:
        if "modelVersions" not in body:
            return version_facts(parse_version(body), Source.CIVITAI_JSON)
        of_model = model_facts(parse_model(body), Source.CIVITAI_JSON)
        better = {fact.field for fact in of_model}
        version = _version_with(body["modelVersions"], hashes)
        of_version = version_facts(parse_version(version), Source.CIVITAI_JSON) if version else []
    except CivitaiUnavailable:
        return []
    return of_model + [fact for fact in of_version if fact.field not in better]


def _version_with(versions: JsonValue, hashes: Hashes | None) -> JsonObject | None:
    """Give the version that lists a file with these hashes; None where none does, or more than one."""
    wanted = names_of(hashes) if hashes else frozenset()
    found = [each for version in as_list(versions) if wanted & _listed(each := as_object(version))]
    return found[0] if len(found) == 1 and integer(found[0].get("id")) is not None else None


def _listed(version: JsonObject) -> frozenset[str]:
    told = (
        each for file in as_list(version.get("files")) for each in as_object(as_object(file).get("hashes")).values()
    )
    return frozenset(each.upper() for each in told if isinstance(each, str))
