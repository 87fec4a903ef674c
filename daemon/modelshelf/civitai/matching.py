"""Which version of a batch answer belongs to which hash: the answer does not say.

One element per matching file, unordered: nulls, the same version twice and several versions for one hash are normal.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from modelshelf.domain.civitai import ModelVersion

_NEVER = datetime.max.replace(tzinfo=UTC)


def by_hash(versions: Iterable[ModelVersion], sha256s: Collection[str]) -> dict[str, ModelVersion]:
    """Give for each hash the version that lists it; of several the oldest published, as a single question would."""
    found: dict[str, ModelVersion] = {}
    for version in sorted(versions, key=_age):
        for file in version.files:
            sha256 = file.hashes.get("SHA256", "")
            if sha256 in sha256s:
                found.setdefault(sha256, version)
    return found


def has_unexplained(versions: Sequence[ModelVersion], sha256s: Collection[str]) -> bool:
    """Tell whether a version came oftener than the hashes it lists explain.

    It then holds one of ours in a file that it does not list: replaced, hidden, or of an archived model.
    """
    counts = Counter(version.id for version in versions)
    return any(counts[version.id] > _listed(version, sha256s) for version in versions)


def _listed(version: ModelVersion, sha256s: Collection[str]) -> int:
    return sum(file.hashes.get("SHA256") in sha256s for file in version.files)


def _age(version: ModelVersion) -> tuple[datetime, int]:
    """Order by publication, unknown dates last, then by id; dates without a zone are UTC."""
    try:
        published_at = datetime.fromisoformat(version.published_at or "")
    except ValueError:
        return _NEVER, version.id
    return published_at if published_at.tzinfo else published_at.replace(tzinfo=UTC), version.id
