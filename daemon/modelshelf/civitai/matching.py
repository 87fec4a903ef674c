"""Which version belongs to which hash: an answer to many hashes does not say.

One element per matching file, unordered: nulls, the same version twice, several versions for one hash and versions that
nobody asked for are normal.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from modelshelf.civitai.lenient import as_object, integer
from modelshelf.civitai.payload import parse_version
from modelshelf.domain.civitai import Alternate, Found

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from modelshelf.domain.civitai import ModelVersion
    from modelshelf.domain.jsontypes import JsonValue

_NEVER = datetime.max.replace(tzinfo=UTC)


def named_versions(elements: Iterable[JsonValue], sha256s: Collection[str]) -> dict[str, tuple[Alternate, ...]]:
    """Give which of the hashes an answer of ids knows, and the versions it names for each, lowest id first."""
    named: dict[str, dict[int, Alternate]] = {}
    for element in map(as_object, elements):
        digits = element.get("hash")
        sha256 = digits.strip().upper() if isinstance(digits, str) else ""
        if sha256 not in sha256s:
            continue
        versions = named.setdefault(sha256, {})
        version_id = integer(element.get("modelVersionId"))
        if version_id is not None:
            versions[version_id] = Alternate(version_id, integer(element.get("modelId")), None)
    return {sha256: tuple(versions[each] for each in sorted(versions)) for sha256, versions in named.items()}


def parsed_versions(elements: Sequence[JsonValue]) -> dict[int, ModelVersion]:
    """Give the versions among the elements of a batch answer by id, each once."""
    versions: dict[int, ModelVersion] = {}
    for element in elements:
        version_id = integer(as_object(element).get("id"))
        if version_id is not None and version_id not in versions:
            versions[version_id] = parse_version(element)
    return versions


def found_among(
    versions: Mapping[int, ModelVersion],
    named: Mapping[str, Sequence[Alternate]],
    preferred: Mapping[str, Collection[int]],
) -> dict[str, Found]:
    """Give for each hash in `named` the version to believe, where one is among `versions`.

    It must list the hash, or be named for it: then the file was replaced or its model archived. Of several a preferred one
    wins, then the oldest published, as a single question would have it, then the lowest id.
    """
    listed = _listed(versions.values(), named)
    found: dict[str, Found] = {}
    for sha256, others in named.items():
        held = {each: versions[each] for each in listed[sha256]}
        held |= {each.version_id: versions[each.version_id] for each in others if each.version_id in versions}
        if held:
            found[sha256] = _chosen(held, others, preferred.get(sha256, ()))
    return found


def lists_hash(version: ModelVersion, name: str, digits: str) -> bool:
    """Tell whether a file of the version has this hash under Civitai's `name` for it."""
    return any(file.hashes.get(name) == digits for file in version.files)


def contradicting_size(version: ModelVersion, sha256: str, size_bytes: int) -> int | None:
    """Give the size in bytes that Civitai lists for these very bytes, where it is not theirs; None where all is well.

    In March 2023 hashes were written to the wrong files (civitai/civitai issue 426). A size that is missing or 0 proves nothing.
    """
    listed = [file.size_bytes for file in version.files if file.hashes.get("SHA256") == sha256.upper()]
    known = [each for each in listed if each is not None]
    return known[0] if known and size_bytes not in known else None


def contradicting_autov1(version: ModelVersion, sha256: str, autov1: str | None) -> str | None:
    """Give the AutoV1 that Civitai lists beside this SHA256, where it is not `autov1`; None where one of them is unknown.

    So a SHA256 that nobody here has computed is put to the test: an AutoV1 costs a read of 64 KiB.
    """
    listed = [file.hashes.get("AutoV1") for file in version.files if file.hashes.get("SHA256") == sha256.upper()]
    known = [each for each in listed if each]
    return known[0] if known and autov1 is not None and autov1 not in known else None


def _listed(versions: Iterable[ModelVersion], sha256s: Collection[str]) -> dict[str, set[int]]:
    listed: dict[str, set[int]] = {sha256: set() for sha256 in sha256s}
    for version in versions:
        for file in version.files:
            sha256 = file.hashes.get("SHA256", "")
            if sha256 in listed:
                listed[sha256].add(version.id)
    return listed


def _chosen(held: Mapping[int, ModelVersion], named: Sequence[Alternate], preferred: Collection[int]) -> Found:
    versions = sorted(held.values(), key=lambda each: (each.id not in preferred, *_age(each)))
    others = [Alternate(each.id, each.model_id, each.published_at) for each in versions[1:]]
    unseen = [each for each in named if each.version_id not in held]
    return Found(versions[0], (*others, *unseen))


def _age(version: ModelVersion) -> tuple[bool, datetime, int]:
    """Order by publication, unknown dates last, then by id; dates without a zone are UTC."""
    try:
        published_at = datetime.fromisoformat(version.published_at or "")
    except ValueError:
        return True, _NEVER, version.id
    return False, published_at if published_at.tzinfo else published_at.replace(tzinfo=UTC), version.id
